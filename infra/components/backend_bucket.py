"""Access to the bucket that stores an environment's Pulumi state."""

from typing import TypedDict

import pulumi

from .access import grant_state
from .component import Component
from .permission_sets import READ_OBJECTS, WRITE_OBJECTS


class BackendBucketArgs(TypedDict):
    """Arguments of `BackendBucket`."""

    environment: str
    """Name of the environment that stores its state in the bucket; used in descriptions."""
    application_name: str
    """Name of the IAM application that reads and writes the bucket."""
    reader_application_name: str
    """Name of the IAM application with read-only access."""
    project_id: pulumi.Input[str]
    """Project of the bucket."""


class BackendBucket(Component):
    """Access to the bucket used as an environment's backend.

    Children:

    - `<name>-application`, `<name>-policy`: an IAM application that reads and writes the bucket. Its permissions apply
      to the whole project; the bucket policy denies access to everyone else.
    - `<name>-reader-application`, `<name>-reader-policy`: an IAM application with read-only access

    The bucket and the bucket policy are created before any program runs, because the state of the first stack must
    already be in a bucket.
    """

    _former_type = "snu:bucket:BackendBucket"

    def __init__(self, name: str, args: BackendBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        grant_state(
            name,
            args["environment"],
            args["application_name"],
            args["reader_application_name"],
            args["project_id"],
            WRITE_OBJECTS,
            READ_OBJECTS,
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
