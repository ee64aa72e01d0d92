"""Compiled Python, kept for as long as a run of tests or benchmarks lasts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

FOLDER_VARIABLE = "SNU_TEST_BYTECODE"
"""Names a folder that outlives the run, for many runs of few tests."""


@contextmanager
def kept_bytecode() -> Iterator[None]:
    """Let every Python process keep what it compiles, as Python does by itself, but in a folder of this run.

    Where the environment forbids it, each process compiles over a thousand modules anew, which takes longer than
    most of what it is started for.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    with _folder() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _folder() -> AbstractContextManager[str]:
    if kept := os.environ.get(FOLDER_VARIABLE):
        return nullcontext(kept)
    return tempfile.TemporaryDirectory(prefix="snu-bytecode-", ignore_cleanup_errors=True)
