"""Builds images with Docker and pushes them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

from infra.components.defaults import PLATFORM
from ops.bound_process import bound_process
from ops.dependencies import require_group
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.registry import USER
from ops.process_environment import without_own_secrets

if TYPE_CHECKING:
    from docker import DockerClient

OnLine = Callable[[str], None]

_BUILD_DEFAULTS = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""Attestations contain the build time, so each build of the same image would have a different digest."""
_CACHE_OPTIONS = "mode=max,image-manifest=true,ignore-error=true"
"""Without ``image-manifest``, BuildKit before 0.21 writes an index of layers, which some registries reject."""
_CONTAINERD_STORE = ["driver-type", "io.containerd.snapshotter.v1"]
"""Part of the status of an engine that uses the containerd image store."""
_SHOWN_LINES = 15
_STOP_SECONDS = 5.0


class BuildError(Exception):
    """An image was not built or pushed. The message contains the reason and the last lines of Docker's output."""


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build."""

    context: Path
    dockerfile: Path
    reference: str
    """``<registry>/<name>:<version>``."""
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    network: str | None
    log: Path
    """File for the build's output."""
    buildkit: BuildKitOptions | None = None
    """Options that only BuildKit supports; None for Docker's default builder."""


@dataclass(frozen=True)
class BuildKitOptions:
    """Secrets and a layer cache, for `docker buildx build`."""

    secrets: Sequence[str] = ()
    """Values of ``--secret``, which name a variable or a file."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables that contain secrets."""
    hidden: Sequence[str] = field(default=(), repr=False)
    """Strings to mask in the output, longest first: secrets, and lines of multi-line ones."""
    cache_from: str = ""
    """``<registry>/<repository>:<tag>``."""
    cache_to: str = ""

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments without any secret. ``--load`` makes every builder load the image into Docker."""
        arguments = ["--load"]
        arguments += [word for secret in self.secrets for word in ("--secret", secret)]
        if self.cache_from:
            arguments += ["--cache-from", f"type=registry,ref={self.cache_from}"]
        if self.cache_to:
            arguments += ["--cache-to", f"type=registry,ref={self.cache_to},{_CACHE_OPTIONS}"]
        return arguments

    def masked(self, text: str) -> str:
        """A line of output with secrets masked."""
        for value in self.hidden:
            text = text.replace(value, "[secret]")
        return text


@dataclass
class Docker:
    """A Docker engine, and the command line that builds with it."""

    client: DockerClient
    command: str
    environ: Mapping[str, str]
    _stopped: Event = field(default_factory=Event)
    _running: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def connect(cls, environ: Mapping[str, str]) -> Docker:
        """Connect to the engine that the Docker CLI uses. Raises OpsError if Docker is missing or not running."""
        require_group("build")
        from docker import DockerClient
        from docker.context import ContextAPI
        from docker.errors import DockerException

        command = shutil.which("docker", path=environ.get("PATH"))
        if command is None:
            raise _missing("docker is not on PATH")
        try:
            # DOCKER_HOST takes precedence over the context of `docker context use`.
            context = None if environ.get("DOCKER_HOST") else ContextAPI.get_current_context()
            if context is None or not context.Host:
                client = DockerClient.from_env(environment=dict(environ))
            else:
                client = DockerClient(
                    base_url=context.Host, tls=context.TLSConfig if context.TLSConfig is not None else False
                )
            client.ping()
        except (DockerException, OSError) as error:
            raise _missing(f"no Docker engine is running ({error})") from None
        return cls(client, command, without_own_secrets(environ))

    def build(self, options: BuildOptions, on_line: OnLine) -> None:
        """Raises BuildError."""
        buildkit = options.buildkit or BuildKitOptions()
        kind = ["buildx", "build", *buildkit.arguments] if options.buildkit else ["build"]
        arguments = [self.command, *kind, "--platform", PLATFORM, "--tag", options.reference]
        arguments += ["--file", str(options.dockerfile)]
        arguments += [word for key, value in options.arguments.items() for word in ("--build-arg", f"{key}={value}")]
        arguments += [word for key, value in options.labels.items() for word in ("--label", f"{key}={value}")]
        arguments += ["--network", options.network] if options.network else []
        options.log.parent.mkdir(parents=True, exist_ok=True)
        with (
            options.log.open("w", encoding="utf-8") as log,
            self._started([*arguments, str(options.context)], buildkit.variables) as process,
        ):
            for raw in process.stdout or ():
                line = buildkit.masked(raw)
                log.write(line)
                if line.strip():
                    on_line(line.strip())
            status = process.wait()
        if status != 0:
            raise BuildError(self._failed(status, options.log))

    def require_buildkit(self, images: Iterable[str]) -> None:
        """Raises OpsError if the Docker CLI lacks buildx, its BuildKit client."""
        version = subprocess.run([self.command, "buildx", "version"], env=self.environ, capture_output=True)
        if version.returncode != 0:
            raise _missing(
                f"`docker buildx`, which the secrets and caches in images.yaml need ({', '.join(images)}), is not "
                "installed",
                remedy="Install it (https://github.com/docker/buildx)",
            )

    def can_write_cache(self) -> bool:
        """Whether the selected builder can write a layer cache to a registry."""
        shown = subprocess.run([self.command, "buildx", "inspect"], env=self.environ, capture_output=True, text=True)
        is_engine = any(line.split() == ["Driver:", "docker"] for line in shown.stdout.splitlines())
        return not is_engine or _CONTAINERD_STORE in (self.client.info().get("DriverStatus") or [])

    def push(self, reference: str, secret_key: str, on_line: OnLine) -> None:
        """Push an image. The key is sent to the engine in a request and is not stored. Raises BuildError."""
        from docker.errors import DockerException

        repository, _, tag = reference.rpartition(":")
        try:
            messages = self.client.api.push(
                repository,
                tag,
                stream=True,
                decode=True,
                auth_config={"username": USER, "password": secret_key},
            )
            for message in messages:
                if self._stopped.is_set():
                    raise BuildError("cancelled")
                if "error" in message:
                    raise BuildError(f"{reference} was not pushed: {message['error']}")
                if message.get("status"):
                    on_line(str(message["status"]))
        except DockerException as error:
            raise BuildError(f"{reference} was not pushed: {error}") from None

    def stop(self) -> None:
        """Stop all running builds and pushes."""
        with self._lock:
            self._stopped.set()
            running = [*self._running]
        # The whole group: older Docker CLIs, such as 20.10, wait for their plugin buildx and pass no signals on.
        self._signal(running, signal.SIGTERM)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        self._signal(running, signal.SIGKILL)

    @contextmanager
    def _started(self, command: list[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        running = bound_process(
            command,
            grace=_STOP_SECONDS,
            env={**_BUILD_DEFAULTS, **self.environ, **variables, "BUILDKIT_PROGRESS": "plain"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        with ExitStack() as stack:
            with self._lock:
                if self._stopped.is_set():
                    raise BuildError("cancelled")
                process = stack.enter_context(running)
                self._running.add(process)
            try:
                yield process
            finally:
                self._running.discard(process)

    def _signal(self, processes: list[subprocess.Popen[str]], number: signal.Signals) -> None:
        """Send a signal to the process groups of the builds that are still running."""
        for process in processes:
            if process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    def _failed(self, status: int, log: Path) -> str:
        if self._stopped.is_set():
            return "cancelled"
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        end = "".join(f"\n    {line}" for line in lines[-_SHOWN_LINES:])
        return f"docker build failed with status {status}; full log: {log}; last lines:{end}"


def _missing(problem: str, remedy: str = "Start Docker, or set DOCKER_HOST") -> OpsError:
    return OpsError(
        f"Docker is required to build images, but {problem}. {remedy}, then try again. Nothing was built or changed.",
        ExitCode.ENVIRONMENT,
    )
