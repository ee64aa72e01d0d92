"""The files that tests and checks read."""

from __future__ import annotations

from pathlib import Path

from tests.support.environment import ROOT
from tests.support.source_files import source_files


def test_generated_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "a/page.md", "venv/d.py", "a/.cache/e.py", "node_modules/f/g.py", "sdks/h.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in source_files(tmp_path)] == ["b.py", "a/c.py"]
    assert [path.name for path in source_files(tmp_path, "*.md")] == ["page.md"]


def test_nothing_walks_the_program_by_itself() -> None:
    """`pulumi package add` leaves an environment with thousands of modules in infra/components."""
    walkers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("tests", "benchmarks")
        for path in source_files(ROOT / folder)
        if '.rglob("*.py")' in path.read_text(encoding="utf-8") and path != Path(__file__)
    ]
    assert walkers == []
