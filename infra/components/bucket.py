"""Where Pulumi keeps the state of an environment, when that is a bucket: who may use it."""

from dataclasses import dataclass

import pulumi

from infra import naming
from infra.components.access import READ_OBJECTS
from infra.components.state_access import state_access

USE_OBJECTS = (
    "ObjectStorageBucketsRead",
    "ObjectStorageObjectsDelete",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)


@dataclass(frozen=True, kw_only=True)
class BackendBucketArgs:
    """What a `BackendBucket` is made from."""

    environment: str
    """The environment whose state it keeps."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""


class BackendBucket(pulumi.ComponentResource):
    """`snu:bucket:BackendBucket`, produces:

    - `<name>-application`, `<name>-policy`: the IAM application that uses the bucket. The permission is given by
      project; the bucket's own policy keeps everybody else out.
    - `<name>-reader-application`, `<name>-reader-policy`: one that reads it and writes nothing

    The bucket and that policy are made by `snu bootstrap`: the state of the first stack is in a bucket before any
    program has run.
    """

    def __init__(self, name: str, args: BackendBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:bucket:BackendBucket", name, None, opts)
        state_access(
            name,
            args.environment,
            naming.state_bucket_application(args.environment),
            args.project_id,
            USE_OBJECTS,
            READ_OBJECTS,
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
