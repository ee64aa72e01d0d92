"""The same change planned and done by both engines from the same state and cloud: what they do differently.

Compared are, for a plan and for what is done: each resource's operations with their differences by property path and
the properties that replace; the numbers of changes. For what is done also the writing requests that the local
Scaleway got, and what it holds in the end. The real CLI and the real provider are the measure.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.lab.pair import Pair
from tests.support.pulumi_cli import Driver, Run

KNOWN_DIFFERENCES: dict[str, tuple[str, set[str]]] = {
    "protected removed": (
        "Both refuse and touch nothing. In an update the CLI has announced the step by then, the embedded engine has "
        "not; in a preview the embedded engine counts the refused deletion, the CLI does not.",
        {"planned summary", "done guarded"},
    ),
    "protected destroyed": (
        "Deliberate: the embedded engine refuses to destroy a stack with a protected resource before it deletes "
        "anything, and names the setting. The CLI deletes all that is not protected, and fails then.",
        {"planned *", "done *", "requests", "cloud"},
    ),
    "half done, e2e-third-namespace": (
        "The CLI deletes once more what it had deleted when the replacement failed. The provider takes a container "
        "that is gone for an error, so that the update fails; only a refresh helps. The embedded engine goes on.",
        {"pulumi fails", "done *", "requests", "cloud"},
    ),
}
"""By case: why the engines differ, and in what, as shell patterns.

It may only shrink: what is not needed any more fails the test.
"""

_RANDOM = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<key>SCW[A-Z0-9]{17})"
    r"|(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z?)"
    r"|(?P<hash>\$argon2id\$[^\"]+)"
    r"|(?P<host>[0-9a-f]{8}(?=-[a-z0-9-]+\.functions\.))"
)
"""Values that are random for each resource."""

_SETS = frozenset({"permission_set_names", "scopes"})
"""Lists of the API whose order says nothing: the provider fills them from sets and maps, the scopes at random."""


@dataclass(frozen=True)
class Operation:
    """What an engine is asked for: first what it would do, then to do it."""

    plan: Callable[[Driver, str], Run]
    perform: Callable[[Driver, str], Run]


UP = Operation(lambda engine, stack: engine.preview(stack), lambda engine, stack: engine.up(stack))
DESTROY = Operation(lambda engine, stack: engine.preview_destroy(stack), lambda engine, stack: engine.destroy(stack))


@dataclass(frozen=True)
class _Attempt:
    """What one engine planned and did, and the result."""

    planned: Run
    done: Run
    requests: list[str]
    held: list[str]


def compare(
    pair: Pair, stack: str, before: Path, operation: Operation = UP, *, ok: bool = True, settles: bool = True
) -> dict[str, str]:
    """By what differs, how.

    Both engines have to succeed, or both to fail where not ``ok``; afterwards nothing has to be left to do, or
    something where it never ``settles``.
    """
    real, embedded = (_attempt(pair, engine, stack, before, operation, settles) for engine in (pair.cli, pair.embedded))
    found = {
        f"{engine} {'succeeds' if attempt.done.ok else 'fails'}": attempt.done.text
        for engine, attempt in (("pulumi", real), ("embedded", embedded))
        if attempt.done.ok != ok
    }
    if real.planned.ok != embedded.planned.ok:
        found["planned outcome"] = f"pulumi:\n{real.planned.text}\nembedded:\n{embedded.planned.text}"
    found |= {f"planned {name}": text for name, text in _differences(real.planned, embedded.planned).items()}
    found |= {f"done {name}": text for name, text in _differences(real.done, embedded.done).items()}
    found |= _uneven("requests", real.requests, embedded.requests)
    return found | _uneven("cloud", real.held, embedded.held)


def judge(case: str, found: dict[str, str]) -> None:
    """Fails for what is not in the table, and for what is in the table without need."""
    _reason, known = KNOWN_DIFFERENCES.get(case, ("", set()))
    matched = {name: {pattern for pattern in known if fnmatch(name, pattern)} for name in found}
    assert all(matched.values()), "\n".join(f"{name}\n{found[name]}" for name in found if not matched[name])
    needless = known.difference(*matched.values())
    assert not needless, f"no difference any more, take it out of the table: {needless}"


def _attempt(pair: Pair, engine: Driver, stack: str, before: Path, operation: Operation, settles: bool) -> _Attempt:
    pair.load(before)
    with pair.cloud():
        earlier = _requests(pair)
        planned = operation.plan(engine, stack)
        assert _requests(pair) == earlier, f"the plan of {engine.name} has written"
        done = operation.perform(engine, stack)
        attempt = _Attempt(planned, done, sorted((_requests(pair) - earlier).elements()), _held(pair))
        if done.ok:  # the embedded engine is the faster one to ask; the real one is asked elsewhere
            again = operation.plan(pair.embedded, stack)
            assert settles != bool(again.changed), f"after {engine.name}: {[str(step) for step in again.changed]}"
    return attempt


def _differences(real: Run, embedded: Run) -> dict[str, str]:
    """By the resource's name, what the engines do differently."""
    ours, theirs = embedded.steps_by_urn(), real.steps_by_urn()
    found = {}
    for urn in sorted(ours.keys() | theirs.keys()):
        if ours.get(urn) != theirs.get(urn):
            lines = [f"  pulumi   {step}" for step in theirs.get(urn, [])]
            lines += [f"  embedded {step}" for step in ours.get(urn, [])]
            found[urn.rpartition("::")[2]] = "\n".join([urn, *lines])
    if not found and dict(real.changes) != dict(embedded.changes):
        found["summary"] = f"pulumi {dict(real.changes)}, embedded {dict(embedded.changes)}"
    return found


def _uneven(what: str, real: list[str], embedded: list[str]) -> dict[str, str]:
    lines = list(unified_diff(real, embedded, "pulumi", "embedded", lineterm="", n=2))
    return {what: "\n".join(lines)} if lines else {}


def _requests(pair: Pair) -> Counter[str]:
    """The writing requests so far, without what differs between two runs anyway."""
    return Counter(_steady(f"{entry['method']} {entry['path']} {entry['status']}") for entry in pair.journal())


def _held(pair: Pair) -> list[str]:
    """The lines of the cloud's resources, without what differs between two runs anyway."""
    held = pair.ask("GET", "/_local/resources")
    texts = (
        _steady(f"{kind} {json.dumps(_ordered(resource), indent=1, sort_keys=True)}")
        for kind, resources in held.items()
        for resource in resources
    )
    return [line for text in sorted(texts) for line in text.splitlines()]


def _ordered(value: Any) -> Any:
    """With the sets in it in one order."""
    match value:
        case dict():
            return {
                name: sorted(item) if name in _SETS and isinstance(item, list) else _ordered(item)
                for name, item in value.items()
            }
        case list():
            return [_ordered(item) for item in value]
    return value


def _steady(text: str) -> str:
    return _RANDOM.sub(lambda match: str(match.lastgroup), text)
