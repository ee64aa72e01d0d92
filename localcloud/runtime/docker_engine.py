"""Docker as the runtime's engine. Its client blocks, so each call runs in its own thread."""

from __future__ import annotations

import asyncio
import io
import queue
import re
import tarfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, TypeVar

import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import CancellableStream, LogConfig

from localcloud.api.errors import EngineError
from localcloud.api.logs.lines import LoggedProcess, LogLine
from localcloud.runtime.engine import Exit, Running
from localcloud.runtime.revision import Program, Revision
from localcloud.runtime.task import Task

OWNER, CONTAINER, INSTANCE = "localcloud.owner", "localcloud.container", "localcloud.instance"
"""Labels set on every started container: its owner, the Scaleway container and the instance."""

_PORT_TAKEN = "address already in use"
_PORT_ATTEMPTS = 20
_LOG_BYTES = "5m"
_LOG_FILES = "2"
_LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 30
_ENDED = ("exited", "dead")
_MILLISECOND = 0.001
_BATCH = 500
"""Number of lines passed to the event loop at once, unless the log is followed."""
_NANOSECONDS = re.compile(r"\.(\d+)Z$")
_STREAMS: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")

Result = TypeVar("Result")


def start_container(container: Container) -> None:
    """Start a container. If another program uses the port chosen by Docker, retry with the next port.

    Raises APIError.
    """
    for _ in range(_PORT_ATTEMPTS):
        try:
            container.start()
        except APIError as error:
            if _PORT_TAKEN not in str(error):
                raise
        else:
            return
    container.start()


