"""``snu state``: shows, backs up, restores and moves states."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ops.confirm import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, counted
from ops.report.times import local_time
from ops.session import Options, Session
from ops.stacks import find_stack
from ops.state import backup as backups
from ops.state.account import Account
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_connection import connect
from ops.state.backend_document import BackendDocument
from ops.state.backend_lookup import find_document, variables_of
from ops.state.checkpoint import Secrets
from ops.state.history import Update, updates_of
from ops.state.interrupted import interrupted_line, pending_names
from ops.state.lock import locks_of
from ops.state.move import Move, carry_published
from ops.state.size import size_of, size_remedy
from ops.state.tombstone import read_tombstone
from pulumi_state.errors import PulumiError
from pulumi_state.store import Store, StoreError, open_store
from pulumi_state.variables import BACKEND_URL, PASSPHRASE

FOUNDATION = "foundation"
"""The ``move`` target for the backend that the foundation provides for the environment."""
_VARIABLE = "env:"
_TARGET_KEYS = {
    "AWS_ACCESS_KEY_ID": "SNU_STATE_TO_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY": "SNU_STATE_TO_SECRET_KEY",
}
_SHOWN_CHANGES = ("create", "update", "replace", "delete", "same")


def show(session: Session, *, as_json: bool = False) -> ExitCode:
    """Print the state's location, size, lock owners and last update."""
    store, project, stack = session.store, session.project, session.stack.name
    session.warn_overwritten()
    tombstone = read_tombstone(store, project, stack)
    current = backups.take(store, project, stack)
    size = size_of(store, project, stack)
    owners = [lock.owner for lock in locks_of(store, project, stack)]
    last = next(iter(updates_of(store, project, stack, 1)), None)
    if as_json:
        document = {
            "stack": stack,
            "backend": store.address,
            "movedTo": tombstone.to if tombstone else None,
            "resources": len(current.resources) if current else None,
            "size": str(size),
            "lockOwners": owners,
            "lastUpdate": last.document if last else None,
        }
        print_document("state show", document)
        return ExitCode.OK
    lines = [Line.of((stack, "bold"), f": state in {store.address}")]
    if tombstone is not None:
        lines.append(Line.of(f"  moved to {tombstone.to} at {tombstone.when} by {tombstone.who}"))
    lines.append(Line.of(f"  {counted(len(current.resources), 'resource')}" if current else "  no state yet"))
    lines.append(Line.of("  size: ", (str(size), "yellow" if size.near else "")))
    if size.near:
        lines.append(Line.of(f"  {size_remedy(stack)}"))
    lines += [Line.of(f"  locked by {owner}") for owner in owners]
    lines += [Line.of(f"  last {_shown(last)}")] if last else []
    printer_for(sys.stdout).print(lines)
    return ExitCode.OK


def history(session: Session, most: int, *, as_json: bool) -> ExitCode:
    """Print the updates, newest first.

    Includes killed runs that still have a stale lock, because they are not in the history yet.
    """
    session.warn_overwritten()
    pending = pending_names(session.observed.stored)
    place = (session.store, session.project, session.stack.name)
    killed = [each.interrupted for each in locks_of(*place) if each.interrupted is not None]
    updates = [each.update for each in killed if not each.is_recorded(*place)] + updates_of(*place, most)
    if as_json:
        print_document("state history", {"stack": session.stack.name, "updates": [each.document for each in updates]})
        return ExitCode.OK
    lines = [interrupted_line(session.stack.name, pending)] if pending else []
    lines += [Line.of(_shown(update)) for update in updates]
    printer_for(sys.stdout).print(lines or [Line.of(f"{session.stack.name} has never been updated.")])
    return ExitCode.OK


