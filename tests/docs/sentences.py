"""Draws sentences of the project's text at random, to be read with fresh eyes: ``scripts/sentences``."""

from __future__ import annotations

import argparse
import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.environment import ROOT
from tests.support.source_files import product_packages, source_files

KINDS = ("help", "docs", "docstrings", "messages", "workflows")
_HELP_PAGE = "docs/reference/commands.md"
_LEAST_WORDS = 4

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*(\"'])")
_WORD = re.compile(r"[A-Za-z]{2,}")


@dataclass(frozen=True, order=True)
class Sentence:
    kind: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<10}  {self.path}:{self.line}\n            {self.text}"


def draw(sentences: dict[str, list[Sentence]], count: int, seed: int) -> list[Sentence]:
    """The same number of sentences of each kind, shuffled; the same ones for a seed."""
    source = random.Random(seed)
    drawn = list[Sentence]()
    for position, kind in enumerate(KINDS):
        share = count // len(KINDS) + (position < count % len(KINDS))
        candidates = sorted(set(sentences[kind]))
        drawn += source.sample(candidates, min(share, len(candidates)))
    source.shuffle(drawn)
    return drawn


def _all(root: Path = ROOT) -> Iterator[tuple[str, list[Sentence]]]:
    pages = sorted((*root.glob("*.md"), *(root / "docs").rglob("*.md")))
    help_page = root / _HELP_PAGE
    modules = [path for package in product_packages(root) for path in source_files(root / package)]
    yield "help", list(of_page("help", help_page, root))
    yield "docs", [each for page in pages if page != help_page for each in of_page("docs", page, root)]
    yield "docstrings", [each for path in modules for each in _of_module(path, root, docstrings=True)]
    yield "messages", [each for path in modules for each in _of_module(path, root, docstrings=False)]
    yield "workflows", [each for path in sorted((root / ".github").rglob("*.yml")) for each in _of_workflow(path, root)]


def _split(kind: str, path: Path, line: int, text: str, root: Path) -> Iterator[Sentence]:
    for part in _END.split(" ".join(text.split())):
        if sum(bool(_WORD.search(word)) for word in part.split()) >= _LEAST_WORDS:
            yield Sentence(kind, path.relative_to(root).as_posix(), line, part)


def of_page(kind: str, path: Path, root: Path) -> Iterator[Sentence]:
    """Paragraphs, list items and cells of tables; no code."""
    paragraph, start, fenced = list[str](), 0, False
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        text = line.strip()
        if text.startswith(("```", "~~~")):
            fenced = not fenced
        ends = fenced or not text or text.startswith(("|", "#", "- ", "```", "~~~")) or re.match(r"\d+\. ", text)
        if ends and paragraph:
            yield from _split(kind, path, start, " ".join(paragraph), root)
            paragraph = []
        if fenced or not text or text.startswith(("```", "~~~", "#", "<!--", "![")):
            continue
        if text.startswith("|"):
            for cell in text.strip("|").split(" | "):
                yield from _split(kind, path, number, cell, root)
            continue
        start = start if paragraph else number
        paragraph.append(re.sub(r"^(- |\d+\. )", "", text))


def _of_module(path: Path, root: Path, docstrings: bool) -> Iterator[Sentence]:
    """Docstrings, or the other strings that read like sentences; placeholders of f-strings read `{…}`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if (id(node) in documented) == docstrings:
            yield from _split("docstrings" if docstrings else "messages", path, node.lineno, text, root)


def _of_workflow(path: Path, root: Path) -> Iterator[Sentence]:
    """Comments, names and descriptions."""
    content = path.read_text(encoding="utf-8")
    comment, start = list[str](), 0
    for number, line in enumerate([*content.splitlines(), ""], 1):
        match = re.search(r"(?:^|\s)# ?(?!v\d)(.+)$", line)
        if comment and not line.lstrip().startswith("#"):
            yield from _split("workflows", path, start, " ".join(comment), root)
            comment = []
        if match:
            start = start if comment else number
            comment.append(match[1])
    for name in _values(yaml.safe_load(content)):
        yield from _split("workflows", path, 1, name, root)


def _values(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("name", "description") and isinstance(value, str):
                yield value
            yield from _values(value)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/sentences",
        description="Print random sentences of help, docs, docstrings, messages and workflows.",
    )
    parser.add_argument("--count", type=int, default=100, help="number of sentences (default: 100)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same sentences")
    arguments = parser.parse_args()
    seed = random.randrange(10_000) if arguments.seed is None else arguments.seed
    print(*draw(dict(_all()), arguments.count, seed), f"Seed: {seed}", sep="\n")


if __name__ == "__main__":
    main()
