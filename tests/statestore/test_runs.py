"""Two processes on one stack, paused and killed at random: nothing is lost, duplicated or overwritten."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_state.state_file import StateFile
from pulumi_state.store import Store
from tests.statestore import runs
from tests.support.environment import clean_environment
from tests.support.forks import REAL_PYTHON

EVENTS = 20
_STUCK_SECONDS = 5.0


class Run:
    """One of the two processes; a new one replaces it when it is killed."""

    def __init__(self, address: str, log: Path, silent_after: float) -> None:
        self._command = [REAL_PYTHON, "-m", "tests.statestore.runs", address, str(log)]
        self._environment = clean_environment(SILENT_AFTER=str(silent_after))
        self.log = log
        self.paused = False
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, env=self._environment)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.paused = False

    @property
    def words(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.mark.parametrize("address", ["folder", "bucket", "database"], indirect=True)
def test_nothing_is_lost_doubled_or_overwritten(address: str, opened: Callable[[str], Store], tmp_path: Path) -> None:
    choose = random.Random(17)
    both = [Run(address, tmp_path / f"log-{name}", silent_after=0.4) for name in ("one", "other")]
    try:
        for _ in range(EVENTS):
            run = choose.choice(both)
            if choose.random() < 0.2:
                run.kill()
                run.start()
            elif run.paused:
                run.resume()
            else:
                run.pause()
            _let_them_work(both, choose.randrange(1, 6))
    finally:
        for run in both:
            run.kill()
    state = runs.words_of(StateFile(opened(address), *runs.STACK))
    written = [word for run in both for word in run.words]
    assert len(written) > EVENTS
    assert all(run.words for run in both)
    assert len(set(state)) == len(state)
    assert set(written) <= set(state)


def _let_them_work(both: list[Run], words: int) -> None:
    """Until so many more words are written. Where nobody can, all go on: both are paused, or one is that just wrote."""
    before = sum(len(run.words) for run in both)
    deadline = time.monotonic() + _STUCK_SECONDS
    while sum(len(run.words) for run in both) < before + words:
        if all(run.paused for run in both) or time.monotonic() > deadline:
            for run in both:
                run.resume()
        time.sleep(0.005)
