"""Phrases that read as translated English: `python -m tests.docs.banned` lists them."""

from __future__ import annotations

from tests.docs.banned import check, findings


def test_no_text_has_a_banned_phrase() -> None:
    found = list(findings())
    assert not found, "\n".join(map(str, found))


def test_a_phrase_is_found_in_comments_and_strings_only() -> None:
    code = 'is_told = 1  # Slack is told\n"""One.\n\nMade anew.\n"""\nprint(f"the key {is_told} stands in a file")\n'
    found = [(finding.line, finding.phrase) for finding in check("module.py", code)]
    assert found == [(1, "is told"), (4, "anew"), (6, "stands in")]


def test_a_page_is_checked_line_by_line() -> None:
    assert [str(finding) for finding in check("page.md", "One.\nMended.\n")] == ["page.md:2: 'Mended': write fixed"]
