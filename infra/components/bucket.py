"""Access to the bucket that stores an environment's Pulumi state."""

from dataclasses import dataclass

import pulumi

from infra import naming
from infra.components.access import READ_OBJECTS
from infra.components.state_access import state_access

WRITE_OBJECTS = (
    "ObjectStorageBucketsRead",
    "ObjectStorageObjectsDelete",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)


@dataclass(frozen=True, kw_only=True)
class BackendBucketArgs:
    """Arguments of `BackendBucket`."""

    environment: str
    """The environment that stores its state in the bucket."""
    project_id: pulumi.Input[str]
    """Project of the bucket."""


class BackendBucket(pulumi.ComponentResource):
    """Access to the bucket used as an environment's backend (`snu:bucket:BackendBucket`).

    Children:

    - `<name>-application`, `<name>-policy`: an IAM application that reads and writes the bucket. Its permissions apply
      to the whole project; the bucket policy denies access to everyone else.
    - `<name>-reader-application`, `<name>-reader-policy`: an IAM application with read-only access

    `snu bootstrap` creates the bucket and the bucket policy, because the first stack needs a bucket for its state
    before any program can run.
    """

    def __init__(self, name: str, args: BackendBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:bucket:BackendBucket", name, None, opts)
        state_access(
            name,
            args.environment,
            naming.state_bucket_application(args.environment),
            args.project_id,
            WRITE_OBJECTS,
            READ_OBJECTS,
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
