"""Runs a Pulumi program in the current process, as Pulumi's language host does."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pulumi
import pulumi.runtime
from pulumi.runtime.proto import language_pb2

from ops.engines.program.provider_import import import_provider

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest, RunResponse

_PROVIDERS = ("pulumiverse_scaleway",)
"""Provider packages that programs are likely to import."""
_LIBRARIES = ("pydantic.main", "pydantic.types")
"""Other slow imports in this checkout's program."""
_PROGRAM, _PROGRAM_FILE = "infra.program", "infra/program.py"
_OWN_PACKAGES = ("ops", "pulumi_state")
"""The command's packages that this process imports; a program may have modules with the same names."""
_THREADS_PER_OPERATION = 4
_MONITOR_ENDED = "Resource monitor has terminated, shutting down"
"""The SDK's error when the engine has stopped accepting registrations and reported why (``runtime/settings.py``)."""


def _user_traceback(error: Exception, directory: str) -> str:
    """The traceback starting at the program's first frame, without this launcher's frames."""
    frames = traceback.extract_tb(error.__traceback__)
    for index, frame in enumerate(frames):
        path = Path(frame.filename)
        if path.is_relative_to(directory) and path != Path(__file__) and not path.is_relative_to(sys.prefix):
            return traceback.format_exc(limit=index - len(frames))
    if isinstance(error, SyntaxError):  # names the file and the line itself
        return "".join(traceback.format_exception_only(error))
    return traceback.format_exc()


def _run_main(directory: str) -> None:
    if not Path(directory, "__main__.py").is_file():
        raise pulumi.RunError(f"{directory} contains no program: __main__.py does not exist")
    runpy.run_path(directory, run_name="__main__")


def answer(request: bytes) -> bytes:
    """Handle an encoded ``RunRequest``; returns the encoded ``RunResponse``. Must be called in the main thread."""
    response: bytes = _answer(language_pb2.RunRequest.FromString(request)).SerializeToString()
    return response


def _answer(request: RunRequest) -> RunResponse:
    directory, served = Path(request.info.program_directory, request.info.entry_point), Path.cwd()
    if directory.resolve() != served:
        message = f"this process serves the program in {served}, not {directory}; remove `main` from Pulumi.yaml"
        return language_pb2.RunResponse(error=message)
    try:
        failed = not _run(request, str(served))
        status: object = 0
    except SystemExit as error:
        failed, status = False, 0 if error.code is None else error.code
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    if failed:
        return language_pb2.RunResponse(bail=True)
    return language_pb2.RunResponse(error=f"the program exited with status {status}" if status != 0 else "")


def _run(request: RunRequest, directory: str) -> bool:
    """Run the program; returns whether it succeeded. Errors are reported to the engine. Raises SystemExit."""
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=request.project,
            stack=request.stack,
            organization=request.organization,
            monitor=request.monitor_address,
            engine=request.args[0],
            parallel=request.parallel,
            dry_run=request.dryRun,
            root_directory=directory,
        )
    )
    # The SDK waits for the engine's response to several debug messages per resource, which no engine shows.
    pulumi.log.debug = _ignore
    sys.argv = [directory]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=_THREADS_PER_OPERATION * max(1, request.parallel))
    loop.set_default_executor(executor)
    # Futures of a failed program are never awaited; asyncio would log each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run_main(directory)))
        return True
    except pulumi.RunError as error:
        if str(error) != _MONITOR_ENDED:
            _report(str(error))
    except Exception as error:
        # The message of a failed invoke is sufficient; its traceback has no frame of the program.
        is_invoke = str(error).startswith("invoke of ")
        trace = "Program failed with an unhandled exception:\n" + _user_traceback(error, directory)
        _report(str(error) if is_invoke else trace)
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return False


def _report(message: str) -> None:
    """Report an error to the engine, unless the engine has already exited and reported why."""
    try:
        pulumi.log.error(message)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise


def _ignore(*_arguments: object, **_options: object) -> None:
    """Replaces the SDK's debug log."""


def import_ahead(checkout: Path) -> None:
    """Import slow modules while the engine prepares: libraries, and this checkout's program if it will be run."""
    for package in _PROVIDERS:
        with contextlib.suppress(ImportError):
            import_provider(package)
    for module in _LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    if _is_own_program(checkout):
        _import_program()


def _is_own_program(checkout: Path) -> bool:
    """Whether the project's program is this checkout's, or a copy, and not another program that has effects."""
    with contextlib.suppress(OSError):
        return Path(_PROGRAM_FILE).read_bytes() == (checkout / _PROGRAM_FILE).read_bytes()
    return False


def _import_program() -> None:
    """Import the modules of this checkout's program, which have no effects. Errors appear when it is run."""
    folder, before = str(Path.cwd()), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        importlib.import_module(_PROGRAM)
    except Exception:
        for name in sys.modules.keys() - before:
            del sys.modules[name]
    finally:
        sys.path.remove(folder)


def forget_command() -> None:
    """Hide the command's modules and variables from the program, which imports its own modules."""
    os.environ.pop("GRPC_VERBOSITY", None)
    checkout = os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [entry for entry in sys.path if entry != checkout]
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN_PACKAGES]:
        del sys.modules[name]


def end_with_standard_input() -> None:
    """Exit when the parent closes its end of standard input. The program itself reads an empty standard input."""
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
