"""A Docker engine for tests: the one that ``SNU_TEST_DOCKER_HOST`` names, or a ``dockerd`` of the run's own.

All processes of a run share it, and what it has built. Tests on it are marked ``@pytest.mark.xdist_group("docker")``,
or with another group: one worker runs all of a group.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.programs import skip_without

if TYPE_CHECKING:
    from docker import DockerClient

HOST_VARIABLE = "SNU_TEST_DOCKER_HOST"
"""Address of an engine to test on, as in ``DOCKER_HOST``."""
_FOLDER_VARIABLE = "SNU_TEST_DOCKER_FOLDER"
"""The folder of the run's own daemon."""

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ADD_BRIDGE, _REMOVE_BRIDGE = 0x89A0, 0x89A1
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
_UP = 1

_started: list[subprocess.Popen[bytes]] = []
"""The daemon, if this process has started it: dropped while it runs, it would warn."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers."""

    host: str
    """Its address, as in ``DOCKER_HOST``."""
    client: DockerClient

    @property
    def environ(self) -> dict[str, str]:
        """What points other Docker clients at it."""
        return {"DOCKER_HOST": self.host}


@contextmanager
def shared_engine() -> Iterator[None]:
    """Inside, the first `running_engine` of any process starts a daemon, and all use that; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="snu-docker-", ignore_cleanup_errors=True) as name:
        os.environ[_FOLDER_VARIABLE] = name
        try:
            yield
        finally:
            del os.environ[_FOLDER_VARIABLE]
            _end_daemon(Path(name))


@contextmanager
def running_engine() -> Iterator[Engine]:
    """The run's engine. Skips the test, with the reason, where there can be none."""
    pytest.importorskip("docker", reason="the package docker is not installed")
    with _connected(os.environ.get(HOST_VARIABLE) or _own_daemon()) as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    with running_engine() as engine:
        yield engine


def _lacking() -> str:
    """What this machine lacks for a daemon of our own; empty when it has everything."""
    if shutil.which("dockerd") is None:
        return "dockerd (on Debian: apt-get install docker.io)"
    return "" if os.geteuid() == 0 else "root"


@contextmanager
def _connected(host: str) -> Iterator[Engine]:
    from docker import DockerClient

    client = DockerClient(base_url=host, timeout=120)
    try:
        client.ping()
        yield Engine(host, client)
    finally:
        client.close()


def _own_daemon() -> str:
    """The address of the run's daemon, which is started unless it has been."""
    if lacks := _lacking():
        skip_without("dockerd", f"{HOST_VARIABLE} names no engine, and starting one takes {lacks}")
    folder = Path(os.environ[_FOLDER_VARIABLE])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "docker.sock").exists():
            _start_daemon(folder)
    return _address(folder)


def _address(folder: Path) -> str:
    return f"unix://{folder}/docker.sock"


def _start_daemon(folder: Path) -> None:
    """Start one with everything in the folder.

    It leaves the machine's packet filter alone: published ports of 127.0.0.1 work without, by docker-proxy, and
    another daemon of the machine keeps its rules. So its containers reach nothing outside.
    """
    _add_bridge(_bridge(folder))
    command = ["dockerd", "--host", _address(folder), "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    command += ["--pidfile", f"{folder}/pid", "--bridge", _bridge(folder), "--iptables=false", "--ip-masq=false"]
    command += ["--ip-forward=false", "--shutdown-timeout", "1"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    _started.append(daemon)
    _wait_until_it_answers(daemon, folder)


def _wait_until_it_answers(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "docker.sock"))
            return
        time.sleep(_POLL_SECONDS)
    tail = (folder / "log").read_text(errors="replace")[-2_000:]
    raise RuntimeError(f"dockerd did not start within {_START_SECONDS:.0f} seconds; its log ends with:\n{tail}")


def _end_daemon(folder: Path) -> None:
    """Stop the daemon and its containerd, if they were started, and remove what they leave."""
    for pid_file, number in (("pid", signal.SIGTERM), ("exec/containerd/containerd.pid", signal.SIGKILL)):
        _end_process(folder / pid_file, folder, number)
    _unmount_below(folder)
    if (folder / "lock").exists():
        _remove_bridge(_bridge(folder))


def _end_process(pid_file: Path, folder: Path, number: signal.Signals) -> None:
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text()))
        if not any(str(folder) in argument for argument in process.cmdline()):
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _bridge(folder: Path) -> str:
    """A network bridge of the daemon's own: two daemons on ``docker0`` would give the same addresses out twice."""
    return f"snu-{folder.name[-8:]}"


def _add_bridge(name: str) -> None:
    with suppress(FileExistsError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _ADD_BRIDGE, name.encode() + b"\0")


def _remove_bridge(name: str) -> None:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", name.encode(), 0)
        _, flags = struct.unpack_from("16sh", fcntl.ioctl(control, _GET_FLAGS, request + bytes(22)))
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh", name.encode(), flags & ~_UP) + bytes(22))
        fcntl.ioctl(control, _REMOVE_BRIDGE, name.encode() + b"\0")