def _shown(update: Update) -> str:
    head = f"{update.kind} {local_time(update.begun, seconds=True)} by {update.who}: {update.result}"
    if update.is_interrupted:
        return f"{head} ({update.message}), last seen after {update.seconds}s, engine {update.engine}"
    changes = [f"{count} {op}" for op in _SHOWN_CHANGES if (count := update.changes.get(op))]
    changes += [f"{count} {op}" for op, count in sorted(update.changes.items()) if op not in _SHOWN_CHANGES and count]
    at = f" at {update.commit[:10]}" if update.commit else ""
    return f"{head} in {update.seconds}s ({', '.join(changes) or 'no resource'}), engine {update.engine}{at}"


# --- backups ----------------------------------------------------------------------------------------------


def backup(session: Session, out: Path | None) -> ExitCode:
    """Write a backup to a file, or to the state backend. Raises OpsError if there is no state."""
    store, project, stack = session.store, session.project, session.stack.name
    session.warn_overwritten()
    found = backups.take(store, project, stack)
    if found is None:
        raise OpsError(f"{stack} has no state in {store.address}.", ExitCode.FAILED)
    if out is None:
        where = f"{backups.save(store, found)} in {store.address}"
    else:
        backups.write_file(out, found)
        where = str(out)
    print(f"{stack}: backed up {counted(len(found.resources), 'resource')} to {where}; its secrets remain encrypted.")
    return ExitCode.OK


def restore(session: Session, file: Path, options: Options, *, over: bool, rename: bool) -> ExitCode:
    """Replace the state with a backup.

    Raises OpsError without changing anything if the backup does not match or the stack has resources.
    """
    stack = session.stack.name
    found = _fitting(session, backups.read_file(file), rename=rename)
    with session.locked("snu state restore", options):
        target = session.state
        with suppress(PulumiError):  # a state that this version cannot read can still be replaced
            target.read()
        present = backups.take(session.store, session.project, stack)
        count = len(present.resources) if present else 0
        if present and count > 1 and not over:
            raise OpsError(
                f"{stack} has {count} resources. Any that are not in the backup would become unmanaged. Confirm with "
                "--replace. Nothing was changed.",
                ExitCode.USAGE,
            )
        _check_secrets(session, found)
        if not options.yes:
            confirm(
                f"Replace the state of {stack} ({counted(count, 'resource')}) with the backup from {found.time} "
                f"({counted(len(found.resources), 'resource')})?"
            )
        if present:
            print(f"{stack}: backed up the previous state as {backups.save(session.store, present)}.")
        try:
            target.write(json.dumps(found.checkpoint, ensure_ascii=False))
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from None
    print(
        f"{stack}: restored the backup from {found.time} ({counted(len(found.resources), 'resource')}). Compare it "
        f"with the live resources: scripts/snu preview {stack} --refresh"
    )
    return ExitCode.OK


def _fitting(session: Session, found: backups.Backup, *, rename: bool) -> backups.Backup:
    stack = session.stack.name
    if found.project != session.project:
        raise OpsError(
            f"The backup belongs to the project {found.project}; expected {session.project}. Nothing was changed.",
            ExitCode.USAGE,
        )
    if found.stack == stack:
        return found
    if not rename:
        raise OpsError(
            f"The backup belongs to the stack {found.stack}. To transfer its resources to {stack}, add --rename; "
            "never let two stacks manage the same resources. Nothing was changed.",
            ExitCode.USAGE,
        )
    return found.renamed(stack)


def _check_secrets(session: Session, found: backups.Backup) -> None:
    if found.salt:
        try:
            Secrets(session.environ).decrypt_with(found.salt)
        except OpsError as error:
            raise OpsError(
                f"The backup's secrets were not encrypted with the stack's passphrase: {error}. Nothing was changed.",
                ExitCode.ENVIRONMENT,
            ) from None


# --- move -------------------------------------------------------------------------------------------------


def move(session: Session, to: str, options: Options) -> ExitCode:
    """Move the state to another backend. Raises OpsError, leaving the state where it is, if the move fails."""
    stack = session.stack
    document = _target(session, to)
    try:
        target = open_store(document.url, connect(stack, session.environ, document, _own_key(session.environ)))
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    moving = Move(session.store, target, session.project, stack.name, Secrets(session.environ), _say)
    with session.locked("snu state move", options, moves=True):
        moving.check()
        if not options.yes:
            confirm(f"Move the state of {stack.name} from {session.store.address} to {target.address}?")
        _say(f"from {session.store.address} to {target.address}")
        _carry(session, target)
        moving.run()
        _point(session, document)
    target.close()
    return ExitCode.OK


