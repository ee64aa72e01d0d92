"""How the command ends."""

from __future__ import annotations

import sys

import pytest

from ops.__main__ import main
from ops.commands import local
from ops.errors import OpsError
from ops.exit_codes import ExitCode


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), ExitCode.CANCELLED, "Interrupted.\n"),
        (OpsError("It is broken.", ExitCode.LOCAL_CLOUD), ExitCode.LOCAL_CLOUD, "error: It is broken.\n"),
    ],
)
def test_every_end_has_its_status(
    error: BaseException,
    code: ExitCode,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(local, "env", fail)
    monkeypatch.setattr(sys, "argv", ["snu", "local", "env"])
    assert main() is code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("words", "problem", "command"),
    [
        (["xyzzy"], "No such command 'xyzzy'.", "scripts/snu"),
        (["up"], "Missing argument 'STACK'.", "scripts/snu up"),
        (["local", "logs", "--x"], "No such option: --x", "scripts/snu local logs"),
    ],
)
def test_a_wrong_command_line_is_one_error_and_the_help_to_read(
    words: list[str],
    problem: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["snu", *words])
    assert main() is ExitCode.USAGE
    assert capsys.readouterr().err == f"error: {problem}\nFor options and examples, run: {command} --help\n"
