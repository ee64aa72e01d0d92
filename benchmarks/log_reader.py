"""``snu logs``: many lines at once, and following lines that are written all the time, some of which arrive late."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Samples, Session
from tests.lab.project import Project, copy_project
from tests.support.environment import clean_environment
from tests.support.forks import REAL_PYTHON
from tests.support.local_scaleway import Client
from tests.support.site import CockpitLogs

_PAST = 30_000
_SECONDS, _LINES_A_SECOND = 60, 1_000
_TICK = 0.1
_LATE_TICKS, _LATE_EVERY = 100, 50
"""Every so many lines arrive that many ticks late."""
_WAIT_SECONDS = 60.0
_CONTAINERS = "/containers/v1/regions/fr-par"
_NUMBER = re.compile(rb" line (\d+)$")


@dataclass
class Reader:
    """A project with one container, whose logs the command reads."""

    project: Project
    api: Client
    logs: CockpitLogs
    id: str

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Reader]:
        with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder:
            project = copy_project(Path(folder) / "project")
            project.start_cloud()
            try:
                api = project.client
                namespace = api.create(f"{_CONTAINERS}/namespaces", name="bench")["id"]
                body = {"namespace_id": namespace, "name": "local-api", "image": "registry/x:1"}
                yield cls(project, api, CockpitLogs.of(api), api.create(f"{_CONTAINERS}/containers", **body)["id"])
            finally:
                project.stop_cloud()

    def add(self, lines: list[tuple[int, int]]) -> None:
        """Add lines, given as pairs of time and number."""
        for first in range(0, len(lines), 5_000):
            some = [{"text": f"line {number}", "time": time} for time, number in lines[first : first + 5_000]]
            self.api("POST", f"/_local/containers/{self.id}/logs", {"lines": some})

    def command(self, *arguments: str, output: int) -> subprocess.Popen[bytes]:
        environ = clean_environment(SNU_LOGS_URL=self.logs.url, SNU_LOGS_TOKEN=self.logs.token)
        command = [REAL_PYTHON, "-m", "ops", "logs", "api", *arguments, "-C", str(self.project.directory)]
        return subprocess.Popen(command, env=environ, stdout=output, cwd=self.project.directory)


def run(session: Session) -> None:
    with Reader.opened() as reader:
        _past(reader, session)
    with Reader.opened() as reader:
        _follow(reader, session)


def _past(reader: Reader, session: Session) -> None:
    """``--since 1h``: the time to the first line, and to the last."""
    count = session.size(_PAST, 2_000)
    now = time.time_ns()
    span = 3_000 * 1_000_000_000
    reader.add([(now - span + number * (span // count), number) for number in range(count)])
    first, whole = Samples(), Samples()
    for counts in session.turns():
        started = time.perf_counter()
        with reader.command("--since", "1h", output=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            until_first = time.perf_counter() - started
            lines = 1 + sum(1 for _ in process.stdout)
        assert process.returncode == 0
        assert lines == count, f"{lines} of {count} lines"
        if counts:
            first.add(until_first)
            whole.add(time.perf_counter() - started)
    print(f"snu logs --since 1h, {count} lines: the first after {first.median:.2f} s, all after {whole.median:.2f} s")


def _follow(reader: Reader, session: Session) -> None:
    """``--follow``: lines lost or printed twice, and memory."""
    seconds = session.size(_SECONDS, 3)
    with tempfile.TemporaryFile() as output:
        process = reader.command("--follow", "--since", "1s", output=output.fileno())
        sent, memory = _write(reader, process.pid, seconds)
        deadline = time.monotonic() + _WAIT_SECONDS
        while _lines(output.fileno()) < sent and time.monotonic() < deadline:
            time.sleep(0.5)
        process.terminate()
        process.wait()
        output.seek(0)
        printed = Counter(int(match[1]) for line in output.read().splitlines() if (match := _NUMBER.search(line)))
    lost, twice = sent - len(printed), sum(count - 1 for count in printed.values())
    late = sent // _LATE_EVERY
    print(f"snu logs --follow, {sent} lines in {seconds} s, {late} of them late: {lost} lost, {twice} printed twice")
    if memory:
        quarter = max(1, len(memory) // 4)
        parts = [
            max(memory[first : first + quarter]) // 1024 for first in range(0, 4 * quarter, quarter) if memory[first:]
        ]
        print(f"  memory (RSS), largest in each quarter of the time: {', '.join(map(str, parts))} MB")


def _write(reader: Reader, pid: int, seconds: int) -> tuple[int, list[int]]:
    """Write lines for some seconds; returns their number, and the command's memory each second."""
    time.sleep(2.0)  # the command has started
    size = int(_LINES_A_SECOND * _TICK)
    ticks, sent, memory = int(seconds / _TICK), 0, list[int]()
    late: list[tuple[int, list[tuple[int, int]]]] = []
    started = time.monotonic()
    for tick in range(ticks + _LATE_TICKS):
        now = time.time_ns()
        lines = [(now + number * 1_000, sent + number) for number in range(size)] if tick < ticks else []
        sent += len(lines)
        late.append((tick + _LATE_TICKS, lines[::_LATE_EVERY]))
        arriving = [line for due, some in late if due == tick for line in some]
        late = [item for item in late if item[0] > tick]
        in_time = [line for index, line in enumerate(lines) if index % _LATE_EVERY]
        if in_time or arriving:
            reader.add(in_time + arriving)
        if tick % 10 == 0 and tick < ticks:
            memory += _resident(pid)
        time.sleep(max(0.0, started + (tick + 1) * _TICK - time.monotonic()))
    return sent, memory


def _resident(pid: int) -> list[int]:
    """The process's memory in KB; nothing where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return []
    return [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]


def _lines(file: int) -> int:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0).count(b"\n")
