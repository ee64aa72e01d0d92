"""Any value of a variable arrives in the page as it is, and changes nothing else there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.apps.values import NASTY
from tests.support.apps.workspace import Workspace

Substitute = Callable[[dict[str, str]], dict[str, Any]]

# What an environment can hold: no NUL, and no half of a pair.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_PARTS = st.sampled_from([*NASTY.values(), "<", ">", "</", "script", "<!--", "-->", "]]>", "'", '"', "\\", "$", "`"])
_VALUES = _TEXTS | st.lists(_PARTS | _TEXTS, max_size=5).map("".join)
_NAMES = st.from_regex(r"VITE_[A-Z0-9_]{1,10}", fullmatch=True)


@pytest.fixture(scope="module")
def substitute(workspace: Workspace) -> Iterator[Substitute]:
    script = Path(__file__).with_name("substitute.mjs")
    with subprocess.Popen(
        [*workspace.node, str(script), str(workspace.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(values: dict[str, str]) -> dict[str, Any]:
            stdin.write(json.dumps(values).encode() + b"\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
            assert isinstance(answer, dict)
            return answer

        yield ask
        stdin.close()


class _Elements(HTMLParser):
    """The elements that a browser sees, and the contents of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_any_value_arrives_intact(substitute: Substitute, values: dict[str, str]) -> None:
    answer = substitute(values)
    assert answer["values"] == values
    assert _Elements(answer["html"]).found == ["script", "p"]
    assert answer["html"].isascii()
