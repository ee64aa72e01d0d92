"""The pages outside the site: their links and paths, and the drawing of sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.sentences import KINDS, Sentence, draw, of_page
from tests.support.environment import ROOT

PAGES = sorted(ROOT.glob("*.md"))
README_LINES = 100
LEAST_ROWS = 25

_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#([^)\s]*))?\)")
_PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:yaml|toml|md))`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text()):
        path = page.parent / target
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def rows() -> list[str]:
    """The rows of the table in CONTRIBUTING.md, without those that only head a group."""
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## To change X")[2].partition("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| ") and not line.endswith("| | |")][1:]


def test_the_table_of_changes_is_complete() -> None:
    assert len(rows()) >= LEAST_ROWS


@pytest.mark.parametrize("row", rows())
def test_a_row_names_existing_paths(row: str) -> None:
    paths = [*_PATH.findall(row), *re.findall(r"\b(?:tests|scripts)/[\w./-]+", row)]
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"{missing}: {row}"


def test_readme_is_at_most_two_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_the_same_seed_draws_the_same_sentences() -> None:
    sentences = {kind: [Sentence(kind, "page.md", line, f"Sentence {line}.") for line in range(9)] for kind in KINDS}
    drawn = draw(sentences, 20, seed=1)
    assert drawn == draw(sentences, 20, seed=1)
    assert [sum(sentence.kind == kind for sentence in drawn) for kind in KINDS] == [4] * len(KINDS)


def test_sentences_of_a_page_are_those_that_people_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Title of the page\n\nOne sentence of some\nwords. And this one too.\n\n```sh\nno sentence at all\n```\n"
    )
    assert [(each.line, each.text) for each in of_page("docs", page, tmp_path)] == [
        (3, "One sentence of some words."),
        (3, "And this one too."),
    ]
