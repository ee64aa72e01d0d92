"""The signals that ask a run to end."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_state.signals import handled, interrupt
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@given(st.lists(st.sampled_from(SIGNALS[:2]), max_size=6))
def test_the_first_cancels_and_only_a_later_ctrl_c_ends(sent: list[signal.Signals]) -> None:
    got: list[str] = []
    before = [signal.getsignal(each) for each in SIGNALS]
    with handled(lambda: got.append("first"), lambda: got.append("second")):
        for each in sent:
            signal.raise_signal(each)
    assert got == ["first"] * bool(sent) + ["second"] * sent[1:].count(signal.SIGINT)
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with handled(interrupt, interrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), handled(interrupt, interrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_handles_none() -> None:
    def work() -> None:
        with handled(interrupt, interrupt):
            assert signal.getsignal(signal.SIGTERM) == before

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


_CLOSED_TERMINAL = """
import os, pty, signal, sys
from pulumi_state.signals import handled
terminal, own = pty.openpty()
for descriptor in (0, 1, 2):
    os.dup2(own, descriptor)
os.close(own)
os.close(terminal)
said = []
with handled(lambda: said.append("first"), lambda: said.append("second")):
    try:
        os.write(1, b"lost")
    except OSError:
        said.append("refused")
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    print("nobody reads this", flush=True)
sys.exit(said != ["refused", "first"])
"""


def test_a_closed_terminal_is_left() -> None:
    """It would refuse every write of what the run still does."""
    environment = clean_environment(PYTHONPATH=str(ROOT))
    assert subprocess.run([REAL_PYTHON, "-c", _CLOSED_TERMINAL], env=environment).returncode == 0
