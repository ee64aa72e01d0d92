"""Reads and writes an environment's secret document by compare-and-set.

Secret Manager has no conditional write, but it numbers versions in the order in which it creates them. A writer checks
that no version has been created since it read the document, creates its own, and lists the versions again: if another
one was created in between, the earlier one wins, and the later writer disables its own version. Until then, for the
duration of two requests, its version is the latest.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from infra import naming
from infra.secret_document import parse
from infra.settings import EnvironmentSettings
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.scaleway.catalogue import bare_id
from ops.scaleway.client import ScalewayError, concurrent_map
from ops.stacks import Stack, project_name, settings_of
from ops.state.account import Account, Secret, SecretVersion
from ops.state.backend_environment import backend_environment
from ops.state.checkpoint import outputs_of
from pulumi_state.history import who_runs
from pulumi_state.signals import handle_signals, raise_keyboard_interrupt
from pulumi_state.store import Store, StoreError, open_store
from pulumi_state.variables import BACKEND_URL

_FORBIDDEN = (401, 403)


class ConflictError(OpsError):
    """Another version was created after the document had been read, and nothing was changed."""

    def __init__(self, message: str, event: str) -> None:
        super().__init__(message, ExitCode.REFUSED)
        self.event = event
        """The change to the document, such as ``revision 7 (…) was created``."""


@dataclass(frozen=True)
class Document:
    """One version of a secret document."""

    secret: str
    """Name of the secret."""
    revision: int = 0
    """0 if the secret has no enabled version yet."""
    latest: int = 0
    """The highest revision that existed when the document was read, whatever its status."""
    created: datetime | None = None
    content: bytes = field(default=b"", repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """The values by key; empty if there is no version. Raises OpsError if the content is not a JSON object."""
        return _values(self.secret, self.content) if self.revision else {}


@dataclass(frozen=True)
class DocumentStore:
    """The versions of one environment's secret document. Methods raise OpsError."""

    stack: Stack
    settings: EnvironmentSettings
    _account: Account = field(repr=False)
    _secret: Secret

    @classmethod
    @contextmanager
    def opened(
        cls, stack: Stack, environ: Mapping[str, str], store: Store | None = None, *, or_copied: bool = False
    ) -> Iterator[Self]:
        """Open a stack's document.

        ``store``: the store with the stack's state, if it is open already; ``or_copied``: for a preview environment
        without a document, use the one that its first deployment copies. Raises OpsError if the stack is a foundation
        or invalid, if its foundation is not deployed, or if its state cannot be read.
        """
        settings = settings_of(stack)
        if not isinstance(settings, EnvironmentSettings):
            documents = ", ".join(map(naming.secret, settings.environments))
            raise OpsError(
                f"{stack.name} is a foundation, which has no secret document of its own; it creates {documents}. "
                "Specify the stack of an environment.",
                ExitCode.USAGE,
            )
        with closing(Account(stack, environ)) as account:
            outputs = outputs_of(
                store or _state_of(stack, environ), project_name(stack.project_dir), settings.environment.foundation
            )
            yield cls(stack, settings, account, _find(stack, settings, account, outputs, or_copied=or_copied))

    @property
    def name(self) -> str:
        """The secret's name."""
        return self._secret.name

    def read(self) -> Document:
        """The latest enabled version."""
        versions = self.versions()
        latest = max((each.revision for each in versions), default=0)
        for each in versions:
            if each.is_enabled:
                return Document(self.name, each.revision, latest, each.created, self.content(each.revision))
        return Document(self.name, latest=latest)

    def latest_values(self) -> dict[str, Any]:
        """The values of the latest enabled version, read with a single request."""
        with self._explained("read"):
            content = self._account.content(self._secret)
        return {} if content is None else _values(self.name, content)

    def versions(self) -> list[SecretVersion]:
        """All versions, newest first."""
        with self._explained("read"):
            return self._account.versions(self._secret)

    def content(self, revision: int) -> bytes:
        """The content of an enabled version."""
        with self._explained("read"):
            return self._account.content_of(self._secret, revision)

    def contents(self, revisions: list[int]) -> dict[int, bytes]:
        """The contents of several enabled versions."""
        return dict(zip(revisions, concurrent_map(self.content, revisions), strict=True))

    def write(self, base: Document, content: bytes, purpose: str) -> int:
        """Create a version, provided that none has been created since ``base`` was read; returns its revision.

        ``purpose`` is stored in the version's description, which is visible to anyone who can list the secret's
        versions. Signals are deferred until the version has been checked, except a second Ctrl-C. Raises
        ConflictError if another version was created.
        """
        self._require_unchanged(base)
        description = f"{purpose} by {who_runs(process_environment())} ({secrets.token_hex(4)})"
        signals: list[bool] = []
        try:
            with handle_signals(lambda: signals.append(True), raise_keyboard_interrupt):
                revision = self._create(content, description)
                with self._noted(f"Revision {revision} was written, but not checked for concurrent changes."):
                    versions = self.versions()
                self._check(base, revision, description, versions)
        except ConflictError as conflict:
            if signals:
                raise OpsError(f"Interrupted. {conflict}", ExitCode.CANCELLED) from None
            raise
        if signals:
            raise OpsError(f"Interrupted after revision {revision} of {self.name} was written.", ExitCode.CANCELLED)
        return revision

    def _require_unchanged(self, base: Document) -> None:
        newer = [each for each in self.versions() if each.revision > base.latest]
        if newer:
            raise self._conflict(newer[0], "was created", "Nothing was changed.")

    def _create(self, content: bytes, description: str) -> int:
        try:
            return self._account.write(self._secret, content, description)
        except ScalewayError as error:
            if error.is_transient:  # the request may have been executed although its response was lost
                with self._noted("It is unknown whether the new version was written."):
                    versions = self.versions()
                for each in versions:
                    if each.description == description:
                        return each.revision
            raise self._error("written", error) from None

    @contextmanager
    def _noted(self, note: str) -> Iterator[None]:
        """Add a note to an error while the versions are listed after a write."""
        try:
            yield
        except OpsError as error:
            raise OpsError(
                f"{note} {error}\nTo list the versions: scripts/snu secrets history {self.stack.name}", error.code
            ) from None

    def _check(self, base: Document, revision: int, description: str, versions: list[SecretVersion]) -> None:
        """Raises OpsError and disables the version if another one precedes it, or if its base was disabled."""
        own = [each.revision for each in versions if each.description == description]
        for each in versions:
            if base.latest < each.revision < revision and each.revision not in own:
                self._give_way(each, "was created", own)
            elif each.revision == base.revision and not each.is_enabled:
                self._give_way(each, "was disabled", own)  # it was itself the later of two

    def _give_way(self, other: SecretVersion, event: str, own: list[int]) -> None:
        """Disable this writer's versions. Always raises OpsError."""
        try:
            for each in own:
                self._account.disable(self._secret, each)
        except ScalewayError as error:
            conflict = self._conflict(
                other,
                event,
                f"Your revision {own[0]}, which is now the latest, does not include that change and could not be "
                f"disabled: {error} Disable it in Scaleway's console.",
            )
            raise OpsError(str(conflict), conflict.code) from None
        raise self._conflict(other, event, f"Your revision {own[0]} was disabled.")

    def _conflict(self, other: SecretVersion, event: str, result: str) -> ConflictError:
        described = f" ({other.description})" if other.description else ""
        event = f"revision {other.revision}{described} {event}"
        return ConflictError(
            f"The secret document {self.name} has changed since it was read: {event}. {result} See what changed with "
            f"`scripts/snu secrets history {self.stack.name}`, then run the same command again.",
            event,
        )

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except ScalewayError as error:
            raise self._error(action, error) from None

    def _error(self, action: str, error: ScalewayError) -> OpsError:
        if error.status in _FORBIDDEN or error.is_not_found:
            permission = (
                "SecretManagerReadOnly and SecretManagerSecretAccess" if action == "read" else "SecretManagerFullAccess"
            )
            return OpsError(
                f"The secret document {self.name} cannot be {action} with the current API key ({error.status}). Set "
                f"SCW_ACCESS_KEY and SCW_SECRET_KEY to a key with {permission} in the project "
                f"{self._secret.project_id or 'of ' + self.settings.environment.foundation}, such as an owner's.",
                ExitCode.ENVIRONMENT,
            )
        return OpsError(f"The secret document {self.name} could not be {action}: {error}", error.code)


