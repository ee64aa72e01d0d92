"""What the command starts before it has read its command line."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from ops import prestart
from ops.cli import complete_group
from tests.support.environment import ROOT


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders: list[Path] = []
    monkeypatch.setattr(prestart, "start_ahead", lambda folder, _environ: folders.append(folder))
    return folders


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: small\n")
    return tmp_path


def test_it_knows_the_commands_that_run_the_program_first() -> None:
    running = {
        name
        for name, command in complete_group().commands.items()
        if not hasattr(command, "commands") and "runs_program=True" in inspect.getsource(command.callback)
    }
    assert running == prestart.PROGRAM_COMMANDS


@pytest.mark.parametrize("words", [["-C", "{}"], ["local", "--cwd", "{}"], ["--cwd={}", "local"]])
def test_the_project_is_where_the_command_line_says(project: Path, started: list[Path], words: list[str]) -> None:
    prestart.start_program(["up", *(word.format(project) for word in words)])
    assert started == [project]


def test_the_project_is_this_checkout_otherwise(started: list[Path]) -> None:
    prestart.start_program(["preview", "local"])
    assert started == [ROOT]


@pytest.mark.parametrize(
    "words", [[], ["status", "local"], ["up", "--help"], ["up", "-h"], ["up", "--cwd", "/nowhere"], ["destroy", "up"]]
)
def test_nothing_is_started_for_what_does_not_run_it(started: list[Path], words: list[str], tmp_path: Path) -> None:
    prestart.start_program(words)
    assert started == []
