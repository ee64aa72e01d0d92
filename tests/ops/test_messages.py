"""Messages name commands as they can be pasted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ops.cli import COMMANDS
from tests.support.environment import ROOT
from tests.support.source_files import source_files

_HELP = ("ops/cli/", "ops/reference.py")
"""Where strings are help, which names commands without their directory."""
_COMMANDS = "|".join(name for commands in COMMANDS.values() for name in commands)
_BARE = re.compile(rf"[`\s]snu ({_COMMANDS})\b")


def test_commands_can_be_pasted() -> None:
    sources = [path for folder in ("ops", "policy", "engine") for path in source_files(ROOT / folder)]
    bare = {
        f"{name}: {text}"
        for source in sources
        if not (name := source.relative_to(ROOT).as_posix()).startswith(_HELP)
        for text in _texts(source)
        if _BARE.search(text)
    }
    assert not bare, "write scripts/snu: snu is on nobody's PATH"


def _texts(source: Path) -> Iterator[str]:
    """Strings of a module, but for its docstrings."""
    tree = ast.parse(source.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
