"""Controls the local Scaleway's process: start, stop, status, log and reset."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import MappingProxyType
from typing import Any

from localcloud.api.control_token import control_headers
from ops.dependencies import require_group
from ops.engines.program.environment import program_environment
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local_port import free_port, remember_port
from ops.process_environment import process_environment
from ops.report.text import counted
from ops.stacks import CHECKOUT, LOCAL_PASSPHRASE, Stack, find_stack, stack_names
from ops.state.backend_environment import is_of_another_checkout, local_backend_url, local_state_dir
from pulumi_state.process import Process
from pulumi_state.variables import BACKEND_URL, PASSPHRASE, PASSPHRASE_FILE

LOCAL_STACK = "local"
"""The stack that defines the local Scaleway's address. A project without this stack uses its first local stack."""
SEED_FILE = Path(__file__).with_name("local_seed.toml")
"""The local Scaleway's content at its first start and after a reset."""

_ANSWER_SECONDS = 5.0
_START_SECONDS = 30.0
_STOP_SECONDS = 40.0
"""Includes the time that the containers' processes take to exit."""
_POLL_SECONDS = 0.05
_PORT_ATTEMPTS = 5
_LOG_TAIL = 15
_SERVER_VARIABLES = ("DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Prefixes of variables that Docker needs, in upper or lower case. The local Scaleway inherits no others, because it
outlives the shell."""
_EXPORTS = {
    "SCW_API_URL": "scaleway:apiUrl",
    "SCW_ACCESS_KEY": "scaleway:accessKey",
    "SCW_SECRET_KEY": "scaleway:secretKey",
    "SCW_DEFAULT_PROJECT_ID": "scaleway:projectId",
    "SCW_DEFAULT_ORGANIZATION_ID": "scaleway:organizationId",
    "SCW_DEFAULT_REGION": "scaleway:region",
    "SCW_DEFAULT_ZONE": "scaleway:zone",
}


class PortOwner(Enum):
    """The program that listens on the local Scaleway's port."""

    NOBODY = auto()
    OURS = auto()
    ANOTHER = auto()
    """A local Scaleway of another project."""
    STRANGER = auto()
    """A program that is not a local Scaleway."""


class _PortTakenError(OpsError):
    """Another checkout's local Scaleway listens on the port."""


@dataclass(frozen=True)
class PortStatus:
    """The program that uses the port."""

    holder: PortOwner
    pid: int | None = None
    health: Mapping[str, Any] | None = None


def require_running(stack: Stack) -> None:
    """Raises OpsError if the stack is on the local Scaleway and it is not running."""
    if stack.is_local:
        LocalCloud(stack).require()


class LocalCloud:
    """The local Scaleway of one project."""

    def __init__(self, stack: Stack) -> None:
        """Raises OpsError if the stack's API address is not a loopback address."""
        if not stack.is_local:
            raise OpsError(
                f"{stack.file.name}: scaleway:apiUrl is {stack.api_url or 'not set'}; expected a loopback address "
                "such as http://127.0.0.1:8421",
                ExitCode.SETTINGS,
            )
        self._stack = stack
        self.host = stack.api_address.hostname or "127.0.0.1"
        self.port = stack.api_address.port or 80
        folder = stack.project_dir / ".local"
        self.data = folder / "scaleway"
        self.log = folder / "scaleway.log"
        self._pid_file = folder / "scaleway.pid"

    @classmethod
    def of(cls, project_dir: Path) -> LocalCloud:
        """The local Scaleway that the project's local stacks use. Raises OpsError if the project has no local stack."""
        names = stack_names(project_dir)
        if LOCAL_STACK not in names:
            for name in names:
                stack = find_stack(project_dir, name)
                if stack.is_local:
                    return cls(stack)
        return cls(find_stack(project_dir, LOCAL_STACK))

    @property
    def address(self) -> str:
        return self._stack.api_url or ""

    # --- status -----------------------------------------------------------------------------------------

    def find(self) -> PortStatus:
        """Determine which program responds at the address."""
        try:
            health = self._call("GET", "health")
        except ConnectionRefusedError:
            return PortStatus(PortOwner.NOBODY)
        except (OSError, http.client.HTTPException, ValueError):
            return PortStatus(PortOwner.STRANGER)
        pid = health.get("pid")
        if not isinstance(pid, int):
            return PortStatus(PortOwner.STRANGER)
        ours = pid == self._recorded_pid() or health.get("data") == str(self.data.resolve())
        return PortStatus(PortOwner.OURS if ours else PortOwner.ANOTHER, pid, health)

    def require(self) -> PortStatus:
        """The status of the running local Scaleway. Raises OpsError if it is not running, or its port is in use."""
        found = self.find()
        if found.holder is PortOwner.NOBODY:
            raise OpsError(
                f"The local Scaleway is not running at {self.address} (scaleway:apiUrl in {self._stack.file.name}). "
                "Start it with: scripts/snu local start",
                ExitCode.LOCAL_CLOUD,
            )
        if found.holder is not PortOwner.OURS:
            raise self._taken(found)
        return found

    def _taken(self, found: PortStatus) -> OpsError:
        if found.holder is PortOwner.STRANGER:
            return OpsError(
                f"Port {self.port} is in use by a program that is not a local Scaleway. Stop that program, or use "
                "another port: scripts/snu local start --port PORT",
                ExitCode.LOCAL_CLOUD,
            )
        data = (found.health or {}).get("data")
        by = f"another local Scaleway, process {found.pid}" + (f", with its data in {data}" if data else "")
        return _PortTakenError(
            f"Port {self.port} is in use by {by}. To start this checkout's own on a free port: scripts/snu local start",
            ExitCode.LOCAL_CLOUD,
        )

    def _call(self, method: str, name: str, headers: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, f"/_local/{name}", headers=dict(headers))
            response = connection.getresponse()
            body = json.loads(response.read())
            if response.status != 200 or not isinstance(body, dict):
                raise ValueError(f"status {response.status}")
            return body
        finally:
            connection.close()

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    # --- start and stop ---------------------------------------------------------------------------------

    def start(
        self, transitions: float | None = None, runtime: str = "auto", port: int | None = None
    ) -> tuple[int, bool]:
        """Start the process and wait until it responds; returns its id, and whether this call started it.

        ``transitions``: duration of transient statuses such as ``creating``, in seconds. ``runtime``: the container
        runtime (``auto``, ``docker`` or ``off``). ``port``: the port to use from now on; None for the current port, or
        for a free one if another checkout's local Scaleway uses the current port. Raises OpsError if the port is in
        use, the process exits early, or it is already running with other options.
        """
        if port is not None and port != self.port:
            self._require_stopped(port)
            self.port = port
        for _ in range(_PORT_ATTEMPTS):
            try:
                return self._start(transitions, runtime)
            except _PortTakenError:
                if port is not None:
                    raise
            # Another start may take this port first, so retry.
            self.port = free_port(self.host, self.port)
        return self._start(transitions, runtime)

    def _require_stopped(self, port: int) -> None:
        found = self.find()
        if found.holder is PortOwner.OURS:
            raise OpsError(
                f"The local Scaleway is already running at {self.address}, process {found.pid}. Nothing was changed. "
                f"To use port {port}: scripts/snu local stop && scripts/snu local start --port {port}",
                ExitCode.LOCAL_CLOUD,
            )

    def _remember_port(self) -> None:
        """Make all local stacks of the checkout use the port from now on."""
        if self.port != self._stack.api_address.port:
            remember_port(self._stack.project_dir, self.port)
            self._stack = find_stack(self._stack.project_dir, self._stack.name)

    def _start(self, transitions: float | None, runtime: str) -> tuple[int, bool]:
        found = self.find()
        if found.holder is PortOwner.OURS and found.pid:
            self._require_options(found, transitions, runtime)
            return found.pid, False
        if found.holder is not PortOwner.NOBODY:
            raise self._taken(found)
        require_group("local")
        # Before the process starts, so that it is found after a Ctrl-C.
        self._remember_port()
        process = self._spawn(transitions, runtime)
        self._pid_file.write_text(f"{process.pid}\n")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return self._after_early_end()
            found = self.find()
            if found.holder is PortOwner.OURS and found.pid:
                self._pid_file.write_text(f"{found.pid}\n")
                return found.pid, True
            time.sleep(_POLL_SECONDS)
        process.terminate()
        self._pid_file.unlink(missing_ok=True)
        raise OpsError(
            f"The local Scaleway did not respond within {_START_SECONDS:.0f} seconds. Its log ({self.log}) ends "
            f"with:\n{self._tail()}",
            ExitCode.LOCAL_CLOUD,
        )

    def _require_options(self, found: PortStatus, transitions: float | None, runtime: str) -> None:
        """Raises OpsError if the running process was started with other options."""
        health = found.health or {}
        engine, current_transitions = (health.get("runtime") or {}).get("engine"), health.get("transitions_seconds")
        differences = []
        if runtime not in ("auto", engine):
            differences.append((f"--runtime {runtime}", f"the container engine is {engine}"))
        if transitions not in (None, current_transitions):
            current = f"transitions last {current_transitions:g} seconds"
            differences.append((f"--transitions {transitions:g}", current))
        if differences:
            options = " ".join(option for option, _ in differences)
            raise OpsError(
                f"The local Scaleway is already running, process {found.pid}, with different options: "
                f"{', '.join(current for _, current in differences)}. Nothing was changed. To restart it and keep "
                f"its data: scripts/snu local stop && scripts/snu local start {options}",
                ExitCode.LOCAL_CLOUD,
            )

    def _spawn(self, transitions: float | None, runtime: str) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", "localcloud", "--host", self.host, "--port", str(self.port)]
        command += ["--data", str(self.data), "--seed", str(SEED_FILE), "--runtime", runtime]
        if transitions is not None:
            command += ["--transitions", str(transitions)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=_server_environment(process_environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _after_early_end(self) -> tuple[int, bool]:
        """Handle a process that exited early: another one may have been started first."""
        found = self.find()
        if found.pid and found.holder is PortOwner.OURS:
            self._pid_file.write_text(f"{found.pid}\n")
            return found.pid, False
        self._pid_file.unlink(missing_ok=True)
        if found.holder is not PortOwner.NOBODY:
            raise self._taken(found)
        raise OpsError(
            f"The local Scaleway did not start. Its log ({self.log}) ends with:\n{self._tail()}",
            ExitCode.LOCAL_CLOUD,
        )

    def stop(self) -> bool:
        """Stop the process and wait until it has exited; returns whether it was running.

        Removes any containers left behind by a killed process. Raises OpsError if another program uses the port.
        """
        found = self.find()
        if found.holder is PortOwner.NOBODY:
            self._pid_file.unlink(missing_ok=True)
            self._remove_leftovers()
            return False
        if found.holder is not PortOwner.OURS or found.pid is None:
            raise self._taken(found)
        process = Process.from_pid(found.pid)
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while process.is_running:
            if time.monotonic() > deadline:
                raise OpsError(
                    f"Process {found.pid} is still running {_STOP_SECONDS:.0f} seconds after SIGTERM. Kill it with: "
                    f"kill -9 {found.pid}",
                    ExitCode.LOCAL_CLOUD,
                )
            time.sleep(_POLL_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        return True

    def _remove_leftovers(self) -> int:
        """Remove containers that a killed local Scaleway left in Docker; returns their number."""
        if not self.data.exists():
            return 0
        from localcloud.api.errors import EngineError
        from localcloud.runtime.leftovers import remove_leftovers_of

        try:
            return remove_leftovers_of(self.data)
        except EngineError as error:
            raise OpsError(
                f"Containers that the local Scaleway left in Docker cannot be removed: {error}",
                ExitCode.LOCAL_CLOUD,
            ) from error

    # --- data -------------------------------------------------------------------------------------------

    def reset(self, environ: Mapping[str, str]) -> list[str]:
        """Reset the local Scaleway's data and delete the local stacks' state; returns what was done.

        If ``PULUMI_BACKEND_URL`` is a backend of the user's, the state in it is not deleted.
        """
        found = self.find()
        done = []
        if found.holder in (PortOwner.ANOTHER, PortOwner.STRANGER):
            raise self._taken(found)
        if found.holder is PortOwner.OURS:
            self._call("POST", "reset", control_headers(found.health or {}))
            done.append(f"Restored the initial content of the local Scaleway at {self.address}.")
        elif self.data.exists():
            if count := self._remove_leftovers():
                done.append(f"Removed {counted(count, 'container')} that the local Scaleway had left in Docker.")
            shutil.rmtree(self.data)
            done.append(f"Removed {self.data}; the local Scaleway is not running.")
        state = local_state_dir(self._stack.project_dir) / ".pulumi"
        if self._backend_url(environ) != local_backend_url(self._stack.project_dir):
            done.append(f"Kept the state in {BACKEND_URL}.")
        elif state.exists():
            shutil.rmtree(state)
            done.append(f"Removed the local stacks' state, {state}.")
        return done or ["Nothing to reset."]

    def exports(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Environment variables that make Scaleway clients and the Pulumi CLI use the local Scaleway."""
        config = self._stack.config
        variables = {name: str(config[key]) for name, key in _EXPORTS.items() if config.get(key)}
        variables[BACKEND_URL] = self._backend_url(environ)
        if PASSPHRASE not in environ and PASSPHRASE_FILE not in environ:
            variables[PASSPHRASE] = LOCAL_PASSPHRASE
        return variables

    def _backend_url(self, environ: Mapping[str, str]) -> str:
        """The backend of the local stacks: the user's, unless it belongs to another checkout, or this checkout's."""
        url, project_dir = environ.get(BACKEND_URL, ""), self._stack.project_dir
        return url if url and not is_of_another_checkout(url, project_dir) else local_backend_url(project_dir)

    # --- log --------------------------------------------------------------------------------------------

    def _tail(self) -> str:
        return "\n".join(f"  {line}" for line in self.last_lines(_LOG_TAIL)) or "  (nothing)"

    def last_lines(self, count: int) -> list[str]:
        """The last lines of the log. Raises OpsError if there is no log."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        except FileNotFoundError as error:
            raise OpsError(f"There is no log yet: {self.log} does not exist.", ExitCode.LOCAL_CLOUD) from error

    def follow(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
        """Yields new lines of the log endlessly."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(0, os.SEEK_END)
            while True:
                line = log.readline()
                if line:
                    yield line
                else:
                    sleep(_POLL_SECONDS * 4)


def _server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    more = {name: value for name, value in environ.items() if name.upper().startswith(_SERVER_VARIABLES)}
    return program_environment(environ) | more | {"PYTHONPATH": str(CHECKOUT)}
