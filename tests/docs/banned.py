"""Phrases that read as translated English, and where the project still uses them.

Checks every Markdown page, every comment and string of Python, and the comments and names of workflows.
`python -m tests.docs.banned` lists the findings.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.source_files import product_packages, source_files

PHRASES = {
    r"\bstands? (in|beside|behind|there|below|above|with)\b": "is in, is listed in, is beside",
    r"\bgoes? before\b": "takes precedence over",
    r"\blives? no more\b|is no more\b": "is no longer running, no longer exists",
    r"of today\b|as it is today\b": "current, up to date",
    r"\banew\b": "again",
    r"\bmended\b|\bmending\b": "fixed",
    r"(?<!for )\ball the same\b(?! (to|as|or)\b)": "anyway",
    r"\btells Slack\b|\btold of\b|\b(is|are) told\b(?! apart)": "is reported, posts to Slack",
    r"\bpeople (write|start)\b": "written manually, started manually",
    r"\b(by|for|of|and) who (plans|applies)\b": "planner, applier",
    r"whom it may read\b": "the projects that it may read",
    r"who holds it\b": "lock owner",
    r"what the cloud says\b|what the cloud has\b": "actual state, live resource",
    r"\bbelongs? into\b": "belongs in",
    r"if you mean it\b": "to confirm",
    r"a number of hours after which\b": "expires after N hours",
    r"what came of it\b": "result",
    r"for whoever\b": "for anyone who",
    r"\bhalf way\b": "halfway",
}
"""Regular expressions of phrases, with what to write instead."""

_PATTERN = re.compile("|".join(f"(?P<p{n}>{phrase})" for n, phrase in enumerate(PHRASES)), re.IGNORECASE)
_ADVICE = list(PHRASES.values())
_SKIPPED = {"tests/docs/banned.py", "tests/docs/test_style.py"}
_TEXT_TOKENS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    phrase: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.phrase}': write {self.advice}"


def findings(root: Path = ROOT) -> Iterator[Finding]:
    """Every banned phrase in the project's text, in the order of the files."""
    for path in text_files(root):
        name = path.relative_to(root).as_posix()
        if name not in _SKIPPED:
            yield from check(name, path.read_text(encoding="utf-8"))


def check(name: str, content: str) -> Iterator[Finding]:
    """The banned phrases of one file. Of Python, only comments and strings count."""
    pieces = _python_text(content) if name.endswith(".py") else enumerate(content.splitlines(), 1)
    for line, text in pieces:
        for match in _PATTERN.finditer(text):
            number = int((match.lastgroup or "p0")[1:])
            yield Finding(name, line + text.count("\n", 0, match.start()), match[0], _ADVICE[number])


def text_files(root: Path) -> Iterable[Path]:
    """Files with text that people read: pages, Python and workflows."""
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    folders = (*product_packages(root), "benchmarks", "tests")
    python = [path for folder in folders for path in source_files(root / folder)]
    workflows = [*(root / ".github").rglob("*.yml")]
    return sorted({*pages, *python, *workflows})


def _python_text(content: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type in _TEXT_TOKENS:
            yield token.start[0], token.string


def main() -> int:
    found = list(findings())
    print(*found, f"{len(found)} banned phrase{'' if len(found) == 1 else 's'}", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
