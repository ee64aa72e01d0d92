"""Runs ``snu drift`` and looks whether it left everything as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab

Document = dict[str, Any]


@contextmanager
def unchanged(lab: Lab) -> Iterator[None]:
    """What the block does writes nothing: not into a state or beside it, and not into the cloud."""
    files, journal = _files(lab), len(lab.journal())
    yield
    assert _files(lab) == files
    assert len(lab.journal()) == journal


def _files(lab: Lab) -> dict[Path, tuple[bytes, int]]:
    """The stores of the local stacks, and the stacks' files, with the time when each was last written."""
    there = [*(lab.project.directory / ".local/state").rglob("*"), *lab.project.directory.glob("Pulumi.*")]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in there if path.is_file()}


def look(lab: Lab, *words: str, expect: ExitCode | None = None, **environment: str) -> dict[str, Document]:
    """What was found, by stack."""
    with unchanged(lab):
        run = lab.project.snu("drift", *words, "--json", **environment)
    text = run.stdout + run.stderr
    assert "Traceback" not in text, text
    document = json.loads(run.stdout)
    found = {each["stack"]: each for each in document["stacks"]}
    if expect is None:
        problems = any(each["problems"] for each in found.values())
        findings = any(each["findings"] for each in found.values())
        assert not problems, text
        unreachable = any("has no state in" not in reason for reason in document["skipped"].values())
        complete = ExitCode.DRIFT if findings else ExitCode.OK
        assert run.returncode == (ExitCode.INCOMPLETE if unreachable else complete), text
    else:
        assert run.returncode == expect, text
    return found


def check_clean(lab: Lab, *stacks: str) -> None:
    """These stacks were looked at, whatever else was, and nothing of any is drift."""
    found = look(lab)
    assert {*stacks} <= found.keys(), found.keys()
    left = {name: each["findings"] for name, each in found.items() if each["findings"]}
    assert left == {}, left


def findings(found: Document) -> list[tuple[str, str]]:
    """Kind and name."""
    return [(each["kind"], each["name"]) for each in found["findings"]]
