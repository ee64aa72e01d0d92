"""What may differ between the program and what it adopts: each difference accepted by name, with a reason."""

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
    """An entry of the list."""

    model_config = ConfigDict(extra="forbid")

    resource: _Text
    """Its name in the program."""
    changes: Annotated[list[_Text], Field(min_length=1)]
    """``create``, or paths of properties, each with all that is inside it."""
    reason: _Text

    def covers(self, change: str) -> bool:
        return any(self.meets(wanted, change) for wanted in self.changes)

    @staticmethod
    def meets(wanted: str, change: str) -> bool:
        rest = change.removeprefix(wanted)
        return change.startswith(wanted) and (not rest or _INSIDE.match(rest) is not None)


_LIST = TypeAdapter(list[Acceptance])


def read_accepted(file: Path | None) -> list[Acceptance]:
    """The list in a file; empty without one. Raises OpsError with every entry that is wrong."""
    if file is None:
        return []
    try:
        with file.open("rb") as stream:  # which gives errors the file's name
            found = _LIST.validate_python(yaml.safe_load(stream) or [])
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise OpsError(f"{file} is no YAML: {' '.join(str(error).split())}", ExitCode.USAGE) from None
    except ValidationError as error:
        problems = "".join(
            f"\n  {'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors(include_input=False)
        )
        raise OpsError(
            f"{file} is refused:{problems}\nExpected is a list, each entry with `resource`, `changes` and `reason`. "
            "Nothing was changed.",
            ExitCode.USAGE,
        ) from None
    missing = [entry.resource for entry in found if entry.reason == _REASON]
    if missing:
        raise OpsError(f"{file}: no reason is given for {', '.join(missing)}. Nothing was changed.", ExitCode.USAGE)
    return found


@dataclass(frozen=True)
class AcceptanceResult:
    """What a list says of the differences."""

    open: Mapping[str, Sequence[str]]
    """By resource, the changes that no entry accepts."""
    never: Sequence[str]
    """What no list can accept: replacements and deletions."""
    unused: Sequence[str]
    """What entries accept and does not differ."""


def judge(steps: Iterable[Step], accepted: Sequence[Acceptance]) -> AcceptanceResult:
    """``steps`` are those of the preview after the import."""
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
        f"{entry.resource}: {wanted}"
        for entry in accepted
        for wanted in entry.changes
        if not any(Acceptance.meets(wanted, change) for change in differences.get(entry.resource, ()))
    ]
    never = [f"{label(step.urn)}: {step.op}" for step in changed if step.op not in _ACCEPTABLE]
    return AcceptanceResult({name: changes for name, changes in undecided.items() if changes}, never, unused)


def _changes(step: Step) -> list[str]:
    if step.op == CREATE:
        return [CREATE]
    return [change.path for change in changes_of(step)] or list(step.diff_keys) or [step.op]


def _names(steps: Sequence[Step]) -> dict[str, str]:
    """By URN the name; with the type where two resources have the same."""
    count = Counter(step.name for step in steps)
    return {step.urn: step.name if count[step.name] == 1 else label(step.urn) for step in steps}


def as_list(undecided: Mapping[str, Sequence[str]]) -> str:
    """A list that would accept all of it, once each entry has a reason."""
    entries = [{"resource": name, "changes": list(changes), "reason": _REASON} for name, changes in undecided.items()]
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120).rstrip()
