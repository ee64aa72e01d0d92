"""The list of accepted differences between the program and the live resources, each with a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.changes import changes_of
from ops.steps import Step, label

CREATE = "create"
_ACCEPTABLE = frozenset({"create", "update"})
_REASON = "why?"
_INSIDE = re.compile(r"[.\[]")
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Acceptance(BaseModel):
    """An entry in the list of accepted differences."""

    model_config = ConfigDict(extra="forbid")

    resource: _Text
    """The resource's name in the program."""
    changes: Annotated[list[_Text], Field(min_length=1)]
    """``create``, or property paths; each path covers everything below it."""
    reason: _Text

    def covers(self, change: str) -> bool:
        return any(self.matches(path, change) for path in self.changes)

    @staticmethod
    def matches(path: str, change: str) -> bool:
        rest = change.removeprefix(path)
        return change.startswith(path) and (not rest or _INSIDE.match(rest) is not None)


_LIST = TypeAdapter(list[Acceptance])


def read_accepted(file: Path | None) -> list[Acceptance]:
    """The entries in a file; empty if no file is given. Raises an OpsError that lists all invalid entries."""
    if file is None:
        return []
    try:
        with file.open("rb") as stream:  # so that YAML errors contain the file's name
            entries = _LIST.validate_python(yaml.safe_load(stream) or [])
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise OpsError(f"{file} is not valid YAML: {' '.join(str(error).split())}", ExitCode.USAGE) from None
    except ValidationError as error:
        problems = "".join(
            f"\n  {'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors(include_input=False)
        )
        raise OpsError(
            f"{file} is invalid:{problems}\nExpected a list of entries with `resource`, `changes` and `reason`. "
            "Nothing was changed.",
            ExitCode.USAGE,
        ) from None
    missing = [entry.resource for entry in entries if entry.reason == _REASON]
    if missing:
        raise OpsError(f"{file}: the reason is missing for {', '.join(missing)}. Nothing was changed.", ExitCode.USAGE)
    return entries


@dataclass(frozen=True)
class AcceptanceResult:
    """The result of comparing the differences with the accepted ones."""

    open: Mapping[str, Sequence[str]]
    """The changes that no entry accepts, by resource."""
    never: Sequence[str]
    """Replacements and deletions, which cannot be accepted."""
    unused: Sequence[str]
    """Accepted changes that do not occur."""


def judge(steps: Iterable[Step], accepted: Sequence[Acceptance]) -> AcceptanceResult:
    """Compare the steps of the post-import preview with the accepted differences."""
    changed = [step for step in steps if step.is_change and step.is_custom]
    names = _names(changed)
    differences = {names[step.urn]: _changes(step) for step in changed if step.op in _ACCEPTABLE}
    by_name: dict[str, list[Acceptance]] = {}
    for entry in accepted:
        by_name.setdefault(entry.resource, []).append(entry)
    undecided = {
        name: [each for each in changes if not any(entry.covers(each) for entry in by_name.get(name, ()))]
        for name, changes in differences.items()
    }
    unused = [
        f"{entry.resource}: {path}"
        for entry in accepted
        for path in entry.changes
        if not any(Acceptance.matches(path, change) for change in differences.get(entry.resource, ()))
    ]
    never = [f"{label(step.urn)}: {step.op}" for step in changed if step.op not in _ACCEPTABLE]
    return AcceptanceResult({name: changes for name, changes in undecided.items() if changes}, never, unused)


def _changes(step: Step) -> list[str]:
    if step.op == CREATE:
        return [CREATE]
    return [change.path for change in changes_of(step)] or list(step.diff_keys) or [step.op]


def _names(steps: Sequence[Step]) -> dict[str, str]:
    """Names by URN, including the type if two resources share a name."""
    count = Counter(step.name for step in steps)
    return {step.urn: step.name if count[step.name] == 1 else label(step.urn) for step in steps}


def as_list(undecided: Mapping[str, Sequence[str]]) -> str:
    """A YAML list that accepts all of these changes once every entry has a reason."""
    entries = [{"resource": name, "changes": list(changes), "reason": _REASON} for name, changes in undecided.items()]
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120).rstrip()
