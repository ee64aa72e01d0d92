"""The URL and the token for a stack's logs.

Both are in a secret that the foundation writes, so that reading logs requires neither a state nor a key that can change
anything. The token can only query logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import LOGS_TOKEN, LOGS_URL
from ops.scaleway.client import ScalewayError, client_for
from ops.state.account import Account

if TYPE_CHECKING:
    import httpx

    from infra.settings import EnvironmentSettings
    from ops.stacks import Stack

_QUERY_SECONDS = 65.0
"""Scaleway ends a query after 60 seconds."""


@dataclass(frozen=True)
class LogsAccess:
    """Access to a data source."""

    url: str
    """The data source's URL, without a trailing slash."""
    token: str = field(repr=False)
    source: str
    """The source of the URL and the token: a secret or a variable."""
    remedy: str
    """The next step if the token is rejected, as a sentence."""
    project_id: str = ""
    """The project whose logs the data source contains; empty if unknown."""
    is_local: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def rejected(self, status: int) -> str:
        """The message for a rejected token."""
        reason = "is not valid" if status == 401 else "has no access to these logs: it may belong to another project"
        return f"The logs could not be read: the token in {self.source} {reason} ({status}). {self.remedy}"

    def http_client(self, transport: httpx.BaseTransport | None = None) -> httpx.Client:
        return client_for(
            self.url, {"X-Token": self.token}, is_local=self.is_local, seconds=_QUERY_SECONDS, transport=transport
        )


def logs_access(stack: Stack, settings: EnvironmentSettings, environ: Mapping[str, str]) -> LogsAccess:
    """Access to the logs of an environment. Raises OpsError if the user's key cannot read the secret."""
    given = {name: environ.get(name, "") for name in (LOGS_URL, LOGS_TOKEN)}
    if all(given.values()):
        remedy = f"Set {LOGS_URL} and {LOGS_TOKEN} to those of the environment's project, or unset both."
        return _checked(stack, LogsAccess(given[LOGS_URL], given[LOGS_TOKEN], LOGS_TOKEN, remedy))
    if any(given.values()):
        missing = next(name for name, value in given.items() if not value)
        raise OpsError(f"{missing} is not set. Set both {LOGS_URL} and {LOGS_TOKEN}, or neither.", ExitCode.ENVIRONMENT)
    environment, foundation = settings.environment, settings.environment.foundation
    owner = environment.preview_of or environment.name
    secret = naming.logs_secret(owner)
    remedy = f"Run `scripts/snu up {foundation}` to store a valid one."
    with closing(Account(stack, environ)) as account:
        try:
            found = account.secret_named(secret, f"The logs of {stack.name} are")
            content = account.content(found) if found else None
        except ScalewayError as error:
            raise OpsError(_not_readable(stack, secret, owner, error), ExitCode.ENVIRONMENT) from None
    if found is None or content is None:
        raise OpsError(
            f"The URL and token for the logs of {stack.name} are read from the secret {secret}, which "
            f"{'has no version' if found else 'does not exist or is not visible to the current API key'}. If the "
            f"foundation is older than this secret, run `scripts/snu up {foundation}`. Otherwise, "
            f"{_suitable_key(owner)}.",
            ExitCode.ENVIRONMENT,
        )
    return _checked(stack, _parsed(content, f"the secret {secret}", remedy, found.project_id))


def _not_readable(stack: Stack, secret: str, owner: str, error: ScalewayError) -> str:
    if error.status not in (401, 403):
        return f"The URL of the logs of {stack.name} could not be read: {error}"
    problem = "is not valid" if error.status == 401 else f"is not allowed to read the secret {secret}"
    return (
        f"The logs of {stack.name} could not be read: the API key {problem} ({error.status}). To continue, "
        f"{_suitable_key(owner)}."
    )


def _suitable_key(environment: str) -> str:
    return (
        f"set SCW_ACCESS_KEY and SCW_SECRET_KEY to a key of {naming.logs_application(environment)}, of "
        f"{naming.deploy_application(environment)} or of an owner (docs/reference/keys.md), or set {LOGS_URL} and "
        f"{LOGS_TOKEN}"
    )


def _parsed(content: bytes, source: str, remedy: str, project_id: str) -> LogsAccess:
    try:
        document = json.loads(content)
        url, token = document["logsUrl"], document["logsToken"]
        if not (isinstance(url, str) and isinstance(token, str)):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise OpsError(
            f"Invalid content of {source}: expected a JSON object with the strings `logsUrl` and `logsToken`. {remedy}",
            ExitCode.ENVIRONMENT,
        ) from None
    return LogsAccess(url, token, source, remedy, project_id)


def _checked(stack: Stack, access: LogsAccess) -> LogsAccess:
    """Raises OpsError unless the token can safely be sent to the URL."""
    try:
        parts = urlsplit(access.url.rstrip("/"))
        is_secure = bool(parts.hostname) and parts.scheme == "https"
    except ValueError:
        parts, is_secure = urlsplit(""), False
    if stack.is_local:
        # The port may have changed since the foundation wrote the secret.
        address = stack.api_address
        return replace(access, url=urlunsplit((address.scheme, address.netloc, parts.path, "", "")), is_local=True)
    if not is_secure:
        raise OpsError(
            f"The URL of the logs of {stack.name}, from {access.source}, is {access.url}; expected one that starts "
            "with https://.",
            ExitCode.ENVIRONMENT,
        )
    if not (access.token.isascii() and access.token.isprintable()):
        raise OpsError(
            f"The token from {access.source} is not a Cockpit token: it contains invalid characters. {access.remedy}",
            ExitCode.ENVIRONMENT,
        )
    return replace(access, url=urlunsplit(parts))
