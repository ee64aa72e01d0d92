"""A stack that is named in the wrong place: the message contains the right command, for every command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ops.__main__ import main
from ops.cli import complete_group
from ops.exit_codes import ExitCode


class Case(NamedTuple):
    """A command with an argument beside its stack."""

    name: str
    arguments: tuple[str, ...]
    """The names of its arguments, except for the stack's."""
    is_option: bool
    """Whether the stack is an option."""
    options: tuple[str, ...]
    """Those that the command requires."""


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _cases() -> Iterator[Case]:
    for name, command in _commands(complete_group()):
        arguments = [each.metavar for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        is_option = any("--stack" in each.opts for each in options)
        others = tuple(each for each in arguments if each != "STACK")
        required = [word for each in options if each.required for word in (each.opts[0], "x")]
        if is_option or (others != tuple(arguments) and others and name != "secrets compare"):  # of two stacks
            yield Case(name, others, is_option, tuple(required))


CASES = [*_cases()]


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["snu", *words])
    assert main() == ExitCode.USAGE
    return capsys.readouterr().err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_contains_the_right_command(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [f"other-{number}" for number, _ in enumerate(case.arguments)]
    words = ["local", *others] if case.is_option else [*others, "local"]
    right = [*others, "--stack", "local"] if case.is_option else ["local", *others]
    text = refused(monkeypatch, capsys, *case.name.split(), *words, *case.options)
    assert text.endswith(f" local is a stack. Run: scripts/snu {' '.join((case.name, *right))}\n")


def test_the_cases_are_those_of_the_commands() -> None:
    assert {"redeploy", "unprotect", "outputs", "secrets get", "secrets set", "keys revoke"} <= {
        each.name for each in CASES if not each.is_option
    }
    assert {"logs", "open", "apply", "job run", "job stop", "hotfix build"} <= {
        each.name for each in CASES if each.is_option
    }


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        ("redeploy api tasks local --yes", "Run: scripts/snu redeploy local api tasks\n"),
        ("logs local api --lines 5", "Run: scripts/snu logs api --stack local\n"),
        ("logs api local", "Run: scripts/snu logs api --stack local\n"),
        ("logs local", "Run: scripts/snu logs APP --stack local\n"),
        ("job run stage --wait", "Run: scripts/snu job run JOB --stack stage\n"),
        ("open local --print", "Run: scripts/snu open APP --stack local\n"),
        ("job stop 3f6d nightly stage", "Run: scripts/snu job stop 3f6d nightly --stack stage\n"),
        ("diff production stage", "Run: scripts/snu diff production --stack stage\n"),
        ("secrets import '' local", "Run: scripts/snu secrets import local ''\n"),
    ],
)
def test_other_arguments_stay(
    words: str, ending: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(monkeypatch, capsys, *(word.replace("''", "") for word in words.split()))
    assert text.endswith(ending)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("redeploy api tasks", "error: There is no stack 'api': "),
        ("secrets compare apy stage", "error: There is no stack 'apy': "),
        ("promote apy stage", "error: "),
        ("up api local", "error: Expected STACK, found api local."),
        ("logs api admin", "error: Expected APP|JOB, found api admin.\n"),
        ("job list api", "error: Expected no arguments, found api.\n"),
        ("open nope", "error: Pulumi.local.yaml has no app nope. Apps: "),
    ],
)
def test_without_a_misplaced_stack_there_is_no_such_command(
    words: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(monkeypatch, capsys, *words.split())
    assert text.startswith(expected)
    assert "is a stack" not in text


def test_a_value_that_was_given_as_an_argument_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("MONGO_URL", "stage", "hush-hush"), ("MONGO_URL", "hush-hush"), ("MONGO_URL=hush-hush", "stage")):
        assert "hush-hush" not in refused(monkeypatch, capsys, "secrets", "set", *words)
