"""Docker as the runtime's engine. Its client blocks, so each call has a thread for as long as it takes."""

from __future__ import annotations

import asyncio
import io
import queue
import re
import tarfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import suppress
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
from localcloud.runtime.program import Program
from localcloud.runtime.revision import Revision
from localcloud.runtime.task import Task

OWNER, CONTAINER, INSTANCE = "localcloud.owner", "localcloud.container", "localcloud.instance"
"""Labels of everything that is started: whose it is, of which container and which of its processes."""

_PORT_TAKEN = "address already in use"
_PORTS_TRIED = 20
_LOG_BYTES = "5m"
_LOG_FILES = "2"
_LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 30
_ENDED = ("exited", "dead")
_MILLISECOND = 0.001
_BATCH = 500
"""Lines that are handed to the event loop at once, unless they are followed."""
_NANOSECONDS = re.compile(r"\.(\d+)Z$")
_STREAMS: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")

Result = TypeVar("Result")


def start_container(container: Container) -> None:
    """Docker takes the next port of the system's range, though another program may use it: then the one after that.

    Raises APIError.
    """
    for _ in range(_PORTS_TRIED):
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
        """``owner``: whose processes these are; another owner's are never touched."""
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
            # One that ended at once has no ports any more; ``wait`` tells how it ended.
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
        """Those that the engine's machine can enforce; Docker refuses the others, and more processors than it has."""
        machine = self._machine
        limits: dict[str, Any] = {}
        if machine.get("MemoryLimit"):
            limits["mem_limit"] = program.memory_bytes
            if machine.get("SwapLimit"):
                limits["memswap_limit"] = program.memory_bytes
        if machine.get("CpuCfsQuota"):
            limits["nano_cpus"] = min(program.mvcpu * 1_000_000, int(machine.get("NCPU", 1)) * 1_000_000_000)
        return limits

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return dict(self._client.info())

    def _has_own_user(self, image: str) -> bool:
        """Whether the image runs as somebody who needs no capability: not as root."""
        user = str(self._client.images.get(image).attrs["Config"].get("User") or "")
        return user.partition(":")[0] not in ("", "0", "root")

    async def wait(self, id: str) -> Exit:
        def wait() -> Exit:
            container = self._client.containers.get(id)
            status = int(container.wait(timeout=None)["StatusCode"])
            container.reload()
            return Exit(status, bool(container.attrs["State"]["OOMKilled"]))

        return await _call(wait, "the process is lost")

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

    async def kept(self, container_id: str | None = None) -> list[LoggedProcess]:
        labels = [f"{OWNER}={self._owner}"] + ([f"{CONTAINER}={container_id}"] if container_id else [])

        def kept() -> list[LoggedProcess]:
            found = self._client.api.containers(all=True, filters={"label": labels})
            found.sort(key=lambda item: item["Created"])
            return [
                LoggedProcess(
                    item["Id"],
                    item["Labels"].get(CONTAINER, ""),
                    item["Labels"].get(INSTANCE, ""),
                    item["State"] in _ENDED,
                )
                for item in found
            ]

        return await _call(kept, "the processes cannot be listed")

    async def lines(
        self, kept: LoggedProcess, *, tail: int | None = None, since: str = "", until: str = "", follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        """With a tail it may be that many of either stream."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[list[LogLine] | Exception | None] = asyncio.Queue()
        open_streams: queue.SimpleQueue[CancellableStream[bytes]] = queue.SimpleQueue()
        done = threading.Event()

        def tell(item: list[LogLine] | Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        def read(stream: Literal["stdout", "stderr"]) -> None:
            end: Exception | None = None
            batch: list[LogLine] = []
            try:
                frames = self._client.api.logs(
                    kept.id,
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
                        batch.append(LogLine(time, kept.instance, stream, text))
                    if batch and (follow or len(batch) >= _BATCH):
                        tell(batch)
                        batch = []
            except NotFound:
                pass
            except (DockerException, requests.RequestException, OSError) as error:
                end = EngineError(f"the logs cannot be read: {_explained(error)}")
            tell(batch)
            tell(end)

        for stream in _STREAMS:
            threading.Thread(target=read, args=(stream,), daemon=True).start()
        try:
            ended = 0
            while ended < len(_STREAMS):
                item = await arrived.get()
                if isinstance(item, list):
                    for line in item:
                        yield line
                elif item is not None:
                    raise item
                else:
                    ended += 1
        finally:
            done.set()
            while not open_streams.empty():
                with suppress(Exception):
                    open_streams.get().close()


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of files that everybody in the container may read and nobody may write."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o444
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _entries(frames: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """Time and text of each line. Docker cuts long ones into frames, each with a time before it."""
    begun: tuple[str, str] | None = None
    for frame in frames:
        time, _, text = frame.decode(errors="replace").partition(" ")
        first, whole = begun or (_padded(time), "")
        whole += text
        if text.endswith("\n"):
            yield first, whole.rstrip("\r\n")
            begun = None
        else:
            begun = first, whole
    if begun is not None:
        yield begun


def _padded(time: str) -> str:
    """Docker leaves trailing zeros away; with them times sort as texts."""
    return _NANOSECONDS.sub(lambda match: f".{match[1]:0<9}Z", time)


def _seconds(time: str) -> float:
    """Since the epoch, rounded down to a millisecond."""
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


async def _call(work: Callable[[], Result], what: str) -> Result:
    """``work`` in a thread that keeps nobody from ending. Raises EngineError."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def give(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            told = EngineError(f"{what}: {_explained(error)}")
            told.__cause__ = None
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(give, future.set_exception, told)
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(give, future.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return await future


def _explained(error: Exception) -> str:
    """What Docker says, in one line."""
    text = str(error.explanation if isinstance(error, APIError) and error.explanation else error)
    return " ".join(text.split())
