"""Runs a program by calling its process as Pulumi's engine calls a language host, and follows its output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from ops.engines.program.process import Program
from pulumi_state.protocol import language_pb2

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest

_RUN = "/pulumirpc.LanguageRuntime/Run"
_END_SECONDS = 5.0
"""Time to wait for a process to exit after it has broken the connection."""
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


async def run(program: Program, request: RunRequest, on_output: Callable[[str, str], None]) -> tuple[bool, str]:
    """Run the program; returns whether it succeeded, and any error that it did not report itself.

    ``on_output`` receives a severity (``info`` or ``info#err``) and a line. Raises EngineError if the process does not
    start.
    """
    address = await asyncio.to_thread(lambda: program.address)
    with _followed(program, on_output):
        async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
            call = channel.unary_unary(
                _RUN,
                request_serializer=language_pb2.RunRequest.SerializeToString,
                response_deserializer=language_pb2.RunResponse.FromString,
            )
            try:
                response = await call(request)
            except grpc.aio.AioRpcError as error:
                status = await asyncio.to_thread(program.exit_status, _END_SECONDS)
                problem = error.details() if status is None else f"the program exited with status {status}"
                return False, problem or "the connection to the program's process was lost"
    return not (response.bail or response.error), response.error


@contextmanager
def _followed(program: Program, on_output: Callable[[str, str], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def take() -> None:
        for severity, line in program.output():
            on_output(severity, line)
        for lines in program.outputs:
            if lines.closed:
                loop.remove_reader(lines.descriptor)

    for lines in program.outputs:
        loop.add_reader(lines.descriptor, take)
    try:
        yield
    finally:
        for lines in program.outputs:
            loop.remove_reader(lines.descriptor)
        for severity, line in program.output(ended=True):
            on_output(severity, line)
