"""Notes each module through whose functions a value passes. Python imports this as ``sitecustomize`` in every process.

Beside it lies ``trace.json`` with ``folder``, where each process appends lines to a file of its own, JSON lists of its
arguments, a value's name and a module, and ``values``: by name, what is looked for, a number or a text. A function
counts when one of its arguments, or what it returns, is or contains the value.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120 - called for every process
_DEPTH, _ITEMS, _CALLS = 5, 200, 3_000
"""How deep and how far a value is looked into, and how many calls of one function."""


class _Tracer:
    def __init__(self, folder: str, values: dict[str, Any]) -> None:
        self._folder = folder
        self._values = values
        self._patterns = {
            name: re.compile(rf"max_?[sS]cale\W{{1,4}}{value}\b" if isinstance(value, int) else re.escape(value))
            for name, value in values.items()
        }
        self._calls: dict[Any, int] = {}
        self._left: dict[str, set[str]] = {}

    def profile(self, frame: FrameType, event: str, returned: Any) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(_ROOT) or "/.venv/" in code.co_filename:
            return
        left = self._left.setdefault(code.co_filename, set(self._values))
        calls = self._calls[code] = self._calls.get(code, 0) + 1
        if not left or calls > _CALLS:
            return
        if event == "call":
            count = code.co_argcount + code.co_kwonlyargcount
            looked_at = [frame.f_locals.get(name) for name in code.co_varnames[:count]]
        else:
            looked_at = [returned]
        for name in [name for name in left if any(self._holds(each, name, _DEPTH) for each in looked_at)]:
            left.discard(name)
            module = code.co_filename.removeprefix(_ROOT).removesuffix(".py").replace(os.sep, ".")
            with (Path(self._folder) / str(os.getpid())).open("a") as file:
                file.write(json.dumps([sys.orig_argv, name, module]) + "\n")

    def _holds(self, value: Any, name: str, depth: int) -> bool:
        if isinstance(value, bool) or value is None or depth == 0:
            return False
        if isinstance(value, int | float):
            return bool(value == self._values[name])
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, str):
            return self._patterns[name].search(value) is not None
        if isinstance(value, dict):
            inside = list(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            inside = list(value)
        elif type(value).__module__.partition(".")[0] in _PACKAGES:
            inside = list(getattr(value, "__dict__", {}).values())
        else:
            return False
        return any(self._holds(each, name, depth - 1) for each in inside[:_ITEMS])


_PACKAGES = {entry.name for entry in os.scandir(_ROOT) if entry.is_dir()}
_file = Path(_ROOT) / "trace.json"
if _file.exists():
    _settings = json.loads(_file.read_text())
    _profile = _Tracer(_settings["folder"], _settings["values"]).profile
    threading.setprofile(_profile)
    sys.setprofile(_profile)
