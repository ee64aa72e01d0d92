"""Compiled Python, kept between runs of tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER_VARIABLE = "SNU_TEST_BYTECODE"
"""Names another folder than the checkout's own."""
_FOLDER = Path(__file__).resolve().parents[2] / ".local/bytecode"


@contextmanager
def kept_bytecode() -> Iterator[None]:
    """Let every Python process keep what it compiles, as Python does by itself, but in one folder, for later runs too.

    Where the environment forbids it, each process compiles over a thousand modules again, which takes longer than
    most of what it is started for.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    folder = os.environ.get(FOLDER_VARIABLE, str(_FOLDER))
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
        # Of the copies of the project that tests work on: each run makes its own.
        shutil.rmtree(folder + tempfile.gettempdir(), ignore_errors=True)