def _say(what: str) -> None:
    print(f"  {what}")
    sys.stdout.flush()


def _carry(session: Session, target: Store) -> None:
    foundation = backend_of(session.stack).foundation
    is_another = bool(foundation) and foundation != session.stack.name
    if is_another and carry_published(session.store, target, session.project, foundation):
        _say(f"copied the outputs of {foundation}")


def _target(session: Session, to: str) -> BackendDocument:
    """The new backend and its credentials, with the state's current passphrase. Raises OpsError."""
    from pydantic import SecretStr

    if to == FOUNDATION:
        made = _foundation_backend(session)
    else:
        url = session.environ.get(to.removeprefix(_VARIABLE), "") if to.startswith(_VARIABLE) else to
        if not url:
            raise OpsError(f"The variable {to.removeprefix(_VARIABLE)} is not set.", ExitCode.USAGE)
        if not to.startswith(_VARIABLE) and "@" in url:
            raise OpsError(
                "Do not pass an address with credentials as an argument, which every process on this machine can "
                f"read. Store it in a variable and use --to {_VARIABLE}NAME.",
                ExitCode.USAGE,
            )
        # The user's own key, which is not stored in the document.
        access, secret = (session.environ.get(name, "") for name in _TARGET_KEYS.values())
        made = BackendDocument(
            backend_url=SecretStr(url), passphrase=SecretStr(""), access_key=access, secret_key=SecretStr(secret)
        )
    return made.model_copy(update={"passphrase": SecretStr(Secrets(session.environ).passphrase)})


def _own_key(environ: Mapping[str, str]) -> tuple[str, str]:
    """The current S3 key, for a bucket without its own key."""
    access, secret = (environ.get(name, "") for name in _TARGET_KEYS)
    return access, secret


def _foundation_backend(session: Session) -> BackendDocument:
    """The backend that the foundation provides for an environment, from the foundation's outputs."""
    from ops.foundation_secrets import FoundationSecrets

    stack = session.stack
    place = backend_of(stack)
    if place.kind is not BackendKind.ENVIRONMENT:
        raise OpsError(f"{stack.name} has no foundation. Specify the backend's address with --to.", ExitCode.USAGE)
    foundation = find_stack(stack.project_dir, place.foundation)
    environ = {
        key: value
        for key, value in session.environ.items()
        if key not in (BACKEND_URL, PASSPHRASE) and key[:4] != "AWS_"
    }
    reached = environ | variables_of(foundation, backend_of(foundation), environ)
    with FoundationSecrets.opened(
        foundation, environ, reached, lambda what, found: _say(f"{what}: {found}")
    ) as secrets:
        return secrets.backend(str(stack.config["snu:environment"]["name"]))


def _point(session: Session, document: BackendDocument) -> None:
    """Update the stored address of the stack's backend."""
    stack = session.stack
    place = backend_of(stack)
    if place.kind not in (BackendKind.ENVIRONMENT, BackendKind.FOUNDATION):
        _say(
            f"to use the new backend for {stack.name}, set {BACKEND_URL} to its address, or change snu:state in "
            f"{stack.file.name}: see docs/how-to/state.md"
        )
        return
    account = Account(stack, session.environ)
    try:
        found = find_document(account, stack, place)
        if found is None:
            _say(f"no secret {place.secret} to update: set {BACKEND_URL} to the new address")
        elif found[1].address != document.address:
            account.write(found[0], document.text())
            _say(f"updated the secret {place.secret} with the new address")
            for reader in account.secrets_named(place.reader) if place.reader else ():
                account.withdraw(reader)
                _say(f"emptied the secret {place.reader}; fill it with: scripts/snu bootstrap {place.foundation}")
    finally:
        account.close()
