"""Runs a Pulumi program in a process of its own, as Pulumi's language host does.

Standard input carries one JSON object: ``monitor``, ``engine``, ``project``, ``stack``, ``dry_run``,
``parallel``, ``config``, ``secret_keys``, ``directory``. Secrets thus stand neither in arguments nor in the
environment. Exit status 0: the program ran; 32: it failed and said why.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime

SHOWN_TO_USER = 32
_PROVIDERS = ("pulumiverse_scaleway",)
"""The packages that this engine knows. A program imports one in all likelihood, which takes longer than all else."""
_THREADS_PER_OPERATION = 4


def _user_traceback(directory: str) -> str:
    """The traceback from the program's first line on, without the frames of this launcher."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if Path(frame.filename).absolute().is_relative_to(directory):
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


def _run_main(directory: str) -> None:
    runpy.run_path(directory, run_name="__main__")


def _run(parameters: dict[str, Any]) -> int:
    directory = str(Path(parameters["directory"]).resolve())
    pulumi.runtime.set_all_config(parameters["config"], parameters["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=parameters["project"],
            stack=parameters["stack"],
            organization="organization",
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
        trace = "Program failed with an unhandled exception:\n" + _user_traceback(directory)
        pulumi.log.error(str(error) if is_lookup else trace)
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return SHOWN_TO_USER


def _import_ahead() -> None:
    """Import what takes long while the engine prepares."""
    for package in _PROVIDERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(package)


if __name__ == "__main__":
    _import_ahead()
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    status = _run(json.loads(line))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
