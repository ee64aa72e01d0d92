"""An S3 bucket as a store (Pulumi's ``s3://`` backend): Scaleway's object storage, or moto's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, parse_qs

from pulumi_state.store.address import endpoint_of
from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, MissingError, StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CopySourceTypeDef

T = TypeVar("T")

ACCESS_KEY = "AWS_ACCESS_KEY_ID"
SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the variable's name
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NO_BUCKET = "NoSuchBucket"
_NOT_THERE = frozenset({"NoSuchKey", "404", "NotFound"})
_CONNECT_SECONDS = 10
_READ_SECONDS = 60


def client(endpoint: str, region: str, access_key: str, secret_key: str) -> S3Client:
    """A client of an S3 endpoint; nothing of the user's own AWS configuration is used."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
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
            # Not every S3 knows the checksums that newer clients send by themselves.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


class BucketStore:
    """``s3://<bucket>[/<folder>]?endpoint=…&region=…``, as Pulumi reads it; keys come from the environment."""

    def __init__(self, url: SplitResult, environ: Mapping[str, str], address: str) -> None:
        """``address`` is for messages. Raises StoreError when the address or the environment lacks something."""
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not environ.get(name)]
        if missing:
            raise StoreError(f"the bucket {url.netloc} needs keys: set {' and '.join(missing)}")
        if not url.netloc or "endpoint" not in query:
            raise StoreError(
                f"s3://{url.netloc} names no bucket or no endpoint; expected s3://<bucket>?endpoint=…&region=…"
            )
        self._bucket = url.netloc
        self._folder = url.path.strip("/")
        self.address = address
        try:
            self._client = client(
                query["endpoint"], query.get("region", "fr-par"), environ[ACCESS_KEY], environ[SECRET_KEY]
            )
        except ValueError:
            raise StoreError(f"{address} names an endpoint that is no address") from None

    def _name(self, key: str) -> str:
        return f"{self._folder}/{key}" if self._folder else key

    def read(self, key: str) -> Item | None:
        def get() -> Item:
            found = self._client.get_object(Bucket=self._bucket, Key=self._name(key))
            return Item(found["Body"].read(), found["ETag"])

        try:
            return self._ask(f"read {key}", get)
        except _RefusedError as refused:
            if refused.code in _NOT_THERE:
                return None
            raise

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
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
            if not condition or refused.code not in _CONFLICTS | _NOT_THERE:
                raise
        # The client repeats a request that got no answer, and is then refused because of its own first try.
        found = self.read(key)
        if found is None or found.content != content:
            raise self._conflict(key)
        return found.tag

    def _conflict(self, key: str) -> ConflictError:
        return ConflictError(f"{key} in {self.address} was changed by somebody else")

    def copy(self, source: str, target: str) -> None:
        origin: CopySourceTypeDef = {"Bucket": self._bucket, "Key": self._name(source)}
        try:
            self._ask(
                f"copy {source}",
                lambda: self._client.copy_object(Bucket=self._bucket, Key=self._name(target), CopySource=origin),
            )
        except _RefusedError as refused:
            if refused.code not in _NOT_THERE:
                raise

    def delete(self, key: str, expected: str | None = None) -> None:
        """Scaleway has no conditional delete: what is written between the comparison and the delete is lost."""
        if expected is not None:
            found = self.read(key)
            if found is None:
                return
            if found.tag != expected:
                raise self._conflict(key)
        self._ask(f"delete {key}", lambda: self._client.delete_object(Bucket=self._bucket, Key=self._name(key)))

    def age(self, key: str) -> timedelta | None:
        def head() -> timedelta:
            found = self._client.head_object(Bucket=self._bucket, Key=self._name(key))
            answered = found["ResponseMetadata"]["HTTPHeaders"].get("date", "")
            try:
                return parsedate_to_datetime(answered) - found["LastModified"]
            except (TypeError, ValueError):
                raise StoreError(f"{self.address} sends no readable Date header") from None

        try:
            return self._ask(f"read {key}", head)
        except _RefusedError as refused:
            if refused.code in _NOT_THERE:
                return None
            raise

    def entries(self, prefix: str) -> list[Entry]:
        cut = len(self._name(""))

        def look() -> list[Entry]:
            pages = self._client.get_paginator("list_objects_v2")
            return [
                Entry(item["Key"][cut:], item["Size"], item["LastModified"])
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._name(prefix))
                for item in page.get("Contents", [])
            ]

        return self._ask(f"list {prefix}", look)

    def close(self) -> None:
        self._client.close()

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            said = error.response.get("Error", {})
            code, message = str(said.get("Code", "")), str(said.get("Message", ""))
            refused = f"{self.address} refuses to {what}"
            if code == _NO_BUCKET:
                raise MissingError(f"{refused}: {code} {message}".rstrip()) from None
            raise _RefusedError(refused, code, message) from None
        except BotoCoreError as error:
            raise StoreError(f"{self.address} does not answer, asked to {what}: {type(error).__name__}") from None


class _RefusedError(StoreError):
    """S3 refused a request."""

    def __init__(self, what: str, code: str, message: str) -> None:
        super().__init__(f"{what}: {code} {message}".rstrip())
        self.code = code
