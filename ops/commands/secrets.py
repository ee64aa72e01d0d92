"""``snu secrets``: the secret document of an environment."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from infra.secret_document import problems
from infra.settings import variables_by_consumer
from ops.confirm import confirm, require_terminal
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local import require_running
from ops.process_environment import process_environment
from ops.releases.promotion import source_environ
from ops.report.causes import few
from ops.report.document import print_document, values_of
from ops.report.factory import printer_for, warn
from ops.report.output import writing_output
from ops.report.table import table
from ops.report.text import Line, Span, counted, safe
from ops.report.times import local_time
from ops.secrets.change import NOTHING_CHANGED, Change, KeyChanges, used_keys
from ops.secrets.check import invalid_lines
from ops.secrets.editor import EditedFile
from ops.secrets.formats import FormatError, json_object, keys_and_values, text_of
from ops.secrets.history import History, Revision
from ops.secrets.store import ConflictError, Document, DocumentStore
from ops.stacks import Stack, find_stack, project_dir
from scaleway_facts.limits import SECRET_VERSION

_Content = TypeVar("_Content")
_MOST_READ = 30
"""Number of versions that are read to find the age of each key."""
_MOST_INPUT = 4 * SECRET_VERSION.most
"""Maximum size of the input in bytes, which allows for a more verbose notation."""


@dataclass(frozen=True)
class KeyUse:
    """An app or job that uses a key."""

    consumer: str
    variable: str


@dataclass(frozen=True)
class KeyStatus:
    """A key of the document, or one that it lacks, without its value."""

    key: str
    problem: str
    """Why its consumers cannot use it, such as ``missing``; empty if they can."""
    used_by: list[KeyUse]
    revision: int | None
    """The revision that last changed it; None if it is missing."""
    changed: datetime | None
    or_earlier: bool
    """Whether it may have last changed in an earlier revision, which was not read."""


def list_keys(directory: Path | None, name: str, *, as_json: bool) -> ExitCode:
    """Print each key's consumers, problems and age. Raises OpsError."""
    with _opened(directory, name) as documents:
        history = History(documents, _MOST_READ)
        latest = next((each for each in history.revisions() if each.is_enabled), None)
        if latest is not None and not latest.is_readable:
            documents.read().values  # noqa: B018 - raises an error that contains the fix
    statuses = _statuses(documents, history)
    if as_json:
        print_document(
            "secrets list",
            {
                "stack": name,
                "secret": documents.name,
                "revision": latest.revision if latest else None,
                "created": latest.created if latest else None,
                "keys": statuses,
            },
        )
        return ExitCode.OK
    title = f"revision {latest.revision}, {local_time(latest.created)}" if latest else "no version yet"
    rows = [_row(each) for each in statuses]
    printer_for(sys.stdout).print(
        [
            Line.of((documents.name, "bold"), f"  {title}"),
            *(line.indented("  ") for line in table(("key", "changed", "used by"), rows)),
        ]
    )
    return ExitCode.OK


def _statuses(documents: DocumentStore, history: History) -> list[KeyStatus]:
    required = variables_by_consumer(documents.settings)
    used, ages = used_keys(required), history.ages()
    reasons = {each.key: each.problem for each in problems(history.latest, required)}
    return [
        KeyStatus(
            key,
            reasons.get(key, ""),
            [KeyUse(*each) for each in used.get(key, [])],
            age.revision if age else None,
            age.changed if age else None,
            bool(age and age.or_earlier),
        )
        for key in sorted(used.keys() | ages.keys())
        for age in (ages.get(key),)
    ]


def _row(status: KeyStatus) -> list[Span | str]:
    if status.changed is None:
        changed = (status.problem, "bold red")
    else:
        age = f"{local_time(status.changed)}{' or earlier' if status.or_earlier else ''}"
        changed = (f"{age}, {status.problem}", "bold red") if status.problem else (age, "")
    users = [
        each.consumer if each.variable == status.key else f"{each.consumer} as {each.variable}"
        for each in status.used_by
    ]
    return [(safe(status.key), "bold"), changed, ", ".join(users) if users else ("unused", "yellow")]


