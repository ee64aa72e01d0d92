"""Looks up a stack's backend document in Secret Manager with the user's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import ScalewayError
from ops.stacks import Stack
from ops.state.account import Account, Secret
from ops.state.backend import BackendKind, StateBackend
from ops.state.backend_connection import connect, variables_for
from ops.state.backend_document import BackendDocument
from pulumi_state.store import address_of
from pulumi_state.variables import BACKEND_URL, PASSPHRASE


def find_document(account: Account, stack: Stack, backend: StateBackend) -> tuple[Secret, BackendDocument] | None:
    """A stack's backend document and its secret, or None if the document does not exist yet.

    Raises OpsError if the key is not allowed to read it or if several secrets have its name.
    """
    project = account.organization_id if backend.kind is BackendKind.FOUNDATION else ""
    try:
        secret = account.secret_named(backend.secret, f"The backend of {stack.name} is", project)
        content = account.content(secret) if secret else None
    except ScalewayError as error:
        raise OpsError(_not_readable(stack, backend, error), ExitCode.ENVIRONMENT) from None
    if secret is None or content is None:
        return None
    return secret, BackendDocument.parse(content, f"The secret {backend.secret}")


def _not_readable(stack: Stack, backend: StateBackend, error: ScalewayError) -> str:
    if error.status not in (401, 403):
        return f"The backend address of {stack.name} could not be read: {error}"
    key = (
        "an owner's key"
        if backend.kind is BackendKind.FOUNDATION
        else "the deploy application's key (docs/reference/keys.md) or an owner's key"
    )
    return (
        f"The backend address of {stack.name} is in the secret {backend.secret}, which the current API key is not "
        f"allowed to read ({error.status}). Set SCW_ACCESS_KEY and SCW_SECRET_KEY to {key}."
    )


def variables_of(
    stack: Stack, backend: StateBackend, environ: Mapping[str, str], *, reads: bool = False
) -> dict[str, str]:
    """The variables for a stack's backend, passphrase and keys; empty if the user sets them before `snu bootstrap`.

    With ``reads``, the state is only read, and the read-only document is used if available. Raises OpsError if the
    backend is unknown or the user has set a different one.
    """
    account = Account(stack, environ)
    try:
        found = (_reader_document(account, stack, backend) if reads else None) or find_document(account, stack, backend)
        if found is None:
            _require_variables(stack, backend, environ)
            return {}
        _, document = found
        _refuse_other_backend(stack, environ, document.address)
        _refuse_rotation(stack, document)
        return connect(stack, environ, document, _own_key(account, document))
    finally:
        account.close()


def shell_variables_of(
    stack: Stack, backend: StateBackend, environ: Mapping[str, str]
) -> tuple[BackendDocument, dict[str, str]]:
    """The backend document and its variables, for a shell that outlives this process. Raises OpsError without one."""
    account = Account(stack, environ)
    try:
        found = find_document(account, stack, backend)
        if found is None:
            raise _unknown(stack, backend)
        return found[1], variables_for(stack, found[1], _own_key(account, found[1]))
    finally:
        account.close()


def _own_key(account: Account, document: BackendDocument) -> tuple[str, str]:
    """The user's key, for a bucket without its own."""
    if document.url.startswith("s3://") and not document.access_key:
        return account.storage_key(account.organization_id)
    return "", ""


def _reader_document(account: Account, stack: Stack, backend: StateBackend) -> tuple[Secret, BackendDocument] | None:
    """The read-only document, or None if the key cannot read one."""
    if not backend.reader:
        return None
    try:
        return find_document(account, stack, replace(backend, secret=backend.reader))
    except OpsError:
        return None


def _require_variables(stack: Stack, backend: StateBackend, environ: Mapping[str, str]) -> None:
    """Raises OpsError unless the user has set the backend, which is allowed before `snu bootstrap`."""
    if BACKEND_URL in environ and (PASSPHRASE in environ or f"{PASSPHRASE}_FILE" in environ):
        if not stack.is_local and environ[BACKEND_URL].startswith("file:"):
            raise OpsError(
                f"{BACKEND_URL} is a folder on this machine, where the state of a stack on the real Scaleway must not "
                f"be stored. Unset it for {stack.name}.",
                ExitCode.ENVIRONMENT,
            )
        return
    raise _unknown(stack, backend)


def _unknown(stack: Stack, backend: StateBackend) -> OpsError:
    return OpsError(
        f"The backend of {stack.name} is unknown: the secret {backend.secret} is not visible to the current API key. "
        f"Create it with `scripts/snu bootstrap {backend.foundation or 'FOUNDATION'}`, or use a key that is allowed to "
        "read it.",
        ExitCode.ENVIRONMENT,
    )


def _refuse_rotation(stack: Stack, document: BackendDocument) -> None:
    if document.next_passphrase.get_secret_value():
        raise OpsError(
            f"The passphrase of {stack.name} is being replaced, or its replacement was interrupted. Nothing "
            f"was changed. If it is not running, continue it: scripts/snu rotate passphrase {stack.name}",
            ExitCode.INTERRUPTED,
        )


def _refuse_other_backend(stack: Stack, environ: Mapping[str, str], address: str) -> None:
    set_by_user = environ.get(BACKEND_URL)
    if set_by_user is not None and address_of(set_by_user) != address:
        raise OpsError(
            f"{BACKEND_URL} is {address_of(set_by_user)}, but the state of {stack.name} is in {address}. Nothing was "
            f"changed. Unset {BACKEND_URL}.",
            ExitCode.ENVIRONMENT,
        )
