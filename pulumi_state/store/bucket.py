"""An S3 bucket as a store (Pulumi's ``s3://`` backend), in Scaleway's Object Storage or moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, parse_qs

from pulumi_state.store.address import endpoint_of
from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, MissingError, StoreError

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CopySourceTypeDef

T = TypeVar("T")

ACCESS_KEY = "AWS_ACCESS_KEY_ID"
SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the variable's name
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NO_BUCKET = "NoSuchBucket"
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_CONNECT_SECONDS = 10
_READ_SECONDS = 60


def client(endpoint: str, region: str, access_key: str, secret_key: str) -> S3Client:
    """Create a client for an S3 endpoint, using the given region and keys instead of the user's AWS configuration."""
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session()
    session.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=session).client(
        "s3",
        endpoint_url=endpoint_of(endpoint),
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 4},
            s3={"addressing_style": "path"},
            # Some S3 implementations do not support the checksums that newer clients send by default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@cache
def _descriptions() -> Loader:
    """Return what describes AWS to clients; finding and parsing it takes longer than all else in a new client."""
    from botocore.loaders import Loader

    return Loader()


class BucketStore:
    """A bucket or a folder in a bucket: ``s3://<bucket>[/<folder>]?endpoint=…&region=…``, as in Pulumi."""

    def __init__(self, url: SplitResult, environ: Mapping[str, str], address: str) -> None:
        """Use the keys in ``environ``; ``address`` is used in messages.

        Raises StoreError if the address or the environment is incomplete.
        """
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not environ.get(name)]
        if missing:
            raise StoreError(f"no keys for the bucket {url.netloc}; set {' and '.join(missing)}")
        if not url.netloc or "endpoint" not in query:
            raise StoreError(
                f"s3://{url.netloc} lacks a bucket or an endpoint; expected s3://<bucket>?endpoint=…&region=…"
            )
        self._bucket = url.netloc
        self._folder = url.path.strip("/")
        self.address = address
        try:
            self._client = client(
                query["endpoint"], query.get("region", "fr-par"), environ[ACCESS_KEY], environ[SECRET_KEY]
            )
        except ValueError:
            raise StoreError(f"{address} has an invalid endpoint") from None

    def _name(self, key: str) -> str:
        return f"{self._folder}/{key}" if self._folder else key

    def read(self, key: str) -> Item | None:
        """Return an object; see ``Store.read``."""

        def get() -> Item:
            response = self._client.get_object(Bucket=self._bucket, Key=self._name(key))
            return Item(response["Body"].read(), response["ETag"])

        try:
            return self._ask(f"read {key}", get)
        except _RefusedError as refused:
            if refused.code in _MISSING:
                return None
            raise

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write an object; see ``Store.write``."""
        condition: dict[str, Any] = {}
        if expected == ABSENT:
            condition = {"IfNoneMatch": "*"}
        elif expected is not None:
            condition = {"IfMatch": expected}

        def put() -> str:
            return self._client.put_object(Bucket=self._bucket, Key=self._name(key), Body=content, **condition)["ETag"]

        try:
            return self._ask(f"write {key}", put)
        except _RefusedError as refused:
            if not condition or refused.code not in _CONFLICTS | _MISSING:
                raise
        # The client retries a request that got no response, and the retry may conflict with the first attempt.
        current = self.read(key)
        if current is None or current.content != content:
            raise self._conflict(key)
        return current.tag

    def _conflict(self, key: str) -> ConflictError:
        return ConflictError(f"{key} in {self.address} was changed by another run")

    def copy(self, source: str, target: str) -> None:
        """Copy an object; see ``Store.copy``."""
        origin: CopySourceTypeDef = {"Bucket": self._bucket, "Key": self._name(source)}
        try:
            self._ask(
                f"copy {source}",
                lambda: self._client.copy_object(Bucket=self._bucket, Key=self._name(target), CopySource=origin),
            )
        except _RefusedError as refused:
            if refused.code not in _MISSING:
                raise

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; see ``Store.delete``.

        Scaleway has no conditional delete, so a write by another run between the comparison and the deletion is lost.
        """
        if expected is not None:
            current = self.read(key)
            if current is None:
                return
            if current.tag != expected:
                raise self._conflict(key)
        self._ask(f"delete {key}", lambda: self._client.delete_object(Bucket=self._bucket, Key=self._name(key)))

    def age(self, key: str) -> timedelta | None:
        """Return the time since the last write; see ``Store.age``."""

        def head() -> timedelta:
            response = self._client.head_object(Bucket=self._bucket, Key=self._name(key))
            server_time = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
            try:
                return parsedate_to_datetime(server_time) - response["LastModified"]
            except (TypeError, ValueError):
                raise StoreError(f"{self.address} sent no valid Date header") from None

        try:
            return self._ask(f"read {key}", head)
        except _RefusedError as refused:
            if refused.code in _MISSING:
                return None
            raise

    def entries(self, prefix: str) -> list[Entry]:
        """List objects; see ``Store.entries``."""
        prefix_length = len(self._name(""))

        def list_objects() -> list[Entry]:
            paginator = self._client.get_paginator("list_objects_v2")
            return [
                Entry(item["Key"][prefix_length:], item["Size"], item["LastModified"])
                for page in paginator.paginate(Bucket=self._bucket, Prefix=self._name(prefix))
                for item in page.get("Contents", [])
            ]

        return self._ask(f"list {prefix}", list_objects)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _ask(self, action: str, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            details = error.response.get("Error", {})
            code, message = str(details.get("Code", "")), str(details.get("Message", ""))
            refused = f"{self.address} refused to {action}"
            if code == _NO_BUCKET:
                raise MissingError(f"{refused}: {code} {message}".rstrip()) from None
            raise _RefusedError(refused, code, message) from None
        except BotoCoreError as error:
            raise StoreError(f"cannot {action}: no response from {self.address} ({type(error).__name__})") from None


class _RefusedError(StoreError):
    """S3 refused a request."""

    def __init__(self, refused: str, code: str, message: str) -> None:
        super().__init__(f"{refused}: {code} {message}".rstrip())
        self.code = code
