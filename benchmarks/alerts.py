"""Crash alerts: from a crash to its message, counted in intervals; and what a flood of crashes comes to.

The job runs as a process of Node against the local Scaleway, as its definition there says, at intervals that are
shorter than the platform's in the same proportion as the time that lines may be late.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.alerting import Alerting
from tests.lab.lab import Lab
from tests.support.apps.workspace import APPS, Workspace, install_packages
from tests.support.slack import Slack

_INTERVAL_SECONDS, _SHORT_INTERVAL_SECONDS = 10.0, 2.0
_LATE_SECONDS = 1
"""As 30 s are to five minutes."""
_CRASHES_A_ROUND = 4
_FLOOD = 10_000
_MINUTE = 60_000_000_000
_NAME_WIDTH = 58


def run(session: Session) -> None:
    seconds = _SHORT_INTERVAL_SECONDS if session.smoke else _INTERVAL_SECONDS
    crashes, flood = session.size(_CRASHES_A_ROUND, 1), session.size(_FLOOD, 100)
    with _alerting() as alerting:
        delays = [delay for _ in range(session.rounds) for delay in _delays(alerting, crashes, seconds)]
        interval = Samples([seconds])
        print_table(
            [
                Ratio("from a crash to its message, median", Samples(delays), interval, Target(2)),
                Ratio("from a crash to its message, the longest", Samples([max(delays)]), interval, Target(2)),
            ],
            "this",
            "interval",
        )
        memory = {name: Samples() for name in ("quiet", "same", "distinct")}
        for _ in range(session.rounds):
            for name, kinds in (("quiet", 0), ("same", 1), ("distinct", flood)):
                messages, peak = _flood(alerting, flood, kinds)
                memory[name].add(peak)
                if kinds:
                    told = f"{messages} messages at once, {len(alerting.slack.messages)} with the next run's"
                    print(f"{f'{flood} crashes in a minute, {name}':<{_NAME_WIDTH}}  {told}", flush=True)
    print_table(
        [
            Ratio(f"peak memory, {flood} crashes of {kind} kind beside none", memory[name], memory["quiet"], Target(3),
                  "MB", 0)
            for name, kind in (("same", "one"), ("distinct", "its own"))
        ],
        "this",
        "none",
    )  # fmt: skip


def _delays(alerting: Alerting, crashes: int, interval: float) -> Iterator[float]:
    """Seconds from a crash to its message, at moments that have nothing to do with the job's."""
    alerting.forget()
    begun = time.monotonic()
    chance = random.Random(crashes)
    moments = sorted(chance.uniform(0, crashes * interval) for _ in range(crashes))
    crashed: dict[str, float] = {}
    running: list[subprocess.Popen[str]] = []
    starts = 1
    while moments or crashed:
        now = time.monotonic() - begun
        if moments and now >= moments[0]:
            word = "abcdefgh"[len(moments)] * 8
            alerting.crash(word)
            crashed[word] = time.monotonic()
            moments.pop(0)
        if now >= starts * interval:
            running.append(alerting.start(SETTLE_SECONDS=str(_LATE_SECONDS)))
            starts += 1
        told = "".join(alerting.slack.texts)
        for word in [word for word in crashed if word in told]:
            yield time.monotonic() - crashed.pop(word)
        time.sleep(0.02)
    for process in running:
        process.communicate()


def _flood(alerting: Alerting, crashes: int, kinds: int) -> tuple[int, float]:
    """Messages of the run that sees it, and the run's peak memory in MB. Another run follows."""
    alerting.forget_lines()
    alerting.forget()
    now = time.time_ns()
    alerting.change_state(cursor=str(now - _MINUTE))
    if kinds:
        lines = [_words(number % kinds) for number in range(crashes)]
        alerting.crashes(lines, at=now - _MINUTE, apart=_MINUTE // crashes)
    peak = _peak_of_a_run(alerting)
    messages = len(alerting.slack.messages)
    alerting.run()
    return messages, peak


def _words(number: int) -> str:
    """A message of its own: numbers would count as the same one."""
    return "cannot " + "".join(chr(ord("k") + int(digit)) for digit in str(number)) + " " + "x" * 500


def _peak_of_a_run(alerting: Alerting) -> float:
    """In MB. Looked at all the time: what the kernel says at the end counts the process that forked it too."""
    process = alerting.start()
    status, peak = Path(f"/proc/{process.pid}/status"), 0.0
    while process.poll() is None:
        if found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
            peak = int(found[1]) / 1024
        time.sleep(0.005)
    said = process.communicate()
    assert process.returncode == 0, said
    return peak


@contextmanager
def _alerting() -> Iterator[Alerting]:
    """A platform on a local Scaleway, whose alerts come to a stand-in of Slack."""
    with (
        tempfile.TemporaryDirectory(prefix="snu-bench-") as folder,
        Slack() as slack,
        Lab.running(Path(folder) / "project") as lab,
    ):
        workspace = Workspace(Path(folder) / "apps")
        shutil.copytree(APPS, workspace.folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
        install_packages(workspace.folder, "ci", "--omit=dev")
        lab.up_ok("foundation-local")
        lab.up_ok("local")
        alerting = Alerting(lab, workspace, slack, Path(folder))
        alerting.prepare()
        alerting.run()
        yield alerting
