"""What safety costs: plan and apply beside a plain preview and up, of the same kind of change."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.planning import STACK, PlanLab

_TARGET = Target(1.3)
_SIZES = itertools.count(513)
"""Memory of an app in MB: each change needs another one."""


def run(session: Session) -> None:
    rows = [row for engine in session.engines() for row in _measure(engine, session)]
    print_table(rows, "plan+apply", "preview+up")
    print("preview+up: `snu preview` and `snu up`, which previews once more before it applies, as `pulumi up` does.")


def _measure(engine: str, session: Session) -> list[Ratio]:
    safe, plain = Samples(), Samples()
    with (
        tempfile.TemporaryDirectory(prefix="snu-bench-") as name,
        PlanLab.prepared(Path(name), engine) as lab,
    ):
        lab.begin()
        for counts in session.turns():
            for work, samples in ((_plain, plain), (_safe, safe)):
                _change(lab)
                (samples if counts else Samples()).time(work, lab)
    return [Ratio(f"change of one app, engine {engine}", safe, plain, _TARGET)]


def _change(lab: PlanLab) -> None:
    size = next(_SIZES)
    lab.edit(lambda config: config["snu:apps"]["api"].update(memory=size))
    lab.commit()


def _plain(lab: PlanLab) -> None:
    lab.ok("preview", STACK)
    lab.ok("up", STACK, "--yes")


def _safe(lab: PlanLab) -> None:
    lab.make_plan(lab.directory / "change.plan")
    applied = lab.apply(lab.directory / "change.plan")
    if applied.returncode != 0:
        raise SystemExit(f"snu apply failed:\n{applied.stdout}{applied.stderr}")
