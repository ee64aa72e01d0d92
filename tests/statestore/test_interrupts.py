"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_state.signals import handle_signals, raise_keyboard_interrupt
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@given(st.lists(st.sampled_from(SIGNALS[:2]), max_size=6))
def test_the_first_cancels_and_only_a_later_ctrl_c_ends(sent: list[signal.Signals]) -> None:
    got: list[str] = []
    before = [signal.getsignal(each) for each in SIGNALS]
    with handle_signals(lambda: got.append("first"), lambda: got.append("second")):
        for each in sent:
            signal.raise_signal(each)
    assert got == ["first"] * bool(sent) + ["second"] * sent[1:].count(signal.SIGINT)
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_handle_no_signals() -> None:
    def work() -> None:
        with handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
            assert signal.getsignal(signal.SIGTERM) == before

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


_CLOSED_TERMINAL = """
import os, pty, signal, sys
from pulumi_state.signals import handle_signals
terminal, own = pty.openpty()
for descriptor in (0, 1, 2):
    os.dup2(own, descriptor)
os.close(own)
os.close(terminal)
calls = []
with handle_signals(lambda: calls.append("first"), lambda: calls.append("second")):
    try:
        os.write(1, b"lost")
    except OSError:
        calls.append("write failed")
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    print("nobody reads this", flush=True)
sys.exit(calls != ["write failed", "first"])
"""


def test_standard_streams_leave_a_closed_terminal() -> None:
    """Otherwise every later write would fail."""
    environment = clean_environment(PYTHONPATH=str(ROOT))
    assert subprocess.run([REAL_PYTHON, "-c", _CLOSED_TERMINAL], env=environment).returncode == 0
