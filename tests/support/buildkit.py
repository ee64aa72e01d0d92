"""BuildKit builders whose cache is empty: a ``buildkitd`` if it is on PATH, otherwise a container on the engine."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.docker import Engine
from tests.support.programs import find, skip_without

BUILDX = "docker-buildx"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Client:
    """The Docker CLI with buildx and a configuration of its own, on an engine."""

    engine: Engine
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**self.engine.environ, "DOCKER_CONFIG": str(self.folder)}

    def configure(self, logins: Mapping[str, str]) -> None:
        """Log in to these registries only, with a password for each."""
        auths = {host: {"auth": base64.b64encode(f"nologin:{key}".encode()).decode()} for host, key in logins.items()}
        plugins = str(Path(find(BUILDX) or "").parent)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [plugins], "auths": auths}))

    @contextmanager
    def builder(self, name: str) -> Iterator[dict[str, str]]:
        """The environment variables that select a new builder. It accepts registries on this machine."""
        if shutil.which("buildkitd") and os.geteuid() == 0:
            with _daemon() as address:
                self._buildx("create", "--name", name, "--driver", "remote", address)
                yield {**self.environ, "BUILDX_BUILDER": name}
            return
        options = ("--driver", "docker-container", "--driver-opt", "network=host", "--bootstrap")
        try:
            self._buildx("create", "--name", name, *options)
        except subprocess.CalledProcessError as error:
            skip_without(BUILDX, f"no builder: there is no buildkitd, and {error.stderr.strip().splitlines()[-1]}")
        try:
            yield {**self.environ, "BUILDX_BUILDER": name}
        finally:
            self._buildx("rm", name)

    def _buildx(self, *arguments: str) -> None:
        command = ["docker", "buildx", *arguments]
        subprocess.run(command, env=os.environ | self.environ, capture_output=True, text=True, check=True)


@contextmanager
def _daemon() -> Iterator[str]:
    """The address of a ``buildkitd``. Its folder's name is short, as a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="snu-buildkit-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = ["buildkitd", "--addr", f"unix://{folder}/socket", "--root", f"{folder}/root"]
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen([*command, "--containerd-worker=false"], stdout=log, stderr=log)
        try:
            _wait_until_it_answers(daemon, folder)
            yield f"unix://{folder}/socket"
        finally:
            daemon.terminate()
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _wait_until_it_answers(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "socket"))
            return
        time.sleep(0.05)
    tail = (folder / "log").read_text(errors="replace")[-2_000:]
    raise RuntimeError(f"buildkitd did not start within {_START_SECONDS:.0f} seconds; its log ends with:\n{tail}")
