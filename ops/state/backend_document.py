"""Backend documents: JSON secrets that contain the address, login and passphrase of a stack's backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.store import address_of
from pulumi_state.variables import BACKEND_URL, PASSPHRASE

_S3 = {
    # Some S3 implementations do not support the checksums that newer clients send by default.
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    "AWS_EC2_METADATA_DISABLED": "true",
}
VARIABLES = (BACKEND_URL, PASSPHRASE, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", *_S3)
"""All variables that ``BackendDocument.environment`` may contain."""


class KeyPair(NamedTuple):
    """The two parts of an API key."""

    access_key: str
    secret_key: str


class BackendDocument(BaseModel):
    """The content of the secret; its ``repr`` reveals no values."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    backend_url: SecretStr = Field(description="Value of `PULUMI_BACKEND_URL`; for a database, it contains the login.")
    passphrase: SecretStr = Field(description="Passphrase for the secrets in the state.")
    next_passphrase: SecretStr = Field(
        default=SecretStr(""), description="The new passphrase while the states are being encrypted with it."
    )
    access_key: str = Field(
        default="", description="An application's access key; without one, the user's key is used to access a bucket."
    )
    secret_key: SecretStr = Field(default=SecretStr(""), description="The application's secret key.")
    certificate: str = Field(default="", description="PEM certificate for verifying the database's certificate.")
    open_instance: str = Field(default="", description="ID of the instance; runs add their own address to its ACL.")

    @classmethod
    def parse(cls, text: bytes, source: str) -> BackendDocument:
        """Parse a document; ``source`` is its name in errors. Raises OpsError, without any values, if it is invalid."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            invalid = ", ".join(sorted({".".join(map(str, each["loc"])) or "(all)" for each in error.errors()}))
            raise OpsError(
                f"{source} is not a valid backend document; invalid or missing: {invalid}. See docs/how-to/state.md.",
                ExitCode.ENVIRONMENT,
            ) from None

    @property
    def url(self) -> str:
        """The value of ``PULUMI_BACKEND_URL``, including credentials."""
        return self.backend_url.get_secret_value()

    @property
    def key(self) -> KeyPair | None:
        """The application's API key, or None for a database instance, which uses a password."""
        return KeyPair(self.access_key, self.secret_key.get_secret_value()) if self.access_key else None

    def with_key(self, application_id: str, key: KeyPair) -> Self:
        """A copy with an application's key. A Serverless SQL database takes the application ID as user name and the
        secret key as password.
        """
        url = self.url
        if not url.startswith("s3://"):
            scheme, _, rest = url.partition("://")
            url = f"{scheme}://{application_id}:{key.secret_key}@{rest.rpartition('@')[2]}"
        return self.model_copy(
            update={
                "backend_url": SecretStr(url),
                "access_key": key.access_key,
                "secret_key": SecretStr(key.secret_key),
            }
        )

    @property
    def address(self) -> str:
        """The backend's address without credentials."""
        return address_of(self.url)

    def text(self) -> bytes:
        """The content of the secret."""
        values = {
            "backendUrl": self.url,
            "passphrase": self.passphrase.get_secret_value(),
            "nextPassphrase": self.next_passphrase.get_secret_value(),
            "accessKey": self.access_key,
            "secretKey": self.secret_key.get_secret_value(),
            "certificate": self.certificate,
            "openInstance": self.open_instance,
        }
        import json

        return json.dumps({key: value for key, value in values.items() if value}, indent=2).encode()

    def environment(self, own_key: tuple[str, str]) -> Mapping[str, str]:
        """The engine's environment variables.

        ``own_key`` is the user's key, used for a bucket if the document contains no key.
        """
        variables = {BACKEND_URL: self.url, PASSPHRASE: self.passphrase.get_secret_value()}
        if self.url.startswith("s3://"):
            access, secret = (self.access_key, self.secret_key.get_secret_value()) if self.access_key else own_key
            variables |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, **_S3}
        return variables
