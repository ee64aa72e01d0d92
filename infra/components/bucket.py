"""Where Pulumi keeps the state of an environment, when that is a bucket: who may use it."""

from dataclasses import dataclass

import pulumi

from infra import naming
from infra.components.access import READ_OBJECTS, Access
from infra.components.state_access import state_access
from infra.secrecy import secret

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
    keys_expire_at: str | None = None
    """When its API keys expire, in RFC 3339; never if not given."""


class BackendBucket(pulumi.ComponentResource):
    """`snu:bucket:BackendBucket`, produces:

    - `<name>-application`, `<name>-policy`, `<name>-key`: the IAM application that uses the bucket. The permission
      is given by project; the bucket's own policy keeps everybody else out.
    - `<name>-reader-application`, `<name>-reader-policy`, `<name>-reader-key`: one that reads it and writes nothing

    The bucket and that policy are made by `snu bootstrap`: the state of the first stack is in a bucket before any
    program has run.
    """

    key: pulumi.Output[dict[str, str]]
    """`applicationId`, `accessKey` and `secretKey`: secret."""
    reader_key: pulumi.Output[dict[str, str]]
    """The same of the reader."""

    def __init__(self, name: str, args: BackendBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:bucket:BackendBucket", name, None, opts)
        access = state_access(
            name,
            args.environment,
            naming.state_bucket_application(args.environment),
            args.project_id,
            USE_OBJECTS,
            READ_OBJECTS,
            pulumi.ResourceOptions(parent=self),
            args.keys_expire_at,
        )
        self.key, self.reader_key = _key(access.writer), _key(access.reader)
        self.register_outputs({"key": self.key, "readerKey": self.reader_key})


def _key(access: Access) -> pulumi.Output[dict[str, str]]:
    parts = pulumi.Output.all(
        applicationId=access.application.id, accessKey=access.key.access_key, secretKey=access.key.secret_key
    )
    return secret(parts.apply(lambda parts: {key: str(value) for key, value in parts.items()}))
