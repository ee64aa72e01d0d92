"""How the state of a stack is reached: its document in Secret Manager, read with the user's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import ScalewayError
from ops.stacks import Stack
from ops.state.account import Account, Secret
from ops.state.backend import BackendKind, StateBackend
from ops.state.backend_connection import connect
from ops.state.backend_document import BackendDocument
from pulumi_state.store import address_of
from pulumi_state.variables import BACKEND_URL, PASSPHRASE


def find_document(account: Account, stack: Stack, place: StateBackend) -> tuple[Secret, BackendDocument] | None:
    """The document of a stack; None where it is not there yet.

    Raises OpsError when the key may not read it, or it is not certain which one it is.
    """
    project = account.organization_id if place.kind is BackendKind.FOUNDATION else ""
    try:
        found = account.secrets_named(place.secret, project)
        if len(found) > 1:
            projects = ", ".join(each.project_id for each in found)
            raise OpsError(
                f"There is more than one secret {place.secret}, in the projects {projects}: which one says where the "
                f"state of {stack.name} is kept is not certain. Delete or rename what is wrong.",
                ExitCode.ENVIRONMENT,
            )
        content = account.content(found[0]) if found else None
    except ScalewayError as refused:
        raise OpsError(_not_allowed(stack, place, refused), ExitCode.ENVIRONMENT) from None
    if content is None:
        return None
    return found[0], BackendDocument.parse(content, f"The secret {place.secret}")


def _not_allowed(stack: Stack, place: StateBackend, refused: ScalewayError) -> str:
    if refused.status not in (401, 403):
        return f"Where the state of {stack.name} is kept could not be read: {refused}"
    whose = (
        "an owner's key"
        if place.kind is BackendKind.FOUNDATION
        else "a key of the application that deploys it (docs/reference/keys.md), or an owner's"
    )
    return (
        f"Where the state of {stack.name} is kept stands in the secret {place.secret}, which the key in use may not "
        f"read ({refused.status}). Set SCW_ACCESS_KEY and SCW_SECRET_KEY to {whose}."
    )


def variables_of(
    stack: Stack, place: StateBackend, environ: Mapping[str, str], *, reads: bool = False
) -> dict[str, str]:
    """Backend, passphrase and keys of a stack; none where the user has set them before `snu bootstrap`.

    ``reads``: nothing is to be written, so that a reader's document is used where there is one.
    Raises OpsError when they cannot be found, or the user has set another backend.
    """
    account = Account(stack, environ)
    try:
        found = (_reader_document(account, stack, place) if reads else None) or find_document(account, stack, place)
        if found is None:
            _without_document(stack, place, environ)
            return {}
        _, document = found
        _refuse_another(stack, environ, document.address)
        own = ("", "")
        if document.url.startswith("s3://") and not document.access_key:
            own = account.storage_key(account.organization_id)
        return connect(stack, environ, document, own)
    finally:
        account.close()


def _reader_document(account: Account, stack: Stack, place: StateBackend) -> tuple[Secret, BackendDocument] | None:
    """None where there is none that the key may read: it may be that of somebody who keeps the state."""
    if not place.reader:
        return None
    try:
        return find_document(account, stack, replace(place, secret=place.reader))
    except OpsError:
        return None


def _without_document(stack: Stack, place: StateBackend, environ: Mapping[str, str]) -> None:
    """Before `snu bootstrap` the user may say where the state is."""
    if BACKEND_URL in environ and (PASSPHRASE in environ or f"{PASSPHRASE}_FILE" in environ):
        if not stack.is_local and environ[BACKEND_URL].startswith("file:"):
            raise OpsError(
                f"{BACKEND_URL} leads to a folder of this machine, where the state of a stack on the real Scaleway is "
                f"never kept. Unset it for {stack.name}.",
                ExitCode.ENVIRONMENT,
            )
        return
    raise OpsError(
        f"Where the state of {stack.name} is kept is not known: the key in use sees no secret {place.secret}. Run "
        f"`scripts/snu bootstrap {place.foundation or 'FOUNDATION'}`, which makes it, or use a key that may read it.",
        ExitCode.ENVIRONMENT,
    )


def _refuse_another(stack: Stack, environ: Mapping[str, str], address: str) -> None:
    set_by_user = environ.get(BACKEND_URL)
    if set_by_user is not None and address_of(set_by_user) != address:
        raise OpsError(
            f"{BACKEND_URL} leads to {address_of(set_by_user)}, and the state of {stack.name} is kept in {address}. "
            f"Unset {BACKEND_URL}; nothing was done.",
            ExitCode.ENVIRONMENT,
        )
