"""The buckets that states are kept in: made, and shown to be private, versioned and encrypted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

_EVERYBODY = ("AllUsers", "AuthenticatedUsers")
_ENCRYPTION: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
_POLICY_VERSION = "2023-04-17"
_OWNER, _USER, _READER = "owner", "environment", "reader"
_READ = ["s3:ListBucket", "s3:GetObject"]
_USE = [*_READ, "s3:PutObject", "s3:DeleteObject"]


@dataclass(frozen=True)
class Storage:
    """Object storage, with a key of a project."""

    endpoint: str
    region: str
    key: tuple[str, str]

    def client(self) -> S3Client:
        from pulumi_state.store.bucket import client

        return client(self.endpoint, self.region, *self.key)

    def url(self, bucket: str) -> str:
        """As ``PULUMI_BACKEND_URL``."""
        return f"s3://{bucket}?endpoint={self.endpoint}&region={self.region}&use_path_style=true"


def ensure_bucket(storage: Storage, name: str) -> list[str]:
    """A bucket for states; gives what was done. Raises OpsError when it cannot be made or is not as it has to be."""
    client = storage.client()
    done = []
    try:
        if not _exists(client, name):
            where: Any = {"LocationConstraint": storage.region}
            _ask(f"make the bucket {name}", lambda: client.create_bucket(Bucket=name, CreateBucketConfiguration=where))
            done.append("made it")
        if _versioning(client, name) != "Enabled":
            on: Any = {"Status": "Enabled"}
            _ask("keep versions", lambda: client.put_bucket_versioning(Bucket=name, VersioningConfiguration=on))
            done.append("switched versions on")
        if not _is_encrypted(client, name):
            _ask(
                "encrypt",
                lambda: client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=_ENCRYPTION),
            )
            done.append("switched encryption on")
        if _is_public(client, name):
            _ask("make it private", lambda: client.put_bucket_acl(Bucket=name, ACL="private"))
            done.append("made it private")
        _verify(client, name)
    finally:
        client.close()
    return done


def _verify(client: S3Client, name: str) -> None:
    wrong = [
        what
        for what, is_so in (
            ("keeps no versions", _versioning(client, name) != "Enabled"),
            ("is not encrypted", not _is_encrypted(client, name)),
            ("is open to everybody", _is_public(client, name)),
        )
        if is_so
    ]
    if wrong:
        raise OpsError(
            f"The bucket {name} {' and '.join(wrong)}, although that was asked for: look at it in the console before "
            "any state is written into it.",
            ExitCode.FAILED,
        )


def ensure_policy(storage: Storage, name: str, owner: str, user: str, reader: str) -> list[str]:
    """Let only ``user`` use a bucket, ``reader`` read it, and its owners do everything; gives what was done.

    All as bucket policies write principals, ``application_id:…``. Owners that the policy has already are kept.
    """
    client = storage.client()
    try:
        before = _policy(client, name)
        owners = sorted({owner, *_principals(before, _OWNER)})
        wanted = {
            "Version": _POLICY_VERSION,
            "Id": "snu-state",
            "Statement": [
                _statement(name, _OWNER, owners, "s3:*"),
                _statement(name, _USER, [user], _USE),
                _statement(name, _READER, [reader], _READ),
            ],
        }
        if before == wanted:
            return []
        _ask("set the policy", lambda: client.put_bucket_policy(Bucket=name, Policy=json.dumps(wanted)))
        if _policy(client, name) != wanted:
            raise OpsError(f"The bucket {name} does not have the policy that was set.", ExitCode.FAILED)
        return ["set its policy: the environment's key and its owners may use it, the reader's key may read it"]
    finally:
        client.close()


def bucket_names(storage: Storage) -> list[str]:
    """Of all buckets of the key's project. Raises OpsError when object storage does not say."""
    client = storage.client()
    try:
        return [each["Name"] for each in _ask("list the buckets", client.list_buckets).get("Buckets", [])]
    finally:
        client.close()


def _statement(bucket: str, sid: str, principals: list[str], actions: str | list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"SCW": principals},
        "Action": actions,
        "Resource": [bucket, f"{bucket}/*"],
    }


def _policy(client: S3Client, name: str) -> dict[str, Any]:
    try:
        text = _ask("read the policy", lambda: client.get_bucket_policy(Bucket=name)["Policy"])
    except _RefusedError as refused:
        if refused.kind in ("NoSuchBucketPolicy", "404"):
            return {}
        raise
    found: dict[str, Any] = json.loads(text)
    return found


def _principals(policy: dict[str, Any], sid: str) -> list[str]:
    for statement in policy.get("Statement") or []:
        if statement.get("Sid") == sid:
            return list((statement.get("Principal") or {}).get("SCW") or [])
    return []


def _exists(client: S3Client, name: str) -> bool:
    try:
        _ask(f"look for the bucket {name}", lambda: client.head_bucket(Bucket=name))
    except _RefusedError as refused:
        if refused.kind in ("404", "NoSuchBucket", "NotFound"):
            return False
        if refused.kind in ("403", "AccessDenied", "Forbidden"):
            raise OpsError(
                f"The bucket {name} is there and not ours to use: the key in use has no right to it, or it belongs to "
                "somebody else. Use an owner's key, or name another bucket in snu:state.bucket.",
                ExitCode.ENVIRONMENT,
            ) from None
        raise
    return True


def _versioning(client: S3Client, name: str) -> str:
    return str(_ask("read the versioning", lambda: client.get_bucket_versioning(Bucket=name)).get("Status", ""))


def _is_encrypted(client: S3Client, name: str) -> bool:
    try:
        found = _ask("read the encryption", lambda: client.get_bucket_encryption(Bucket=name))
    except _RefusedError as refused:
        if refused.kind in ("ServerSideEncryptionConfigurationNotFoundError", "404"):
            return False
        raise
    rules = found["ServerSideEncryptionConfiguration"]["Rules"]
    return any(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules)


def _is_public(client: S3Client, name: str) -> bool:
    grants = _ask("read who may enter", lambda: client.get_bucket_acl(Bucket=name)).get("Grants", [])
    return any(str(grant.get("Grantee", {}).get("URI", "")).endswith(_EVERYBODY) for grant in grants)


class _RefusedError(OpsError):
    """Object storage refused; ``kind`` is its own word."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, ExitCode.FAILED)
        self.kind = kind


def _ask(what: str, call: Callable[[], T]) -> T:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        message = f"Object storage refuses to {what}: {code} {said.get('Message', '')}".rstrip()
        raise _RefusedError(message, code) from None
    except BotoCoreError as error:
        raise OpsError(
            f"Object storage does not answer, asked to {what}: {type(error).__name__}", ExitCode.FAILED
        ) from None