def _values(secret: str, content: bytes) -> dict[str, Any]:
    values = parse(content)
    if values is None:
        raise OpsError(
            f"The secret document {secret} is not a JSON object. Nothing was changed. Fix it with `scripts/snu secrets "
            "edit`, or restore an earlier revision with `scripts/snu secrets rollback`.",
            ExitCode.FAILED,
        )
    return values


def _state_of(stack: Stack, environ: Mapping[str, str]) -> Store:
    variables = backend_environment(stack, environ, reads=True)
    try:
        return open_store(variables[BACKEND_URL], variables)
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None


def _find(
    stack: Stack, settings: EnvironmentSettings, account: Account, outputs: Mapping[str, Any], *, or_copied: bool
) -> Secret:
    """The secret that the program reads. Another project may have a secret with the same name.

    Its id is an output of the foundation; a preview has its own secret in the same project.
    """
    identity = settings.environment
    parent, project_id = identity.preview_of or identity.name, bare_id(str(outputs.get("projectId") or ""))
    secret_id = (outputs.get("secretIds") or {}).get(parent)
    if not secret_id:
        raise OpsError(
            f"{identity.foundation} has no secret document for {stack.name} yet. Run `scripts/snu up "
            f"{identity.foundation}` first.",
            ExitCode.FAILED,
        )
    if identity.preview_of and (own := account.secrets_named(naming.secret(identity.name), project_id)):
        return own[0]
    if identity.preview_of and not or_copied:
        raise OpsError(
            f"{stack.name} has no secret document yet: its first deployment copies {naming.secret(parent)}.",
            ExitCode.FAILED,
        )
    return Secret(bare_id(str(secret_id)), naming.secret(parent), project_id)
