"""Starts the server: checks, socket, state, seed, uvicorn."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from localcloud.api.app import App
from localcloud.api.cloud import Cloud
from localcloud.api.control import Control
from localcloud.api.control_token import make_token
from localcloud.api.errors import StartError
from localcloud.api.faults.book import FaultBook
from localcloud.api.logs.reader import LogReader
from localcloud.api.object_storage import ObjectStorage
from localcloud.api.oci.service import Registry
from localcloud.api.products import ROUTES
from localcloud.api.recorder import Recorder
from localcloud.api.seed import DEFAULT, read_seed
from localcloud.api.seeding import seed_store
from localcloud.api.store import Store

if TYPE_CHECKING:
    from localcloud.runtime.runtime import Runtime


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    """0 = any free one."""
    data: Path
    transitions: float
    """Seconds."""
    object_storage_port: int
    """0 = off."""
    seed: Path | None = None
    """What it holds at its first start and after a reset; None = ``seed.DEFAULT``."""
    record: Path | None = None
    """Where requests and the shapes of their answers are written."""
    runtime: str = "off"
    """What runs the containers: ``auto``, ``docker`` or ``off``."""
    restart_delay: float = 10.0
    """How long a container waits that has crashed twice, in seconds; then twice that, and so on."""


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop. Raises ``StartError``."""
    os.umask(0o077)
    seed = read_seed(settings.seed) if settings.seed is not None else DEFAULT
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    store = Store(settings.data)
    cloud = Cloud(store, port, seed.organization_id, settings.transitions)
    seed_store(cloud, seed)
    runtime, told = _runtime(settings, cloud)
    logs = LogReader() if runtime is None else runtime.logs
    storage = ObjectStorage(settings.object_storage_port, settings.data) if settings.object_storage_port else None
    if storage is not None and runtime is not None:
        storage.start()  # processes that run may use it, and cannot ask for its start
    images = Registry(cloud, settings.data / "registry")
    faults = FaultBook(ROUTES)
    recorder = _recorder(settings.record)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    token = make_token(settings.data)
    note = settings.data / "server.json"
    note.write_text(json.dumps({"pid": os.getpid(), "url": url}))
    config = uvicorn.Config(
        App(
            cloud,
            Control(cloud, faults, logs, storage, images, told, settings.data, seed, token=token),
            faults,
            logs,
            images,
            recorder,
            runtime,
        ),
        log_config=None,
        access_log=False,
        lifespan="off" if runtime is None else "on",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    sys.stderr.write(f"local Scaleway at {url}, data in {settings.data}; runtime {told['engine']}: {told['why']}\n")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if storage is not None:
            storage.stop()
        if recorder is not None:
            recorder.close()
        note.unlink(missing_ok=True)
        store.close()


def _runtime(settings: Settings, cloud: Cloud) -> tuple[Runtime | None, dict[str, str]]:
    """What runs the containers, and what the control API says of it. Raises ``StartError``."""
    from localcloud.runtime.engine_choice import EngineChoice, EngineUnavailable, choose, owner_of

    try:
        chosen = choose(EngineChoice(settings.runtime))
    except EngineUnavailable as error:
        raise StartError(f"{error}. Start Docker, or give --runtime auto or off.") from error
    if chosen.client is None:
        from localcloud.runtime.disabled import release

        release(cloud)
        return None, {"engine": "off", "why": chosen.why}
    from localcloud.runtime.docker_engine import DockerEngine
    from localcloud.runtime.instance import Timing
    from localcloud.runtime.runtime import Runtime

    engine = DockerEngine(chosen.client, owner_of(settings.data))
    runtime = Runtime(cloud, engine, Timing(backoff_base=settings.restart_delay))
    cloud.will_run = runtime.will_run
    return runtime, {"engine": "docker", "why": chosen.why}


def _recorder(path: Path | None) -> Recorder | None:
    if path is None:
        return None
    try:
        return Recorder(path)
    except OSError as error:
        raise StartError(f"The recording {path} cannot be written ({error.strerror}).") from error


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, on a loopback address only: the data are fake, but their keys are public."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise StartError(f"{host!r} is not an address: the local Scaleway listens on 127.0.0.1 or ::1.") from error
    if not address.is_loopback:
        raise StartError(f"{host} is not a loopback address: the local Scaleway listens on 127.0.0.1 or ::1 only.")
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(1_024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"Port {port} is already in use: stop what listens there, or give another --port."
            ) from error
        raise StartError(f"The local Scaleway cannot listen on {host} port {port} ({error.strerror}).") from error
    return listener