def get(directory: Path | None, name: str, key: str, *, show: bool) -> ExitCode:
    """Print one value to a file or pipe, exactly as it is; to a terminal only with ``show``. Raises OpsError."""
    if sys.stdout.isatty() and not show:
        raise OpsError(
            f"The value of {key} would appear on the terminal and stay in its scrollback. Confirm with --show, or pipe "
            f"it to a program: scripts/snu secrets get {name} {key} | …",
            ExitCode.USAGE,
        )
    with _opened(directory, name) as documents:
        values = documents.latest_values()
    _require_key(values, key, documents)
    value = values[key] if isinstance(values[key], str) else json.dumps(values[key])
    if sys.stdout.isatty():
        print(value)
    else:
        sys.stdout.flush()
        with writing_output():
            sys.stdout.buffer.write(value.encode(errors="surrogatepass"))
            sys.stdout.buffer.flush()
    return ExitCode.OK


def set_key(directory: Path | None, name: str, key: str, *, yes: bool) -> ExitCode:
    """Set a key to a value from standard input or a hidden prompt. Raises OpsError."""
    with _opened(directory, name) as documents:
        base = documents.read()
        value = _entered(key)
        return _write(documents, base, {**base.values, key: value}, "snu secrets set", yes=yes)


def unset(directory: Path | None, name: str, keys: list[str], *, yes: bool) -> ExitCode:
    """Remove keys that no app or job uses. Raises OpsError."""
    with _opened(directory, name) as documents:
        base = documents.read()
        for key in keys:
            _require_key(base.values, key, documents)
        kept = {key: value for key, value in base.values.items() if key not in keys}
        return _write(documents, base, kept, "snu secrets unset", yes=yes)


def edit(directory: Path | None, name: str, *, yes: bool) -> ExitCode:
    """Edit the document in the user's editor, and offer to edit it again if the result is invalid. Raises OpsError."""
    if not yes:
        require_terminal()
    with _opened(directory, name) as documents:
        base = documents.read()
        change = _edited(documents, base)
        if change is None:
            print(
                f"The document was not edited. {NOTHING_CHANGED} If your editor returns before you close the file, "
                "make it wait: EDITOR='code --wait'."
            )
            return ExitCode.OK
        return _write_change(documents, base, change, "snu secrets edit", yes=yes)


