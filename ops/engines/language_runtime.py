"""Serves one Pulumi program to the Pulumi CLI: ``python -m ops.engines.language_runtime DESCRIPTOR``.

The service is Pulumi's LanguageRuntime (``proto/pulumi/language.proto``), which ``pulumi --client=ADDRESS`` calls in
place of a language host. The working directory is the project's folder. The server's address is written to the file
descriptor as soon as the port is bound; Pulumi's SDK is imported after that, while the CLI starts. The process ends,
with everything that the program has started, when its standard input is closed.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.engine.launch import Parameters

_SERVICE = "pulumirpc.LanguageRuntime"
_THREADS = 4
"""The CLI may ask something else while the program runs."""
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_SHOWN_TO_USER = 32
"""Status of a program that has failed and logged why."""
_EMPTY = b""
"""An empty message of any type."""


class LanguageRuntime:
    """Answers in encoded messages: Pulumi's message types are part of its SDK, which is still being imported."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[bytes] = SimpleQueue()
        self._responses: SimpleQueue[bytes] = SimpleQueue()
        self._once = threading.Lock()

    @property
    def handlers(self) -> Any:
        """The service for a gRPC server."""
        methods = {
            "Handshake": _answer(_EMPTY),
            # The engine finds each plugin by the version that the program's resources ask for.
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
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the program has been run already")
        self._requests.put(request)
        return self._responses.get()

    def serve_program(self, run: Callable[[Parameters], int]) -> None:
        """Wait for a request and run the program in this thread, which has to be the main one."""
        self._responses.put(_run_program(self._requests.get(), run))


def _answer(response: bytes) -> Any:
    return lambda _request, _context: response


def _field(number: int, text: str) -> bytes:
    """A string field of a protobuf message."""
    value = text.encode()
    length, rest = b"", len(value)
    while rest > 0x7F:
        length += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + value


def _run_program(encoded: bytes, run: Callable[[Parameters], int]) -> bytes:
    from pulumi.runtime.proto import language_pb2

    request = language_pb2.RunRequest.FromString(encoded)
    directory, served = Path(request.info.program_directory, request.info.entry_point), Path.cwd()
    if directory.resolve() != served:
        refusal = f"this process serves the program in {served}, not {directory}; remove `main` from Pulumi.yaml"
        return language_pb2.RunResponse(error=refusal).SerializeToString()
    try:
        status: object = run(
            {
                "monitor": request.monitor_address,
                "engine": request.args[0],
                "organization": request.organization,
                "project": request.project,
                "stack": request.stack,
                "dry_run": request.dryRun,
                "parallel": request.parallel,
                "config": dict(request.config),
                "secret_keys": list(request.configSecretKeys),
                "directory": str(directory),
            }
        )
    except SystemExit as error:
        status = 0 if error.code is None else error.code
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    if status == _SHOWN_TO_USER:
        response = language_pb2.RunResponse(bail=True)
    elif status == 0:
        response = language_pb2.RunResponse()
    else:
        response = language_pb2.RunResponse(error=f"the program ended with exit status {status}")
    return response.SerializeToString()


# --- the process ----------------------------------------------------------------------------------------------------


def _main() -> None:
    runtime = LanguageRuntime()
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[runtime.handlers], options=_OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    descriptor = int(sys.argv[1])
    os.write(descriptor, f"127.0.0.1:{port}\n".encode())
    os.close(descriptor)

    from localcloud.engine.launch import end_with_standard_input, forget_command, import_ahead, run

    end_with_standard_input()
    forget_command()
    import_ahead()
    runtime.serve_program(run)
    threading.Event().wait()  # the response is still being sent; the parent ends this process


if __name__ == "__main__":
    try:
        _main()
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # a request may still be waiting in a thread
