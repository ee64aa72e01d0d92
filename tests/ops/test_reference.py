"""The documents say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.cli import complete_group
from ops.exit_codes import ExitCode
from ops.reference import commands_page
from tests.support.environment import ROOT

_STATUS_OF_AN_APP = 78
"""Of one whose variables are missing or wrong."""
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_of_commands_is_up_to_date() -> None:
    assert (ROOT / "docs/reference/commands.md").read_text() == commands_page().rstrip() + "\n", (
        "run: python -m ops.reference > docs/reference/commands.md"
    )


def test_exit_codes_differ_and_are_documented() -> None:
    assert len({int(code) for code in ExitCode}) == len(ExitCode)
    assert all(f"| {int(code)} | {code.meaning} |" in commands_page() for code in ExitCode)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_statuses_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"(?:ends with|status|^\|) (\d+)\b", page.read_text(), re.MULTILINE)
    assert {*map(int, named)} <= {*map(int, ExitCode), _STATUS_OF_AN_APP}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_and_commands_exist(page: object) -> None:
    path = ROOT / str(page)
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (path.parent / target).exists(), target
    for script in re.findall(r"\bscripts/([a-z-]+)", text):
        assert (ROOT / "scripts" / script).exists(), script
    for command in re.findall(r"scripts/snu ([a-z]+)", text):
        assert command in complete_group().commands, command