def _edited(documents: DocumentStore, base: Document) -> Change | None:
    """The user's change; None if the file was left unchanged. Raises OpsError."""
    old, text = {}, base.content
    if _is_object(base):
        old = base.values
        text = json.dumps(old, indent=2, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
    with EditedFile.created(f"{documents.name}.json", text, process_environment()) as file:
        while (content := file.edit()) != text:
            if not content.strip():
                raise OpsError(f"The edited document is empty. {NOTHING_CHANGED}", ExitCode.CANCELLED)
            try:
                return Change.of(documents.settings, old, _parsed(content, "The edited document", json_object))
            except OpsError as error:
                if not sys.stdin.isatty():
                    raise
                sys.stderr.write(f"error: {error}\n")
            confirm("Edit it again?")
    return None


def import_keys(directory: Path | None, name: str, file: str, *, replace: bool, yes: bool) -> ExitCode:
    """Set keys from a file in dotenv or JSON format; ``-`` is standard input. Raises OpsError.

    ``replace`` also removes all other keys.
    """
    _stack(directory, name)  # its errors matter more than the file's
    imported = _parsed(_read(file), "Standard input" if file == "-" else file, keys_and_values)
    with _opened(directory, name) as documents:
        base = documents.read()
        old = base.values if not replace or _is_object(base) else {}
        new = imported if replace else {**old, **imported}
        change = Change.of(documents.settings, old, new)
        return _write_change(documents, base, change, "snu secrets import", yes=yes, whole=replace)


@dataclass(frozen=True)
class Comparison:
    """The keys of two documents, without their values."""

    only_in_first: list[str]
    only_in_second: list[str]
    equal: list[str]
    """Keys with the same value in both."""
    equal_secrets: list[str]
    """The keys in ``equal`` that an app of either environment uses as a secret variable."""


def compare(directory: Path | None, first: str, second: str, *, as_json: bool) -> ExitCode:
    """Print the keys that only one document has, and those with equal values. Raises OpsError.

    The first document is read with the source's own API key if one is set, as in a promotion.
    """
    environ = process_environment()
    used: dict[str, dict[str, list[tuple[str, str]]]] = {}
    secret: set[str] = set()
    values = {}
    for name, variables in ((first, source_environ(environ)), (second, environ)):
        stack = find_stack(project_dir(directory), name)
        require_running(stack)
        with DocumentStore.opened(stack, variables) as documents:
            values[name] = documents.latest_values()
        required = variables_by_consumer(documents.settings)
        used[name] = used_keys(required)
        secret |= {key for consumer in required.values() for key in consumer.secret.values()}
    keys = KeyChanges.between(values[first], values[second])
    equal = sorted(values[first].keys() & values[second].keys() - {*keys.changed})
    comparison = Comparison([*keys.removed], [*keys.added], equal, [key for key in equal if key in secret])
    if as_json:
        print_document("secrets compare", {"first": first, "second": second, **values_of(comparison)})
    else:
        printer_for(sys.stdout).print(_comparison_lines(first, second, comparison, used, len(keys.changed)))
    return ExitCode.OK


def _comparison_lines(
    first: str,
    second: str,
    comparison: Comparison,
    used: Mapping[str, Mapping[str, list[tuple[str, str]]]],
    different: int,
) -> Iterator[Line]:
    for name, other, keys in (
        (first, second, comparison.only_in_first),
        (second, first, comparison.only_in_second),
    ):
        if keys:
            yield Line.of((f"Only in {name}:", "bold"))
        for key in keys:
            users = ", ".join(consumer for consumer, _ in used[other].get(key, []))
            needed = (f"  missing in {other}, where it is used by {users}", "bold red") if users else ""
            yield Line.of(f"  {safe(key)}", needed)
    if comparison.equal_secrets:
        yield Line.of((f"Secret variables with the same value in {first} and {second}:", "bold yellow"))
        yield from (Line.of(f"  {safe(key)}") for key in comparison.equal_secrets)
    if plain := [key for key in comparison.equal if key not in comparison.equal_secrets]:
        yield Line.of((f"Other keys with the same value in {first} and {second}:", "bold"))
        yield from (Line.of(f"  {safe(key)}") for key in plain)
    yield Line.of(f"{counted(different, 'key')} with different values.")


def history(directory: Path | None, name: str, most: int, *, as_json: bool) -> ExitCode:
    """Print the newest revisions with the keys that each one changed. Raises OpsError."""
    with _opened(directory, name) as documents:
        found = History(documents, most)
    revisions = found.revisions()
    if as_json:
        print_document("secrets history", {"stack": name, "secret": documents.name, "revisions": revisions})
        return ExitCode.OK
    rows: list[list[Span | str]] = [
        [(str(each.revision), "bold"), local_time(each.created), safe(each.purpose), _changes_text(each)]
        for each in revisions
    ]
    printer_for(sys.stdout).print(
        [
            Line.of((documents.name, "bold")),
            *(line.indented("  ") for line in table(("revision", "created", "by", "keys"), rows)),
            *([] if found.is_complete else [Line.of("  Older revisions exist; list more with --most.")]),
        ]
    )
    return ExitCode.OK


def _changes_text(revision: Revision) -> str:
    if not revision.is_enabled:
        return "disabled"
    if not revision.is_readable:
        return "not a JSON object"
    if revision.changes is None:
        return "unknown"
    changes = revision.changes
    parts = (("added", changes.added), ("changed", changes.changed), ("removed", changes.removed))
    return "; ".join(f"{verb} {few([*map(safe, keys)])}" for verb, keys in parts if keys) or "no changes"


def rollback(directory: Path | None, name: str, revision: int, *, yes: bool) -> ExitCode:
    """Write a new version with the content of an earlier one. Raises OpsError."""
    with _opened(directory, name) as documents:
        base = documents.read()
        former = next((each for each in documents.versions() if each.revision == revision), None)
        if former is None or not former.is_enabled:
            reason = "is disabled or deleted" if former else "does not exist"
            raise OpsError(
                f"Revision {revision} of {documents.name} {reason}. {NOTHING_CHANGED} List the revisions with: "
                f"scripts/snu secrets history {name}",
                ExitCode.USAGE,
            )
        new = Document(documents.name, revision, content=documents.content(revision)).values
        old = base.values if _is_object(base) else {}
        change = Change.of(documents.settings, old, new)
        return _write_change(documents, base, change, f"snu secrets rollback to {revision}", yes=yes, whole=True)


# --- shared ---------------------------------------------------------------------------------------------


def _opened(directory: Path | None, name: str) -> AbstractContextManager[DocumentStore]:
    stack = _stack(directory, name)
    require_running(stack)
    return DocumentStore.opened(stack, process_environment())


def _stack(directory: Path | None, name: str) -> Stack:
    return find_stack(project_dir(directory), name)


def _write(documents: DocumentStore, base: Document, new: Mapping[str, Any], purpose: str, *, yes: bool) -> ExitCode:
    return _write_change(documents, base, Change.of(documents.settings, base.values, new), purpose, yes=yes)


def _write_change(
    documents: DocumentStore, base: Document, change: Change, purpose: str, *, yes: bool, whole: bool = False
) -> ExitCode:
    """Show a change, confirm and write it. Raises OpsError.

    If another version is created in the meantime, the change is applied to that one, unless it is a ``whole`` document
    or the other version changed the same keys and ``yes`` rules out a confirmation.
    """
    while True:
        if not change.keys and _is_object(base):
            print(f"{documents.name} already has these values. {NOTHING_CHANGED}")
            return ExitCode.OK
        _show_change(documents, base, change)
        if not yes:
            confirm(f"Write a new version of {documents.name}?")
        try:
            return _written(documents, documents.write(base, change.content, purpose), change)
        except ConflictError as conflict:
            newer = documents.read()
            if whole or not (_is_object(base) and _is_object(newer)):
                raise
            theirs = KeyChanges.between(base.values, newer.values)
            applied = change.applied_to(documents.settings, newer.values)
            both = sorted(applied.keys.names & theirs.names)  # without keys that now have the same value in both
            if both and yes:
                raise
            base, change = newer, applied
            keys = few([*map(safe, both)])
            replaced = f" That revision also changes {keys}, which your change would overwrite." if both else ""
            print(
                f"In the meantime, {conflict.event}. Your change was applied to the latest revision.{replaced}",
                flush=True,
            )


def _written(documents: DocumentStore, revision: int, change: Change) -> ExitCode:
    print(f"Wrote revision {revision} of {documents.name}.")
    stack = documents.stack.name
    if change.remaining:
        warn("\n".join(["The document is still invalid:", *invalid_lines(stack, change.remaining)]), sys.stderr)
    else:
        command = "env up" if documents.settings.environment.preview_of else f"up {stack}"
        print(f"Containers and jobs receive the new values in the next deployment: scripts/snu {command}")
    return ExitCode.OK


def _show_change(documents: DocumentStore, base: Document, change: Change) -> None:
    stack = documents.stack.name
    printer_for(sys.stdout).print(
        [Line.of((documents.name, "bold"), f" of {stack}, revision {base.revision}:"), *change.keys.lines()]
    )
    for key in change.unused:
        similar = f"; did you mean {change.similar[key]}?" if key in change.similar else "."
        warn(f"No app or job of {stack} uses {safe(key)}{similar}", sys.stderr)


def _is_object(document: Document) -> bool:
    try:
        return document.values is not None
    except OpsError:
        return False


def _require_key(values: Mapping[str, Any], key: str, documents: DocumentStore) -> None:
    if key in values:
        return
    close = get_close_matches(key, values, 1)
    hint = f"Did you mean {safe(close[0])}?" if close else f"Keys: scripts/snu secrets list {documents.stack.name}"
    raise OpsError(f"{documents.name} has no key {safe(key)}. {hint}", ExitCode.USAGE)


def _entered(key: str) -> str:
    """A value from a hidden prompt, or from standard input without the trailing newline."""
    if sys.stdin.isatty():
        try:
            value = getpass.getpass(f"Value of {key} (not shown): ")
        except EOFError:
            print(file=sys.stderr)  # end the prompt's line
            value = ""
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise
    else:
        value = _parsed(_read("-"), "Standard input", str)
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise OpsError(
            f"The value of {key} is empty. {NOTHING_CHANGED} Enter it at the prompt, or pass it on standard input.",
            ExitCode.USAGE,
        )
    return value


def _parsed(content: bytes, source: str, parse: Callable[[str], _Content]) -> _Content:
    """Parse UTF-8 text. Raises OpsError."""
    try:
        return parse(text_of(content))
    except FormatError as error:
        raise OpsError(f"{source}: {error}. {NOTHING_CHANGED}", ExitCode.USAGE) from None


def _read(file: str) -> bytes:
    """Read a file or, for ``-``, standard input. Raises OpsError if it is unreadable or too large."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(_MOST_INPUT + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(_MOST_INPUT + 1)
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}. {NOTHING_CHANGED}", ExitCode.USAGE) from None
    if len(content) > _MOST_INPUT:
        raise OpsError(
            f"The input is longer than {_MOST_INPUT} bytes, so it cannot be a secret document. {NOTHING_CHANGED}",
            ExitCode.USAGE,
        )
    return content
