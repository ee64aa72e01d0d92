"""A Docker engine for tests: the one that ``SNU_TEST_DOCKER_HOST`` names, or a ``dockerd`` of the run's own.

Tests on it are marked ``@pytest.mark.xdist_group("docker")``, or with another group: one worker runs all of a group, on
one engine.
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

import pytest

from tests.support.programs import skip_without

if TYPE_CHECKING:
    from docker import DockerClient

HOST_VARIABLE = "SNU_TEST_DOCKER_HOST"
"""Address of an engine to test on, as in ``DOCKER_HOST``."""

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ADD_BRIDGE, _REMOVE_BRIDGE = 0x89A0, 0x89A1
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
_UP = 1


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
def running_engine() -> Iterator[Engine]:
    """The run's engine. Skips the test, with the reason, where there can be none."""
    pytest.importorskip("docker", reason="the package docker is not installed")
    if host := os.environ.get(HOST_VARIABLE):
        with _connected(host) as engine:
            yield engine
        return
    lacks = _lacking()
    if lacks:
        skip_without("dockerd", f"{HOST_VARIABLE} names no engine, and starting one takes {lacks}")
    with _own_daemon() as host, _connected(host) as engine:
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


@contextmanager
def _own_daemon() -> Iterator[str]:
    """A daemon with everything in a folder of its own; gives its address.

    It leaves the machine's packet filter alone: published ports of 127.0.0.1 work without, by docker-proxy, and
    another daemon of the machine keeps its rules. So its containers reach nothing outside.
    """
    folder = Path(tempfile.mkdtemp(prefix="snu-docker-"))
    address = f"unix://{folder}/docker.sock"
    with _bridge() as bridge, (folder / "log").open("wb") as log:
        command = ["dockerd", "--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        command += ["--pidfile", f"{folder}/pid", "--bridge", bridge, "--iptables=false", "--ip-masq=false"]
        command += ["--ip-forward=false", "--shutdown-timeout", "1"]
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_it_answers(daemon, folder)
            yield address
        finally:
            _end(daemon, folder)


def _wait_until_it_answers(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "docker.sock"))
            return
        time.sleep(_POLL_SECONDS)
    tail = (folder / "log").read_text(errors="replace")[-2_000:]
    raise RuntimeError(f"dockerd did not start within {_START_SECONDS:.0f} seconds; its log ends with:\n{tail}")


def _end(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    """Stop the daemon and its containerd, and remove what they leave."""
    containerd = _pid(folder / "exec/containerd/containerd.pid")
    daemon.terminate()
    try:
        daemon.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    if containerd is not None and _is_containerd_of(containerd, folder):
        with suppress(ProcessLookupError):
            os.kill(containerd, signal.SIGKILL)
    _unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _is_containerd_of(pid: int, folder: Path) -> bool:
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


@contextmanager
def _bridge() -> Iterator[str]:
    """A network bridge of our own: two daemons on ``docker0`` would give the same addresses out twice."""
    name = f"snu-{os.getpid()}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _ADD_BRIDGE, name.encode() + b"\0")
        try:
            yield name
        finally:
            request = struct.pack("16sh", name.encode(), 0)
            _, flags = struct.unpack_from("16sh", fcntl.ioctl(control, _GET_FLAGS, request + bytes(22)))
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh", name.encode(), flags & ~_UP) + bytes(22))
            fcntl.ioctl(control, _REMOVE_BRIDGE, name.encode() + b"\0")
