"""The command line: groups, help, examples, completion, version."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.__main__ import main
from ops.cli import COMMANDS, complete_group
from ops.exit_codes import ExitCode
from ops.reference import examples_of
from tests.support.environment import ROOT, clean_environment

GROUP = complete_group()


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


LEAVES = {" ".join(path): command for path, command in _commands(GROUP) if not hasattr(command, "commands")}
EXAMPLES = [example for _, command in _commands(GROUP) for example in examples_of(command)]


@pytest.mark.parametrize("name", LEAVES)
def test_each_command_has_examples_of_itself(name: str) -> None:
    examples = examples_of(LEAVES[name])
    assert examples
    assert all(f"{example} ".startswith(f"{name} ") for example in examples)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_parses(example: str) -> None:
    command: Any = GROUP
    words = shlex.split(example)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    command.make_context(example, words)


def test_the_help_lists_each_command_in_its_panel(capsys: pytest.CaptureFixture[str]) -> None:
    text = _help([], capsys)
    for panel, names in COMMANDS.items():
        section = text.split(f"\n{panel}:\n")[1].split("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines() if line[2] != " "] == list(names)


@pytest.mark.parametrize("words", [["up"], ["state"], ["state", "show"]])
def test_h_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = _help(words, capsys)
    assert text.startswith(f"Usage: snu {' '.join(words)}")


@pytest.mark.parametrize("width", [80, 150])
def test_help_is_as_wide_as_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    widest = max(map(len, _help(["up"], capsys).splitlines()))
    assert width * 0.8 < widest <= width


def test_defaults_in_seconds_are_shown_as_durations(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(_help(["up"], capsys).split())
    assert "[default: (10m)]" in text
    assert "[default: (0s)]" in text


def test_only_the_module_of_the_command_is_imported() -> None:
    code = (
        "import sys; sys.argv = ['snu', 'local', 'stop', '--help']; from ops.__main__ import main; main(); "
        "print(sorted(name for name in sys.modules if name.startswith(('ops.cli.', 'ops.commands.'))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert run.stdout.splitlines()[-1] == "['ops.cli.define', 'ops.cli.local', 'ops.cli.options']"


def test_a_similar_command_is_suggested(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["snu", "prevew"])
    assert main() == ExitCode.USAGE
    assert "Did you mean 'preview'" in capsys.readouterr().err


def test_the_version_names_the_commit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["snu", "--version"])
    assert main() == ExitCode.OK
    assert capsys.readouterr().out.startswith("snu 0.")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("snu up foundation-l", "foundation-local"),
        ("snu promote ci st", "stage"),
        ("snu diff main --stack lo", "local"),
    ],
)
def test_the_shell_completes_stacks(words: str, completed: str) -> None:
    assert completed in _completions(words)


def test_the_shell_completes_commands_and_options() -> None:
    assert {"plan", "plan-keys"} <= _completions("snu pl")
    assert "--lock-timeout" in _completions("snu up local --lock")


def test_the_stacks_of_another_project_are_completed(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: small\n")
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {}\n")
    assert _completions(f"snu up -C {tmp_path} m") == {"mine"}


def _help(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["snu", *words, "-h"])
        assert main() == ExitCode.OK
    return capsys.readouterr().out


def _completions(line: str) -> set[str]:
    variables = {"_SNU_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    run = subprocess.run(
        [sys.executable, "-m", "ops"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(**variables),
        check=False,
    )
    return {word for word in run.stdout.split("\n") if word}