class DockerEngine:
    def __init__(self, client: DockerClient, owner: str) -> None:
        """``owner``: id of the local Scaleway. Other owners' containers are never touched."""
        self._client = client
        self._owner = owner

    async def pull(self, image: str, user: str, password: str) -> None:
        def pull() -> None:
            with suppress(ImageNotFound):
                self._client.images.get(image)
                return
            self._client.images.pull(image, auth_config={"username": user, "password": password})

        await _call(pull, "the image cannot be pulled")

    async def start(self, revision: Revision, instance: str) -> Running:
        return await _call(lambda: self._start(revision, instance), "the image cannot be run")

    def _start(self, revision: Revision, instance: str) -> Running:
        port = f"{revision.port}/tcp"
        container = self._create(revision, instance, ports={port: (_LOOPBACK, 0)})
        try:
            start_container(container)
            container.reload()
            # A process that exited immediately has no port; ``wait`` reports how it exited.
            published = (container.ports.get(port) or [{"HostPort": "1"}])[0]
            return Running(str(container.id), f"{_LOOPBACK}:{published['HostPort']}")
        except BaseException:
            _remove(container)
            raise

    async def run(self, task: Task, attempt: str) -> str:
        return await _call(lambda: self._run(task, attempt), "the image cannot be run")

    def _run(self, task: Task, attempt: str) -> str:
        container = self._create(task, attempt, network_mode="host")
        try:
            if task.files:
                container.put_archive("/", _archive(task.files))
            container.start()
            return str(container.id)
        except BaseException:
            _remove(container)
            raise

    def _create(self, program: Program, instance: str, **network: Any) -> Container:
        return self._client.containers.create(
            program.image,
            command=list(program.args) or None,
            entrypoint=list(program.command) or None,
            name=f"localcloud-{self._owner}-{program.name}-{program.container_id[:8]}-{instance}",
            environment=dict(program.environment),
            labels={OWNER: self._owner, CONTAINER: program.container_id, INSTANCE: instance},
            **network,
            **self._limits(program),
            security_opt=["no-new-privileges"],
            cap_drop=["ALL"] if self._has_own_user(program.image) else ["NET_RAW"],
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": _LOG_BYTES, "max-file": _LOG_FILES}),
        )

    def _limits(self, program: Program) -> dict[str, Any]:
        """The limits that the engine's host can enforce. Docker rejects all others, and CPU limits above the host's."""
        info = self._info
        limits: dict[str, Any] = {}
        if info.get("MemoryLimit"):
            limits["mem_limit"] = program.memory_bytes
            if info.get("SwapLimit"):
                limits["memswap_limit"] = program.memory_bytes
        if info.get("CpuCfsQuota"):
            limits["nano_cpus"] = min(program.mvcpu * 1_000_000, int(info.get("NCPU", 1)) * 1_000_000_000)
        return limits

    @cached_property
    def _info(self) -> dict[str, Any]:
        return dict(self._client.info())

    def _has_own_user(self, image: str) -> bool:
        """Whether the image runs as a non-root user, who needs no capabilities."""
        user = str(self._client.images.get(image).attrs["Config"].get("User") or "")
        return user.partition(":")[0] not in ("", "0", "root")

    async def wait(self, id: str) -> Exit:
        def wait() -> Exit:
            container = self._client.containers.get(id)
            status = int(container.wait(timeout=None)["StatusCode"])
            container.reload()
            return Exit(status, bool(container.attrs["State"]["OOMKilled"]))

        return await _call(wait, "the process no longer exists")

    async def stop(self, id: str, grace: float) -> None:
        def stop() -> None:
            with suppress(NotFound):
                self._client.api.stop(id, timeout=round(grace))

        await _call(stop, "the process cannot be stopped")

    async def remove(self, id: str) -> None:
        def remove() -> None:
            with suppress(NotFound):
                _remove(self._client.containers.get(id))

        await _call(remove, "the process cannot be removed")

    async def list_processes(self, container_id: str | None = None) -> list[LoggedProcess]:
        labels = [f"{OWNER}={self._owner}"] + ([f"{CONTAINER}={container_id}"] if container_id else [])

        def list_processes() -> list[LoggedProcess]:
            containers = self._client.api.containers(all=True, filters={"label": labels})
            containers.sort(key=lambda item: item["Created"])
            return [
                LoggedProcess(
                    item["Id"],
                    item["Labels"].get(CONTAINER, ""),
                    item["Labels"].get(INSTANCE, ""),
                    item["State"] in _ENDED,
                )
                for item in containers
            ]

        return await _call(list_processes, "the processes cannot be listed")

    async def lines(
        self, process: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """``tail`` applies per stream: stdout and stderr may each have that many lines."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[list[LogLine] | Exception | None] = asyncio.Queue()
        open_streams: queue.SimpleQueue[CancellableStream[bytes]] = queue.SimpleQueue()
        done = threading.Event()

        def put(item: list[LogLine] | Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        def read(stream: Literal["stdout", "stderr"]) -> None:
            end: Exception | None = None
            batch: list[LogLine] = []
            try:
                frames = self._client.api.logs(
                    process.id,
                    stdout=stream == "stdout",
                    stderr=stream == "stderr",
                    stream=True,
                    follow=follow,
                    timestamps=True,
                    tail="all" if tail is None else tail,
                    since=_seconds(since) if since else None,
                    until=_seconds(until) + _MILLISECOND if until else None,
                )
                open_streams.put(frames)
                if done.is_set():
                    frames.close()
                for time, text in _entries(frames):
                    if time > since and (not until or time < until):
                        batch.append(LogLine(time, process.instance, stream, text))
                    if batch and (follow or len(batch) >= _BATCH):
                        put(batch)
                        batch = []
            except NotFound:
                pass
            except (DockerException, requests.RequestException, OSError) as error:
                end = EngineError(f"the logs cannot be read: {_explained(error)}")
            put(batch)
            put(end)

        for stream in _STREAMS:
            threading.Thread(target=read, args=(stream,), daemon=True).start()
        try:
            async with aclosing(_received(arrived, len(_STREAMS))) as received:
                async for line in received:
                    yield line
        finally:
            done.set()
            while not open_streams.empty():
                with suppress(Exception):
                    open_streams.get().close()


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of read-only files that every user in the container can read."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o444
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _entries(frames: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """Time and text of each line. Docker splits long lines into frames, each with its own time."""
    partial: tuple[str, str] | None = None
    for frame in frames:
        frame_time, _, text = frame.decode(errors="replace").partition(" ")
        time, line = partial or (_padded(frame_time), "")
        line += text
        if text.endswith("\n"):
            yield time, line.rstrip("\r\n")
            partial = None
        else:
            partial = time, line
    if partial is not None:
        yield partial


def _padded(time: str) -> str:
    """Restore the trailing zeros that Docker omits, so that times sort as strings."""
    return _NANOSECONDS.sub(lambda match: f".{match[1]:0<9}Z", time)


def _seconds(time: str) -> float:
    """Seconds since the epoch, rounded down to the millisecond."""
    moment = datetime.strptime(time[:23], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
    return moment.timestamp()


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in str(error):
            raise


async def _received(
    arrived: asyncio.Queue[list[LogLine] | Exception | None], streams: int
) -> AsyncGenerator[LogLine, None]:
    """Yield lines from the given number of streams until each has ended with None. Raises any stream's error."""
    while streams:
        item = await arrived.get()
        if isinstance(item, Exception):
            raise item
        for line in item or ():
            yield line
        if item is None:
            streams -= 1


async def _call(work: Callable[[], Result], failure: str) -> Result:
    """Run ``work`` in a daemon thread. Raises EngineError with a message that starts with ``failure``."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def resolve(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            engine_error = EngineError(f"{failure}: {_explained(error)}")
            engine_error.__cause__ = None
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(resolve, future.set_exception, engine_error)
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(resolve, future.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return await future


def _explained(error: Exception) -> str:
    """Docker's error message on one line."""
    text = str(error.explanation if isinstance(error, APIError) and error.explanation else error)
    return " ".join(text.split())
