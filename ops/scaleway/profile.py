"""A Scaleway profile: the API's address, the key, and the default organization, project and region of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.loopback import is_loopback
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack

API_URL = "https://api.scaleway.com"
_DEFAULT_REGION = "fr-par"


@dataclass(frozen=True)
class Profile:
    """The provider's configuration for a stack: the stack's file takes precedence over ``SCW_*`` variables."""

    stack: str
    api_url: str
    is_local: bool
    """Whether the API runs on this machine."""
    secret_key: str = field(repr=False)
    access_key: str
    """Empty if not set; needed only for object storage."""
    organization_id: str
    project_id: str
    region: str

    @classmethod
    def of(cls, stack: Stack, environ: Mapping[str, str]) -> Profile:
        """A stack's profile. Raises OpsError if the key is missing, or if the address or the key is malformed."""

        def setting(key: str, variable: str) -> str:
            # Encrypted values of the file cannot be read here.
            value = stack.config.get(f"scaleway:{key}")
            return value if isinstance(value, str) and value else environ.get(variable, "")

        return cls(
            stack.name,
            _api_url(stack, environ),
            stack.is_local,
            _checked_key(stack, setting("secretKey", "SCW_SECRET_KEY")),
            setting("accessKey", "SCW_ACCESS_KEY"),
            setting("organizationId", "SCW_DEFAULT_ORGANIZATION_ID"),
            setting("projectId", "SCW_DEFAULT_PROJECT_ID"),
            setting("region", "SCW_DEFAULT_REGION") or _DEFAULT_REGION,
        )


def _api_url(stack: Stack, environ: Mapping[str, str]) -> str:
    if stack.api_url is not None:
        _ = stack.api_address  # raises where it is malformed
        return stack.api_url
    url = environ.get("SCW_API_URL") or API_URL
    host, valid = "", False
    with suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname or ""
        valid = parts.scheme in ("http", "https") and host != "" and parts.port != 0
    if not valid:
        raise OpsError(f"SCW_API_URL is {url}; expected an address such as {API_URL}", ExitCode.ENVIRONMENT)
    if is_loopback(host):
        raise OpsError(
            f"{stack.name}: SCW_API_URL is {url}, which is on this machine, but the stack uses the real Scaleway. "
            "Use a shell without the variables that `scripts/snu local env` prints.",
            ExitCode.ENVIRONMENT,
        )
    return url.rstrip("/")


def _checked_key(stack: Stack, key: str) -> str:
    if not key:
        raise OpsError(
            f"{stack.name}: no Scaleway API key. Set SCW_ACCESS_KEY and SCW_SECRET_KEY.", ExitCode.ENVIRONMENT
        )
    if not (key.isascii() and key.isprintable()):
        raise OpsError(
            f"{stack.name}: SCW_SECRET_KEY is not a Scaleway secret key: it contains invalid characters.",
            ExitCode.ENVIRONMENT,
        )
    return key
