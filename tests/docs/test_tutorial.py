"""The tutorial of the release flow, followed command by command on a machine with nothing but Python and Git."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.commands import statements
from tests.docs.machine import Machine, fresh_machine
from tests.docs.shell import Shell
from tests.support.environment import ROOT
from tests.support.ports import free_port

PAGE = ROOT / "docs/tutorials/release-flow.md"
LONGEST_PAGE = 300


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    with fresh_machine(tmp_path) as machine, practice(machine) as shell:
        output, wrong_quotes = "", []
        for statement in statements(PAGE, ROOT):
            result = shell.run(_at_free_port(statement.source))
            assert result.status == statement.status, f"{statement}\nended with {result.status}:\n{result.output}"
            output += f"{result.output}\n"
            if statement.output:
                if missing := statement.missing_lines(output):
                    wrong_quotes.append(f"{statement}\nthe page quotes {missing}; the output is:\n{output}")
                output = ""
        assert not wrong_quotes, "\n".join(wrong_quotes)
        assert not (tmp_path / "practice").exists()
        assert list(machine.home.iterdir()) == []


def test_the_tutorial_is_short_enough_to_follow() -> None:
    assert len(PAGE.read_text().splitlines()) <= LONGEST_PAGE


def _at_free_port(source: str) -> str:
    """The statement with a port that no test beside this one uses."""
    create = re.compile(r"^(examples/release-flow/create \S+)$")
    return create.sub(lambda match: f"{match[1]} --port {free_port()}", source)


@contextmanager
def practice(machine: Machine) -> Iterator[Shell]:
    """A shell in the checkout. The practice project's local Scaleway is stopped if a step has failed."""
    folder = machine.project.directory.parent / "practice"
    try:
        with Shell(machine.project.directory, machine.environment) as shell:
            yield shell
    finally:
        if (folder / ".local/scaleway.pid").exists():
            os.kill(int((folder / ".local/scaleway.pid").read_text()), signal.SIGTERM)
