"""What ``snu diff`` of all stacks takes beside one preview: wall time, and processor time of all that it starts."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.local import apply, snu
from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.project import Project
from tests.lab.repository import make_repository

_SETTINGS = ("Pulumi.stage.yaml", "host: admin.beta-snu.dev", "host: console.beta-snu.dev")
_PROGRAM = ("infra/components/containers.py", "_RECORD_TTL = 3600", "_RECORD_TTL = 1800")
_TARGET = Target(1.5)


def diff(project: Project, revisions: str, expected: str) -> None:
    ended = project.snu("diff", revisions)
    if ended.returncode != 0 or expected not in ended.stdout:
        raise SystemExit(f"snu diff {revisions} failed:\n{ended.stdout}{ended.stderr}")


class Spent:
    """Wall and processor time of one thing."""

    def __init__(self) -> None:
        self.wall, self.processor = Samples(), Samples()

    def time(self, work: Callable[..., object], *arguments: object) -> None:
        before = _processor_seconds()
        self.wall.time(work, *arguments)
        self.processor.add(_processor_seconds() - before)

    def beside(self, other: Spent, name: str) -> list[Ratio]:
        return [
            Ratio(name, self.wall, other.wall, _TARGET),
            Ratio("  processor time", self.processor, other.processor, _TARGET),
        ]


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(session: Session) -> None:
    previews, of_program, of_settings = Spent(), Spent(), Spent()
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        repository = make_repository(Path(name) / "project")
        project = repository.project
        repository.edit(*_PROGRAM)
        program = repository.commit("records for half an hour")
        repository.edit(*_SETTINGS)
        settings = repository.commit("another host")
        project.start_cloud(transitions=0.0)
        try:
            for stack in ("foundation-local", "local"):
                apply(project, stack)
            if not session.smoke:
                diff(project, f"base..{settings}", "ttl: 3600 → 1800")
            for _ in range(session.rounds):
                previews.time(snu, project, "preview", "local")
                of_program.time(diff, project, f"base..{program}", "ttl: 3600 → 1800")
                of_settings.time(diff, project, f"{program}..{settings}", "console.beta-snu.dev")
        finally:
            project.stop_cloud()
    ratios = [
        *of_program.beside(previews, "diff of all 8 stacks, program changed / preview of local"),
        *of_settings.beside(previews, "diff of all 8 stacks, settings changed / preview of local"),
    ]
    print_table(ratios, "snu diff", "preview")
