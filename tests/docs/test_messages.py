"""Messages that pages quote, in tables with the heading `message`, are messages of the product."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.commands import document_paths
from tests.support.environment import ROOT
from tests.support.source_files import source_files

_SOURCES = ("ops", "infra", "engine", "localcloud", "pulumi_state", "gitrepo", "policy", "apps", "scripts")
_HEADING = "| message |"
_VALUE = "\0"
"""A value in a message of the code; pages have an example, a name in capitals or `…` there."""
_PLACEHOLDER = re.compile(r"…|\bN\b|\b[A-Z]{4,}\b|\d+")

OTHER_PROGRAMS = {
    "Attempting to deploy or update resources with N pending operations": "Pulumi",
    "the stack is currently locked by 1 lock(s)": "Pulumi",
    "failed to load checkpoint: EOF": "Pulumi",
    "connection timed out": "PostgreSQL's client",
    "certificate verify failed": "PostgreSQL's client",
}
"""Quoted messages of other programs."""


class Quote(NamedTuple):
    page: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.message}"


def quotes() -> Iterator[Quote]:
    """The quoted messages of two words or more. Commands in the same column are left out."""
    for path in document_paths(ROOT):
        in_table = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            in_table = line.startswith("|") and (in_table or line.startswith(_HEADING))
            if in_table:
                for message in re.findall(r"`([^`]+)`", line.split("|")[1]):
                    if " " in message and not re.match(r"(scripts/)?snu |pulumi |state ", message):
                        yield Quote(str(path.relative_to(ROOT)), number, message)


@cache
def source_text() -> str:
    """The strings of the product's Python code, and its JavaScript and shell files; values as ``_VALUE``."""
    paths = (path for folder in _SOURCES for path in source_files(ROOT / folder, "*"))
    return "\n".join(text for path in paths for text in strings(path))


def strings(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield " ".join(node.value.split())
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else _VALUE for part in node.values)
                yield " ".join("".join(str(part) for part in parts).split())
    elif path.suffix == ".js" or path.parent.name == "scripts":
        yield path.read_text()


def is_known(message: str, text: str) -> bool:
    """Whether the text contains the words between the message's values; a part's outer words may be values too."""
    return all(_contains(text, part.strip(" .:").split()) for part in _PLACEHOLDER.split(message))


def _contains(text: str, words: list[str]) -> bool:
    candidates = (words, words[1:], words[:-1], words[1:-1])
    return len(words) < 2 or any(" ".join(each) in text for each in candidates if each)


@pytest.mark.parametrize("quote", tuple(quotes()), ids=str)
def test_a_quoted_message_exists(quote: Quote) -> None:
    if quote.message not in OTHER_PROGRAMS:
        assert is_known(quote.message, source_text()), f"no message of the product reads like this: {quote}"


def test_exceptions_are_quoted() -> None:
    assert OTHER_PROGRAMS.keys() <= {quote.message for quote in quotes()}


def test_a_message_with_other_words_is_unknown() -> None:
    text = f"{_VALUE}: the state is older than what the run of {_VALUE} left"
    assert is_known("the state is older than what the run of … left", text)
    assert is_known("stage: the state is older than", text)
    assert not is_known("the state is newer than what the run of … left", text)
