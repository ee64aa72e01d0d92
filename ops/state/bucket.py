"""Creates state buckets and verifies that they are private, versioned and encrypted."""

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
    """Object storage and a project's key for it."""

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
    """Create or fix a state bucket; returns the changes made. Raises OpsError on failure."""
    client = storage.client()
    done = []
    try:
        if not _exists(client, name):
            location: Any = {"LocationConstraint": storage.region}
            _call(
                f"create the bucket {name}",
                lambda: client.create_bucket(Bucket=name, CreateBucketConfiguration=location),
            )
            done.append("created")
        if _versioning(client, name) != "Enabled":
            enabled: Any = {"Status": "Enabled"}
            _call(
                f"enable versioning of {name}",
                lambda: client.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled),
            )
            done.append("enabled versioning")
        if not _is_encrypted(client, name):
            _call(
                f"enable encryption of {name}",
                lambda: client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=_ENCRYPTION),
            )
            done.append("enabled encryption")
        if _is_public(client, name):
            _call(f"make {name} private", lambda: client.put_bucket_acl(Bucket=name, ACL="private"))
            done.append("made private")
        _verify(client, name)
    finally:
        client.close()
    return done


def _verify(client: S3Client, name: str) -> None:
    problems = [
        problem
        for problem, applies in (
            ("is not versioned", _versioning(client, name) != "Enabled"),
            ("is not encrypted", not _is_encrypted(client, name)),
            ("is public", _is_public(client, name)),
        )
        if applies
    ]
    if problems:
        raise OpsError(
            f"The bucket {name} {' and '.join(problems)}, although its configuration was just set. Check it in "
            "Scaleway's console before writing any state to it.",
            ExitCode.FAILED,
        )


def ensure_policy(storage: Storage, name: str, owner: str, user: str, reader: str) -> list[str]:
    """Grant access only to ``user`` (use), ``reader`` (read) and the bucket's owners (full); returns the changes made.

    Principals are ``application_id:…`` or ``user_id:…``. Owners already in the policy are kept.
    """
    client = storage.client()
    try:
        before = _policy(client, name)
        owners = sorted({owner, *_principals(before, _OWNER)})
        policy = {
            "Version": _POLICY_VERSION,
            "Id": "snu-state",
            "Statement": [
                _statement(name, _OWNER, owners, "s3:*"),
                _statement(name, _USER, [user], _USE),
                _statement(name, _READER, [reader], _READ),
            ],
        }
        if before == policy:
            return []
        _call(f"set the policy of {name}", lambda: client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy)))
        if _policy(client, name) != policy:
            raise OpsError(
                f"The bucket {name} does not have the policy that was just set. Check it in Scaleway's console.",
                ExitCode.FAILED,
            )
        return ["set its policy: the environment's key and the owners can use it; the reader's key can read it"]
    finally:
        client.close()


def bucket_names(storage: Storage) -> list[str]:
    """The names of all buckets in the key's project. Raises OpsError if they cannot be listed."""
    client = storage.client()
    try:
        return [each["Name"] for each in _call("list the buckets", client.list_buckets).get("Buckets", [])]
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
        text = _call(f"read the policy of {name}", lambda: client.get_bucket_policy(Bucket=name)["Policy"])
    except _RefusedError as refused:
        if refused.kind in ("NoSuchBucketPolicy", "404"):
            return {}
        raise
    policy: dict[str, Any] = json.loads(text)
    return policy


def _principals(policy: dict[str, Any], sid: str) -> list[str]:
    for statement in policy.get("Statement") or []:
        if statement.get("Sid") == sid:
            return list((statement.get("Principal") or {}).get("SCW") or [])
    return []


def _exists(client: S3Client, name: str) -> bool:
    try:
        _call(f"check whether bucket {name} exists", lambda: client.head_bucket(Bucket=name))
    except _RefusedError as refused:
        if refused.kind in ("404", "NoSuchBucket", "NotFound"):
            return False
        if refused.kind in ("403", "AccessDenied", "Forbidden"):
            raise OpsError(
                f"The bucket {name} exists, but the current API key cannot access it; it may belong to another "
                "organization. Use an owner's key, or set snu:state.bucket to another bucket.",
                ExitCode.ENVIRONMENT,
            ) from None
        raise
    return True


def _versioning(client: S3Client, name: str) -> str:
    purpose = f"read the versioning configuration of {name}"
    versioning = _call(purpose, lambda: client.get_bucket_versioning(Bucket=name))
    return str(versioning.get("Status", ""))


def _is_encrypted(client: S3Client, name: str) -> bool:
    purpose = f"read the encryption configuration of {name}"
    try:
        encryption = _call(purpose, lambda: client.get_bucket_encryption(Bucket=name))
    except _RefusedError as refused:
        if refused.kind in ("ServerSideEncryptionConfigurationNotFoundError", "404"):
            return False
        raise
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    return any(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules)


def _is_public(client: S3Client, name: str) -> bool:
    grants = _call(f"read the ACL of {name}", lambda: client.get_bucket_acl(Bucket=name)).get("Grants", [])
    return any(str(grant.get("Grantee", {}).get("URI", "")).endswith(_EVERYBODY) for grant in grants)


class _RefusedError(OpsError):
    """Object storage rejected a request; ``kind`` is its error code."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, ExitCode.FAILED)
        self.kind = kind


def _call(purpose: str, call: Callable[[], T]) -> T:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except ClientError as error:
        details = error.response.get("Error", {})
        code = str(details.get("Code", ""))
        message = f"Object storage refused to {purpose}: {code} {details.get('Message', '')}".rstrip()
        raise _RefusedError(message, code) from None
    except BotoCoreError as error:
        raise OpsError(
            f"Object storage did not respond to a request to {purpose}: {type(error).__name__}", ExitCode.FAILED
        ) from None
