"""A process that has imported much and done nothing else: it forks for each request of `client.py`."""

from __future__ import annotations

import array
import atexit
import contextlib
import faulthandler
import functools
import gc
import importlib
import io
import marshal
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from tests.support.source_files import source_files

_FIRST_FREE = 3
_MOST_FILES = 4096
_ENDING_SECONDS = 5.0


def import_all(name: str) -> None:
    """``package.*``: with all modules below it, but those that are run."""
    package = importlib.import_module(name.removesuffix(".*"))
    getattr(package, "__all__", None)  # loads one that Pulumi's SDK would load when it is used
    if name.endswith(".*"):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] not in ("__main__", "launch", "language_runtime", "object_storage_child"):
                importlib.import_module(module.name)


class Server:
    """Forks, and tells each client the process and, when it has ended, its exit status."""

    def __init__(self, address: str, client: str, modules: Sequence[str]) -> None:
        self._address, self._client, self._modules = Path(address), client, modules
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(64)
        self._running: dict[int, socket.socket] = {}
        self._notes: dict[int, Path] = {}
        """Where the tests read which process was forked."""
        self._selector = selectors.DefaultSelector()
        self._pipe: tuple[int, int] | tuple[()] = ()

    def serve(self) -> list[int]:
        """Until standard input ends; gives the processes that still run then, and ends them."""
        woken, wake = self._pipe = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the tests, which end this
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for source in (self._listener, woken, sys.stdin.fileno()):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd == woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 4096)
                    self._reap()
                elif key.fd == sys.stdin.fileno():
                    return self._end()
                else:
                    self._gone(cast(socket.socket, key.fileobj))

    def _prepare(self) -> None:
        """Import, when there is a first request."""
        for module in self._modules:
            import_all(module)
        if "ops.cli" in sys.modules:
            from typer import main as typer_main

            # Building the whole command line takes as long as a small command.
            typer_main.get_command = functools.cache(typer_main.get_command)
            sys.modules["ops.cli"].complete_group()
        if bucket := sys.modules.get("pulumi_state.store.bucket"):
            bucket.client("http://127.0.0.1:1", "fr-par", "a key", "its secret").close()  # loads what describes S3
        if secret_variables := sys.modules.get("policy.secret_variables"):
            secret_variables.reason("A_VARIABLE", "a value")  # loads detect-secrets
        if "pulumi_state.passphrase" in sys.modules:
            from tests.support.forks import derived_keys

            derived_keys.keep(Path(self._client).parents[1])
        self._modules = ()
        assert threading.active_count() == 1, "a thread does not survive a fork"
        gc.collect()
        gc.freeze()

    def _end(self) -> list[int]:
        """What still runs; a moment is given to what has been told to end."""
        deadline = time.monotonic() + _ENDING_SECONDS
        while self._running and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
        for process in self._running:
            _kill(process)
        return list(self._running)

    def _accept(self) -> None:
        if self._modules:
            self._prepare()
        connection, _ = self._listener.accept()
        try:
            size, streams = _receive(connection, 8, 3)
            request, _ = _receive(connection, int.from_bytes(size, "big"), 0)
        except EOFError:  # killed before it had said what it wants
            connection.close()
            return
        process = os.fork()
        if process == 0:
            self._close(connection)
            run(marshal.loads(request), streams, self._client)  # noqa: S302 - from a client of this test run
        for stream in streams:
            os.close(stream)
        self._notes[process] = self._address.parent / f"process-{_peer(connection)}"
        self._notes[process].write_text(str(process))
        with contextlib.suppress(OSError):
            connection.sendall(process.to_bytes(8, "big", signed=True))
        self._running[process] = connection
        self._selector.register(connection, selectors.EVENT_READ)

    def _close(self, connection: socket.socket) -> None:
        """In what was forked: by their objects, which would close what has the same number later."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for open_one in (self._listener, connection, *self._running.values()):
            open_one.close()
        for descriptor in self._pipe:
            os.close(descriptor)

    def _reap(self) -> None:
        while self._running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            connection = self._running.pop(process)
            self._notes.pop(process).unlink(missing_ok=True)  # another process may get the client's number
            with contextlib.suppress(OSError):
                connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "big", signed=True))
            self._selector.unregister(connection)
            connection.close()

    def _gone(self, connection: socket.socket) -> None:
        """The client was killed, which it cannot pass on."""
        for process, known in self._running.items():
            if known is connection:
                _kill(process)
                return


def _kill(process: int) -> None:
    """Kill a forked process; with its group if it leads one, as whoever killed its client meant to."""
    if os.getpgid(process) == process:
        os.killpg(process, signal.SIGKILL)
    else:
        os.kill(process, signal.SIGKILL)


def _peer(connection: socket.socket) -> int:
    """The process at the other end."""
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(pid)


def _receive(connection: socket.socket, size: int, files: int) -> tuple[bytes, list[int]]:
    content, received = b"", array.array("i")
    while len(content) < size:
        part, control, _, _ = connection.recvmsg(size - len(content), socket.CMSG_SPACE(files * received.itemsize))
        if not part:
            raise EOFError
        content += part
        for level, kind, passed in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received.frombytes(passed)
    return content, list(received)


def run(request: tuple[list[str], str, dict[Any, Any], int, bool], streams: Sequence[int], client: str) -> NoReturn:
    """Be the process that was asked for."""
    arguments, folder, environment, mask, leads_session = request
    if leads_session:
        os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # Above all that is in use, so that none is closed before it has its place.
    kept = [os.dup2(stream, _MOST_FILES + number) for number, stream in enumerate(streams)]
    for number, stream in enumerate(kept):
        os.dup2(stream, number)
    os.closerange(_FIRST_FREE, _MOST_FILES + len(kept))
    os.umask(mask)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()})
    time.tzset()
    sys.stdin, sys.stdout, sys.stderr = (_text(number) for number in range(3))
    faulthandler.enable()  # a crash says where it happened
    sys.executable = client
    _use_checkout()
    if arguments[1:2] == ["ops.engines.program.language_runtime"]:
        for package in ("infra", "scaleway_facts"):
            _use_package(package, Path(folder))
    status = 1
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


def _use_checkout() -> None:
    """Let the command work by default on the checkout that PYTHONPATH names, as it does in a process of its own."""
    checkout, stacks = os.environ.get("PYTHONPATH", "").partition(os.pathsep)[0], sys.modules.get("ops.stacks")
    if checkout and stacks is not None:
        vars(stacks)["CHECKOUT"] = Path(checkout)


def _use_package(name: str, project: Path) -> None:
    """Let a package of a Pulumi program be that of the project, of which ours is one like all; else forget ours."""
    ours, theirs = Path(__file__).resolve().parents[3] / name, project / name
    modules = [module for module in sys.modules if module.partition(".")[0] == name]
    if not theirs.is_dir() or _dated_files(theirs) != _dated_files(ours):
        for module in modules:
            del sys.modules[module]
        return
    for module in modules:
        for attribute in ("__file__", "__path__"):
            value = vars(sys.modules[module]).get(attribute)
            if isinstance(value, str):
                setattr(sys.modules[module], attribute, value.replace(str(ours), str(theirs), 1))
            elif value is not None:
                setattr(sys.modules[module], attribute, [path.replace(str(ours), str(theirs), 1) for path in value])


def _dated_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and date, which a copy keeps, of each module."""
    found = ((path.relative_to(folder).as_posix(), path.stat()) for path in source_files(folder))
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found}


def _text(number: int) -> Any:
    """A standard stream, as Python makes it at its start."""
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    if number == 0:
        return io.TextIOWrapper(open(0, "rb", closefd=False), encoding)
    binary = open(number, "wb", closefd=False)  # noqa: SIM115 - stays open
    errors = "backslashreplace" if number == 2 else "strict"
    by_line = number == 2 or binary.isatty() or "PYTHONUNBUFFERED" in os.environ
    return io.TextIOWrapper(binary, encoding, errors, line_buffering=by_line)


def main() -> None:
    address, client, *modules = sys.argv[1:]
    left = Server(address, client, modules).serve()
    if left:
        sys.exit(f"still running when the tests had ended: {left}")


if __name__ == "__main__":
    main()
