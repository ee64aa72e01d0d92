"""A change to a secret document: which keys differ, and whether the apps can use the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from infra.secret_document import DocumentProblem, problems
from infra.settings import EnvironmentSettings, MergedVariables, variables_by_consumer
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.text import Line, safe
from scaleway_facts.limits import SECRET_VERSION

NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True)
class KeyChanges:
    """The keys that differ between two documents."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def between(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> KeyChanges:
        return cls(
            tuple(sorted(new.keys() - old.keys())),
            tuple(sorted(key for key in old.keys() & new.keys() if old[key] != new[key])),
            tuple(sorted(old.keys() - new.keys())),
        )

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> set[str]:
        """All keys that differ."""
        return {*self.added, *self.changed, *self.removed}

    def lines(self) -> Iterator[Line]:
        """One line per key."""
        for keys, sign, style in (
            (self.added, "+", "green"),
            (self.changed, "~", "yellow"),
            (self.removed, "-", "red"),
        ):
            for key in keys:
                yield Line.of(f"  {sign} ", (safe(key), style))


@dataclass(frozen=True)
class Change:
    """A new document compared with the one that it replaces."""

    keys: KeyChanges
    new: Mapping[str, Any] = field(repr=False)
    """The new document."""
    remaining: list[DocumentProblem]
    """Problems with the former document that the new one still has."""
    unused: list[str]
    """Added keys that no app or job uses."""
    similar: dict[str, str]
    """For some of the unused keys, a similar key that apps use and the document lacks."""

    @classmethod
    def of(cls, settings: EnvironmentSettings, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
        """Raises OpsError if the new document is too large or has problems that the old one does not have."""
        keys = KeyChanges.between(old, new)
        written = (*keys.added, *keys.changed)
        lines = [f"  {safe(key)}: {problem}" for key in written if (problem := _text_problem(key, new[key]))]
        required = variables_by_consumer(settings)
        before, after = problems(old, required), problems(new, required)
        lines += problem_lines(each for each in after if each not in before and each.problem != "not a string")
        if lines:
            hint = " To remove a key that is in use, first remove it from the stack's file." if keys.removed else ""
            raise OpsError(
                "\n".join(["The document would be invalid:", *lines, f"{NOTHING_CHANGED}{hint}"]), ExitCode.USAGE
            )
        size = len(_stored(new))
        if not SECRET_VERSION.allows(size):
            raise OpsError(
                f"The document would be {size} bytes long; Scaleway allows {SECRET_VERSION.most}. {NOTHING_CHANGED}",
                ExitCode.USAGE,
            )
        used, missing = used_keys(required), [each.key for each in after if each.problem == "missing"]
        unused = [key for key in keys.added if key not in used]
        similar = {key: close[0] for key in unused if (close := get_close_matches(key, missing, 1, 0.8))}
        return cls(keys, new, after, unused, similar)

    @property
    def content(self) -> bytes:
        """The new document, as it is stored."""
        return _stored(self.new)

    def applied_to(self, settings: EnvironmentSettings, document: Mapping[str, Any]) -> Change:
        """The same change to another document: only the keys that differ are set or removed. Raises like ``of``."""
        kept = {key: value for key, value in document.items() if key not in self.keys.removed}
        written = {key: self.new[key] for key in (*self.keys.added, *self.keys.changed)}
        return Change.of(settings, document, {**kept, **written})


def _stored(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def problem_lines(found: Iterable[DocumentProblem]) -> list[str]:
    """One line per key and problem, with all consumers."""
    consumers: dict[tuple[str, str], list[str]] = {}
    for each in found:
        consumers.setdefault((each.key, each.problem), []).append(each.consumer)
    return [f"  {key}: {problem} (used by {', '.join(users)})" for (key, problem), users in consumers.items()]


def _text_problem(key: str, value: Any) -> str:
    if not key.isprintable() or key != key.strip():
        return "the key contains control characters, or starts or ends with a space"
    if not key:
        return "the key is empty"
    if not isinstance(value, str):
        return "not a string"
    try:
        f"{key}{value}".encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        return "not valid Unicode"
    return "contains a NUL character, which a variable cannot contain" if "\0" in value else ""


def used_keys(required: Mapping[str, MergedVariables]) -> dict[str, list[tuple[str, str]]]:
    """The consumers of each key, with the variable by which each one gets it."""
    used: dict[str, list[tuple[str, str]]] = {}
    for consumer, variables in required.items():
        for variable, key in variables.document_keys.items():
            used.setdefault(key, []).append((consumer, variable))
    return used
