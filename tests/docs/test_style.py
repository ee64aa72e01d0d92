"""Phrases that read as translated English: `python -m tests.docs.banned` lists them."""

from __future__ import annotations

from collections import Counter

from tests.docs.banned import check, findings

ALLOWED = {
    "docs": 18,
    "infra": 21,
    "ops": 63,
    "policy": 1,
    "tests": 49,
}
"""Number of findings by folder that are not yet corrected. Numbers only go down."""


def test_no_banned_phrase_is_added() -> None:
    found = list(findings())
    by_folder = Counter(finding.path.partition("/")[0] for finding in found)
    excess = {folder for folder, number in by_folder.items() if number > ALLOWED.get(folder, 0)}
    assert not excess, "\n".join(str(finding) for finding in found if finding.path.partition("/")[0] in excess)


def test_a_phrase_is_found_in_comments_and_strings_only() -> None:
    code = 'is_told = 1  # Slack is told\n"""One.\n\nMade anew.\n"""\nprint(f"the key {is_told} stands in a file")\n'
    found = [(finding.line, finding.phrase) for finding in check("module.py", code)]
    assert found == [(1, "is told"), (4, "anew"), (6, "stands in")]


def test_a_page_is_checked_line_by_line() -> None:
    assert [str(finding) for finding in check("page.md", "One.\nMended.\n")] == ["page.md:2: 'Mended': write fixed"]
