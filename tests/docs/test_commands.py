"""The commands of the documentation, run in order on a fresh machine, exactly as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.commands import Statement, document_paths, statements
from tests.docs.machine import Machine, fresh_machine
from tests.docs.shell import Shell
from tests.support.environment import ROOT

_STACKS = r"(ci|stage|production|foundation-ci|foundation-stage|foundation-production)\b"

NOT_RUN = {
    "has a placeholder that the reader replaces": (
        "…",
        r"\bSTACK\b",
        r"\b(HOST|NAME|OWNER/NAME|REVISION)\b",
        r"\.tfstate\b",
        r"\b2026-11-26\.1\b",
    ),
    "needs a Scaleway account": (
        rf"^scripts/snu (alerts|bootstrap|drift|plan|preview|promote|rollback|up) {_STACKS}",
        rf"^scripts/snu keys \w+ {_STACKS}",
        rf"^scripts/snu secrets \w+ {_STACKS}",
        rf"\bpulumi stack \w+ --stack {_STACKS}",
        r"^scripts/snu apply (stage|production)\.plan\b",
        rf"^scripts/snu images (build|clean) {_STACKS}",
        r"\bscripts/snu state \w+ (stage|scratch)\b",
        r"^pulumi (stack select stage|preview)$",
        r"^scripts/snu alerts$",
        r"^scripts/snu env (up|down|list|sweep)\b",
        r"^scripts/snu hotfix (check|build)\b",
    ),
    "needs a remote repository": (r"^scripts/snu release (push|publish)\b",),
    "needs Docker": (
        r"^docker\b",
        r"^scripts/snu images build local$",
        r"^scripts/snu logs api --follow$",
        r"^pulumi .*\bdev\b",
    ),
    "needs the Pulumi CLI; tests/e2e/test_policy_pack.py does the same": (r"^pulumi preview --policy-pack\b",),
    "needs the Pulumi CLI; tests/components does the same": (
        r"^pulumi (-C \S+ )?(package add|install|stack init|up)\b",
    ),
    "needs npm's registry; tests/apps does the same": (r"\bnpm (ci|start|run|test)\b",),
    "does not end by itself": (r"^scripts/snu local logs -f$",),
    "tests, measures or changes the checkout itself": (r"^scripts/(bench|licences|lock|mutations|test)\b",),
}
"""Reasons why statements are not run on a fresh machine, and patterns of these statements. All others are run."""


def reason(statement: Statement) -> str | None:
    """Why the statement is not run; None if it is."""
    for why, patterns in NOT_RUN.items():
        if any(re.search(pattern, statement.code) for pattern in patterns):
            return why
    return None


TUTORIALS = ("docs/tutorials/first-hour.md",)
"""Pages that start on a fresh machine of their own; the other pages follow one another on one machine.

`test_tutorial.py` follows the tutorial of the release flow.
"""
NOT_IN_SEQUENCE = ("docs/tutorials/", "docs/reference/commands.md")
"""Tutorials, and the examples of the generated command reference, each of which needs a situation of its own."""


@pytest.fixture(scope="module")
def documents() -> list[list[Statement]]:
    """The statements of each page."""
    return [statements(path, ROOT) for path in document_paths(ROOT)]


def test_the_commands_of_the_pages_work_one_after_another(documents: list[list[Statement]], tmp_path: Path) -> None:
    check([page for page in documents if page and not page[0].document.startswith(NOT_IN_SEQUENCE)], tmp_path)


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_a_tutorial_works_on_a_fresh_machine(tutorial: str, tmp_path: Path) -> None:
    check([statements(ROOT / tutorial, ROOT)], tmp_path)


def check(pages: list[list[Statement]], folder: Path) -> None:
    """Run the pages on a fresh machine in an empty folder."""
    failures: list[str] = []
    with fresh_machine(folder) as machine:
        for page in pages:
            failures += run(page, machine)
        failures += [f"written to the home folder: {path}" for path in sorted(machine.home.iterdir())]
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)


def run(document: list[Statement], machine: Machine) -> list[str]:
    """Run a document's statements in one shell; gives a description of each that failed."""
    failures = []
    with Shell(machine.project.directory, machine.environment) as shell:
        for statement in document:
            if reason(statement) is not None:
                continue
            result = shell.run(machine.at_own_port(statement.source))
            if result.status == statement.status:
                if missing := statement.missing_lines(machine.at_documented_port(result.output)):
                    quoted = "\n".join(missing)
                    failures.append(f"{statement}\nprints other lines than the page quotes:\n{quoted}\n{result.output}")
                continue
            shell_ended = result.status is None
            how = "did not end in time, or ended the shell" if shell_ended else f"ended with status {result.status}"
            failures.append(f"{statement}\n{how}; expected status {statement.status}:\n{result.output}")
            if shell_ended:
                break
    return failures


def test_every_exclusion_is_needed(documents: list[list[Statement]]) -> None:
    code = [statement.code for document in documents for statement in document]
    patterns = [pattern for excluded in NOT_RUN.values() for pattern in excluded]
    stale = [pattern for pattern in patterns if not any(re.search(pattern, each) for each in code)]
    assert not stale, f"no document has a command that these patterns match: {stale}"
