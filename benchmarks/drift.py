"""A look for drift of all local stacks beside a preview with a refresh of each, which is one way to see it without."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.lab import Lab

_STACKS = ("foundation-local", "local")
_TARGET = Target(1.0)


def run(session: Session) -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name, Lab.running(Path(name) / "project") as lab:
        for stack in _STACKS:
            lab.up_ok(stack)
        for engine in session.engines():
            drift, previews = Samples(), Samples()
            for counts in session.turns():
                (drift if counts else Samples()).time(_snu, lab, engine, "drift", *_STACKS)
                (previews if counts else Samples()).time(_previews, lab, engine)
            rows.append(Ratio(f"engine {engine}: {' and '.join(_STACKS)}", drift, previews, _TARGET))
    print_table(rows, "drift", "previews")
    print("previews: `snu preview --refresh` of each. `snu drift` runs no program, and lists what no state knows.")


def _previews(lab: Lab, engine: str) -> None:
    for stack in _STACKS:
        _snu(lab, engine, "preview", stack, "--refresh")


def _snu(lab: Lab, engine: str, *words: str) -> None:
    ended = lab.project.snu(*words, "--engine", engine, PULUMI_HOME=str(lab.project.directory / ".pulumi-home"))
    if ended.returncode != 0:
        raise SystemExit(f"snu {' '.join(words)} failed:\n{ended.stdout}{ended.stderr}")
