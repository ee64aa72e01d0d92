"""What starts the api: ``node`` alone beside npm → turbo → PM2, as the original's container did.

Both start the same api from the same folder, and are ready when ``/health/startup`` answers 200. Memory is the
proportional set size of all processes, half a second after that.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.support.apps.node import NODE, NPM, make_programs
from tests.support.apps.workspace import APPS, install_packages
from tests.support.base_images import node_image, runtime_image
from tests.support.docker import Engine, running_engine
from tests.support.ports import free_port

_SOONER = Target(10, at_least=True)
_LIGHTER = Target(3, at_least=True)

_TURBO, _PM2 = "2.11.11", "7.0.4"
_MARK = "SNU_BENCHMARK_RUN"
_START_SECONDS = 120.0
_STEP_SECONDS = 0.002
_SETTLE_SECONDS = 0.5

_VARIABLES = {
    "ADMIN_URL": "http://admin.localhost",
    "APP_URL": "http://app.localhost",
    "TURBO_TELEMETRY_DISABLED": "1",
    "DO_NOT_TRACK": "1",
}
# The size of the api's container in Pulumi.stage.yaml and before.
_PROCESSORS, _MEMORY = 0.768, "1024m"


@dataclass(frozen=True)
class Started:
    """One start: seconds to the first answer, and what tells the processes that run then."""

    seconds: float
    own_seconds: float
    pids: Callable[[], list[int]]


@dataclass
class Spent:
    """What one way of starting takes."""

    seconds: Samples = field(default_factory=Samples)
    own_seconds: Samples = field(default_factory=Samples)
    """Of a container: without what the engine takes before it starts the first process."""
    megabytes: Samples = field(default_factory=Samples)
    processes: Samples = field(default_factory=Samples)

    def add(self, started: Started) -> None:
        self.seconds.add(started.seconds)
        self.own_seconds.add(started.own_seconds)
        pids = started.pids()
        self.megabytes.add(sum(_proportional_megabytes(pid) for pid in pids))
        self.processes.add(len(pids))

    def beside(self, other: Spent, where: str, own: str = "") -> list[Ratio]:
        return [
            Ratio(f"start to first answer, {where}", self.seconds, other.seconds, _SOONER),
            *([Ratio(own, self.own_seconds, other.own_seconds, _SOONER)] if own else []),
            Ratio("  memory", self.megabytes, other.megabytes, _LIGHTER, unit="MB", digits=0),
            Ratio("  processes", self.processes, other.processes, unit="", digits=0),
        ]


def run(session: Session) -> None:
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        folder = Path(name) / "apps"
        _lay_out(folder)
        make_programs(folder.parent / "bin")
        rows = _as_processes(folder, session)
        try:
            with running_engine() as engine:
                rows += _as_containers(engine, folder, session)
        except pytest.skip.Exception as reason:
            session.leave_out("containers", reason)
    print_table(rows, "npm→PM2", "node")


# --- processes ------------------------------------------------------------------------------------------------


def _as_processes(folder: Path, session: Session) -> list[Ratio]:
    install_packages(folder, "install")
    chain, node = Spent(), Spent()
    for counts in session.turns():
        for spent, command in ((chain, [*NPM, "run", "start"]), (node, [NODE, "api/src/main.js"])):
            with _process(folder, command) as started:
                if counts:
                    spent.add(started)
    return chain.beside(node, "processes")


@contextmanager
def _process(folder: Path, command: Sequence[str]) -> Iterator[Started]:
    """Start a command; everything that it starts is ended when the context is left.

    The processes are known by a variable that they inherit: PM2 makes processes that are nobody's children.
    """
    mark, port = secrets.token_hex(8), free_port()
    environment = {
        **_VARIABLES,
        _MARK: mark,
        "PATH": f"{folder.parent / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder.parent),
        "PM2_HOME": str(folder.parent / "pm2"),
        "PORT": str(port),
        "LISTEN_ADDRESS": "127.0.0.1",
    }
    log = folder.parent / "log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        _wait_for_answer(port, lambda: process.poll() is None, log.read_text)
        seconds = time.perf_counter() - began
        time.sleep(_SETTLE_SECONDS)
        yield Started(seconds, seconds, lambda: _marked(mark))
    finally:
        _end(process, mark)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(3)
    process.wait()


def _marked(mark: str) -> list[int]:
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _proportional_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


# --- containers -----------------------------------------------------------------------------------------------


def _as_containers(engine: Engine, folder: Path, session: Session) -> list[Ratio]:
    """The image of the api as it is, beside one in which the chain starts it; both with the size of its container."""
    images = {"NODE_IMAGE": node_image(engine), "RUNTIME_IMAGE": runtime_image(engine)}
    shutil.rmtree(folder / "node_modules")
    (folder / "Dockerfile").write_text(
        f"FROM {images['NODE_IMAGE']}\nWORKDIR /srv\nCOPY . .\n"
        'RUN npm install --ignore-scripts --no-audit --no-fund\nCMD ["npm", "run", "start"]\n'
    )
    ours = _build(engine, APPS, "api/Dockerfile", "snu-bench/node", images)
    theirs = _build(engine, folder, "Dockerfile", "snu-bench/chain", {})
    chain, node = Spent(), Spent()
    for counts in session.turns():
        for spent, tag in ((chain, theirs), (node, ours)):
            with _container(engine, tag) as started:
                if counts:
                    spent.add(started)
    where = f"containers of {_PROCESSORS * 1000:.0f} mCPU"
    return chain.beside(node, where, "  without the engine's part")


def _build(engine: Engine, context: Path, dockerfile: str, tag: str, arguments: dict[str, str]) -> str:
    engine.client.images.build(
        path=str(context), dockerfile=dockerfile, tag=tag, rm=True, network_mode="host", buildargs=arguments
    )
    return tag


@contextmanager
def _container(engine: Engine, tag: str) -> Iterator[Started]:
    container = engine.client.containers.create(
        tag,
        environment={**_VARIABLES, "PORT": "8080"},
        ports={"8080/tcp": ("127.0.0.1", 0)},
        nano_cpus=int(_PROCESSORS * 1e9),
        mem_limit=_MEMORY,
    )
    try:
        began = time.perf_counter()
        container.start()

        def runs() -> bool:
            container.reload()
            return container.status == "running"

        container.reload()
        (published, *_) = container.ports["8080/tcp"] or []
        _wait_for_answer(int(published["HostPort"]), runs, lambda: container.logs().decode(errors="replace"))
        answered, seconds = time.time(), time.perf_counter() - began
        time.sleep(_SETTLE_SECONDS)
        container.reload()
        own_seconds = answered - datetime.fromisoformat(container.attrs["State"]["StartedAt"]).timestamp()
        yield Started(seconds, own_seconds, lambda: [int(line[1]) for line in container.top()["Processes"]])
    finally:
        container.remove(force=True)


# --- both -----------------------------------------------------------------------------------------------------


def _lay_out(folder: Path) -> None:
    """The apps as a monorepo in which npm starts turbo, turbo starts npm, and that starts PM2."""
    shutil.copytree(APPS, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "Dockerfile", ".dockerignore"))
    root, api = folder / "package.json", folder / "api/package.json"
    manifest = json.loads(root.read_text())
    manifest["packageManager"] = "npm@11.17.0"
    manifest["workspaces"] = ["api", "packages/service"]
    manifest["devDependencies"] = {"turbo": _TURBO, "pm2": _PM2}
    manifest["scripts"] = {"start": "turbo run start --filter=@snu/api --env-mode=loose"}
    root.write_text(json.dumps(manifest))
    manifest = json.loads(api.read_text())
    manifest["scripts"] = {"start": "pm2-runtime start src/main.js --name api"}
    api.write_text(json.dumps(manifest))
    (folder / "turbo.json").write_text(json.dumps({"tasks": {"start": {"persistent": True, "cache": False}}}))
    (folder / "package-lock.json").unlink()


def _wait_for_answer(port: int, runs: Callable[[], bool], log: Callable[[], str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    tries = 0
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health/startup")
            if connection.getresponse().status == 200:
                return
        tries += 1
        # Asking whether it runs takes time, too.
        if tries % 500 == 0 and not runs():
            break
        time.sleep(_STEP_SECONDS)
    raise SystemExit(f"The api did not answer within {_START_SECONDS:.0f} s, or ended:\n{log()[-3_000:]}")
