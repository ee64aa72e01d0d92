"""Runs a Pulumi program in the current process, as Pulumi's language host does.

``python -m localcloud.engine.launch``, with the checkout in PYTHONPATH, reads its parameters from standard input, as
one JSON object, so that secrets are neither in arguments nor in the environment; its exit status is what ``run``
returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import pulumi
import pulumi.runtime

from localcloud.engine.provider_import import import_provider

SHOWN_TO_USER = 32
_PROVIDERS = ("pulumiverse_scaleway",)
"""The packages that this engine knows; a program imports one in all likelihood."""
_THREADS_PER_OPERATION = 4


class Parameters(TypedDict):
    """What a program is run with."""

    monitor: str
    """Address of the engine's ResourceMonitor service."""
    engine: str
    """Address of the engine's Engine service."""
    organization: str
    project: str
    stack: str
    dry_run: bool
    parallel: int
    """Resource operations at the same time."""
    config: dict[str, str]
    """The stack's configuration in clear, by full key."""
    secret_keys: list[str]
    """Keys of ``config`` whose values are secret."""
    directory: str
    """Folder of Pulumi.yaml, in which the program runs."""


def _user_traceback(error: Exception, directory: str) -> str:
    """The traceback from the program's first line on, without the frames of this launcher and of packages."""
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


def run(parameters: Parameters) -> int:
    """Run the program in the main thread; what goes wrong is logged to the engine.

    Returns 0 if the program ran, 32 if it failed and its error was logged. Raises SystemExit if the program does.
    """
    directory = str(Path(parameters["directory"]).resolve())
    pulumi.runtime.set_all_config(parameters["config"], parameters["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=parameters["project"],
            stack=parameters["stack"],
            organization=parameters["organization"],
            monitor=parameters["monitor"],
            engine=parameters["engine"],
            parallel=parameters["parallel"],
            dry_run=parameters["dry_run"],
            root_directory=directory,
        )
    )
    os.chdir(directory)
    sys.argv = [directory]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=_THREADS_PER_OPERATION * max(1, parameters["parallel"]))
    loop.set_default_executor(executor)
    # Futures of a program that failed are never awaited; asyncio would complain about each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run_main(directory)))
        return 0
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
    except Exception as error:
        # What a look-up was refused for says it all; no frame of its traceback is the user's.
        is_lookup = str(error).startswith("invoke of ")
        trace = "Program failed with an unhandled exception:\n" + _user_traceback(error, directory)
        pulumi.log.error(str(error) if is_lookup else trace)
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return SHOWN_TO_USER


def _forget(*_arguments: object, **_options: object) -> None:
    """Takes a debug line's place."""


def import_ahead() -> None:
    """Import what takes long while the engine prepares."""
    for package in _PROVIDERS:
        with contextlib.suppress(ImportError):
            import_provider(package)


def forget_command() -> None:
    """The program imports its own modules, and never those of the command; nor does it see our variables."""
    os.environ.pop("GRPC_VERBOSITY", None)
    checkout = os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [entry for entry in sys.path if entry != checkout]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ops", "localcloud")]:
        del sys.modules[name]


def end_with_standard_input() -> None:
    """The parent keeps the other end of the pipe open for as long as it lives, and the program reads nothing."""
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


def _main() -> None:
    forget_command()
    import_ahead()
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    end_with_standard_input()
    # The SDK waits for the engine's answer to several debug lines of each resource, of which this engine shows none.
    pulumi.log.debug = _forget
    status = run(json.loads(line))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _main()
