"""The shell commands of the documentation: every fenced `sh` block, split into complete statements.

An `output` block after it quotes what its last statement prints.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})\s*(?P<language>[^\s`]*)")
_STATUS = re.compile(r"#.*\bexits with status (\d+)")
_LANGUAGE = "sh"
_OUTPUT = "output"
_ELLIPSIS = "…"
_OTHER_SHELLS = {"bash", "console", "shell", "terminal", "zsh"}


class DocumentError(Exception):
    """A document whose commands cannot be read; the message names the file and the line."""


@dataclass(frozen=True)
class Statement:
    """A complete shell statement, as the document has it."""

    document: str
    """Path of the document, relative to the project."""
    line: int
    """Line on which the statement begins, counted from 1."""
    source: str
    code: str
    """The source without comments."""
    output: tuple[str, ...] = ()
    """Lines that the document quotes of its output."""

    @property
    def status(self) -> int:
        """The expected exit status: 0, unless a comment says `# exits with status 12`."""
        stated = _STATUS.search(self.source)
        return int(stated[1]) if stated else 0

    def missing_lines(self, output: str) -> list[str]:
        """The quoted lines that the output lacks, or has in another order; `…` stands for anything."""
        missing, position = [], 0
        for line in self.output:
            pattern = ".*".join(re.escape(part) for part in line.rstrip().split(_ELLIPSIS))
            match = re.compile(rf"^{pattern}\s*$", re.MULTILINE).search(output, position)
            if match:
                position = match.end()
            else:
                missing.append(line)
        return missing

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.source}"


def document_paths(project: Path) -> list[Path]:
    """README.md first, then the other pages, in the order of their names."""
    return [project / "README.md", project / "CONTRIBUTING.md", *sorted((project / "docs").rglob("*.md"))]


def statements(document: Path, project: Path) -> list[Statement]:
    """The statements of one document, in their order. Raises DocumentError for a block that bash cannot parse."""
    name = str(document.relative_to(project))
    found = list[Statement]()
    for language, line, block in _blocks(name, document.read_text().splitlines()):
        if language == _LANGUAGE:
            found += split(name, line, block)
        elif not found:
            raise DocumentError(f"{name}:{line}: a block of output without a command before it")
        else:
            found[-1] = replace(found[-1], output=tuple(line for line in block if line.strip() not in ("", _ELLIPSIS)))
    return found


def split(document: str, first_line: int, block: Iterable[str]) -> Iterator[Statement]:
    """Split the lines of a block where a statement is complete. Raises DocumentError if the last one is not."""
    begin, collected = first_line, list[str]()
    for number, line in enumerate(block, first_line):
        if not collected:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            begin = number
        collected.append(line)
        code = _parse("\n".join(collected))
        if code is not None:
            yield Statement(document, begin, "\n".join(collected), code)
            collected = []
    if collected:
        raise DocumentError(f"{document}:{begin}: bash cannot parse this statement:\n" + "\n".join(collected))


def _parse(source: str) -> str | None:
    """The statement as bash prints it, without comments; None if it is not complete.

    The statement becomes the body of a function. An open quote, substitution, here-document or continued line swallows
    the closing brace.
    """
    script = f"body() {{\n{source}\n}}\ndeclare -f body"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    bash = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", env=environment)
    if bash.returncode or bash.stderr:
        return None
    return "\n".join(line.removeprefix("    ") for line in bash.stdout.splitlines()[2:-1])


def _blocks(document: str, lines: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    """The language, the number of the first line and the lines of each block of commands or output."""
    numbered = iter(enumerate(lines, 1))
    for number, line in numbered:
        opened = _FENCE.match(line)
        if not opened:
            continue
        if opened["language"] in _OTHER_SHELLS:
            raise DocumentError(
                f"{document}:{number}: a block of {opened['language']}; write `sh` for commands, and output in a "
                "block of its own"
            )
        block = []
        for _, inner in numbered:
            if inner.strip() == opened["fence"]:
                break
            block.append(inner.removeprefix(opened["indent"]))
        else:
            raise DocumentError(f"{document}:{number}: the block is not closed")
        if opened["language"] in (_LANGUAGE, _OUTPUT):
            yield opened["language"], number + 1, block
