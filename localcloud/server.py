"""Starts the server: socket, state, seed, runtime, uvicorn."""

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
from localcloud.api.faults.active import ActiveFaults
from localcloud.api.logs.reader import LogReader
from localcloud.api.object_storage import ObjectStorage
from localcloud.api.oci.service import Registry
from localcloud.api.products import ROUTES
from localcloud.api.recorder import Recorder
from localcloud.api.seed import DEFAULT, read_seed
from localcloud.api.seeding import seed_store
from localcloud.api.store import Store
from localcloud.runtime.backoff import RESTART_DELAY

if TYPE_CHECKING:
    from localcloud.runtime.runtime import Runtime


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    """Port of the API. 0: any free port."""
    data: Path
    transitions: float
    """Duration of statuses such as ``creating``, in seconds."""
    object_storage_port: int
    """Port of the object storage. 0: off."""
    seed: Path | None = None
    """TOML file with the initial resources. None: ``seed.DEFAULT``."""
    record: Path | None = None
    """File in which requests and the structure of their responses are recorded."""
    runtime: str = "off"
    """``auto``, ``docker`` or ``off``; see ``EngineChoice``."""
    restart_delay: float = RESTART_DELAY
    """Seconds before the second restart of a crashing container; see ``Backoff``."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises ``StartError``."""
    os.umask(0o077)
    seed = read_seed(settings.seed) if settings.seed is not None else DEFAULT
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    store = Store(settings.data)
    cloud = Cloud(store, port, seed.organization_id, settings.transitions)
    seed_store(cloud, seed)
    runtime, runtime_status = _runtime(settings, cloud)
    logs = LogReader() if runtime is None else runtime.logs
    storage = ObjectStorage(settings.object_storage_port, settings.data) if settings.object_storage_port else None
    if storage is not None and runtime is not None:
        storage.start()  # containers may use it but cannot start it
    images = Registry(cloud, settings.data / "registry")
    faults = ActiveFaults(ROUTES)
    recorder = _recorder(settings.record)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    token = make_token(settings.data)
    server_file = settings.data / "server.json"
    server_file.write_text(json.dumps({"pid": os.getpid(), "url": url}))
    config = uvicorn.Config(
        App(
            cloud,
            Control(cloud, faults, logs, storage, images, runtime_status, settings.data, seed, token=token),
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
    engine = f"{runtime_status['engine']} ({runtime_status['why']})"
    sys.stderr.write(f"local Scaleway at {url}, data in {settings.data}, runtime {engine}\n")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if storage is not None:
            storage.stop()
        if recorder is not None:
            recorder.close()
        server_file.unlink(missing_ok=True)
        store.close()


def _runtime(settings: Settings, cloud: Cloud) -> tuple[Runtime | None, dict[str, str]]:
    """The runtime, or None, and its description for the control API. Raises ``StartError``."""
    from localcloud.runtime.engine_choice import EngineChoice, EngineUnavailable, choose, owner_of

    try:
        chosen = choose(EngineChoice(settings.runtime))
    except EngineUnavailable as error:
        raise StartError(f"{error}. Start Docker, or use --runtime auto or off.") from error
    if chosen.client is None:
        from localcloud.runtime.leftovers import finish_without_runtime

        finish_without_runtime(cloud)
        return None, {"engine": "off", "why": chosen.why}
    from localcloud.runtime.docker_engine import DockerEngine
    from localcloud.runtime.instance import Timing
    from localcloud.runtime.runtime import Runtime

    engine = DockerEngine(chosen.client, owner_of(settings.data))
    runtime = Runtime(cloud, engine, Timing(restart_delay=settings.restart_delay))
    cloud.will_run = runtime.will_run
    return runtime, {"engine": "docker", "why": chosen.why}


def _recorder(path: Path | None) -> Recorder | None:
    if path is None:
        return None
    try:
        return Recorder(path)
    except OSError as error:
        raise StartError(f"The recording file {path} cannot be written ({error.strerror}).") from error


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Only loopback addresses are allowed, because the keys are public."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise StartError(
            f"{host} is not an IP address; expected a loopback address such as 127.0.0.1 or ::1."
        ) from error
    if not address.is_loopback:
        raise StartError(f"{host} is not a loopback address; expected, for example, 127.0.0.1 or ::1.")
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(1_024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"Port {port} is already in use. Stop the program that is using it, or use another --port."
            ) from error
        raise StartError(f"The local Scaleway cannot listen on {host} port {port} ({error.strerror}).") from error
    return listener
