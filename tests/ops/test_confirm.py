"""Questions at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from ops import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON

QUESTION = "Go on? [y/N] "
_ASKING = """
import sys
from ops.confirm import confirm
from ops.errors import OpsError
print("at work", flush=True)
with open(sys.argv[1]) as typed:
    typed.read()
try:
    confirm("Go on?")
except OpsError as error:
    sys.exit(error.code)
"""


@pytest.mark.parametrize(("answer", "status"), [("n", ExitCode.CANCELLED), ("y", ExitCode.OK)])
def test_what_was_typed_before_a_question_does_not_answer_it(answer: str, status: ExitCode) -> None:
    terminal, own = pty.openpty()
    typed, told = os.pipe()
    with subprocess.Popen(
        [REAL_PYTHON, "-c", _ASKING, f"/dev/fd/{typed}"],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdin=own,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[typed],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        os.write(terminal, b"y\ny\n")
        os.close(told)
        assert process.stdout.read(len(QUESTION)) == QUESTION
        os.write(terminal, f"{answer}\n".encode())
        assert process.wait(60) == status
    for descriptor in (typed, terminal, own):
        os.close(descriptor)


def test_a_command_that_has_changed_something_does_not_claim_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "_answer", lambda _question: "n")
    with pytest.raises(OpsError, match="nothing was changed"):
        confirm.confirm("Go on?")
    with pytest.raises(OpsError, match=r"^It goes on later$"):
        confirm.confirm("Go on?", "It goes on later")
