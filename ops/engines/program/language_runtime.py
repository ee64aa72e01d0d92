"""Serves one Pulumi program to an engine: ``python -m ops.engines.program.language_runtime``.

The service is Pulumi's LanguageRuntime (``proto/pulumi/language.proto``), which both ``pulumi --client=ADDRESS`` and
the embedded engine call instead of a language host. The working directory is the project's folder. Standard input is a
socket. Once the port is bound, the process writes the server's address to the socket and imports Pulumi's SDK while the
engine starts. When the socket is closed, the process exits and kills everything that the program started.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import grpc

from ops.engines.program.confine import confine

if TYPE_CHECKING:
    from collections.abc import Callable

_SERVICE = "pulumirpc.LanguageRuntime"
_THREADS = 4
"""The CLI may make other calls while the program runs."""
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_GARBAGE_THRESHOLD = 100_000
"""Number of new objects that triggers a garbage collection, as in the command."""
_EMPTY = b""
"""An empty message of any type."""


class LanguageRuntime:
    """Handles messages in encoded form, because their types are part of Pulumi's SDK, which is still being imported."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[bytes] = SimpleQueue()
        self._responses: SimpleQueue[bytes] = SimpleQueue()
        self._once = threading.Lock()

    @property
    def handlers(self) -> Any:
        """The handlers of the service for a gRPC server."""
        methods = {
            "Handshake": _answer(_EMPTY),
            # The engine finds each plugin by the version in the program's resource registrations.
            "GetRequiredPackages": _answer(_EMPTY),
            "GetRequiredPlugins": _answer(_EMPTY),
            "GetPluginInfo": _answer(_EMPTY),
            "About": _answer(_field(1, sys.executable) + _field(2, platform.python_version())),
            "Run": self._run,
        }
        handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
        return grpc.method_handlers_generic_handler(_SERVICE, handlers)

    def _run(self, request: bytes, context: Any) -> bytes:
        if not self._once.acquire(blocking=False):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the program has already been run")
        self._requests.put(request)
        return self._responses.get()

    def serve_program(self, run: Callable[[bytes], bytes]) -> None:
        """Wait for a request and run the program in this thread, which must be the main thread."""
        self._responses.put(run(self._requests.get()))


def _answer(response: bytes) -> Any:
    return lambda _request, _context: response


def _field(number: int, text: str) -> bytes:
    """An encoded string field of a protobuf message."""
    value = text.encode()
    length, rest = b"", len(value)
    while rest > 0x7F:
        length += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + value


# --- the process ----------------------------------------------------------------------------------------------------


def _main() -> None:
    confine()  # before other threads start, which it would not confine
    gc.disable()  # imported modules last as long as the process
    runtime = LanguageRuntime()
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[runtime.handlers], options=_OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    os.write(sys.stdin.fileno(), f"127.0.0.1:{port}\n".encode())
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]  # both are pipes

    from ops.engines.program.launch import answer, end_with_standard_input, forget_command, import_ahead

    end_with_standard_input()
    forget_command()
    import_ahead(Path(__file__).parents[3])
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    gc.enable()
    runtime.serve_program(answer)
    threading.Event().wait()  # the response is still being sent; the parent ends this process


if __name__ == "__main__":
    try:
        _main()
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # a request may still be waiting in a thread
