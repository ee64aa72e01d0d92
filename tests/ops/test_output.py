"""Whatever a text holds, it does not control the terminal that shows it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.text import Text

from ops.report.console import CleanConsole
from ops.report.output import CleanOutput, clean
from ops.report.plain import PlainPrinter
from ops.report.terminal import TerminalPrinter
from ops.report.text import Line
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON

_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_HOSTILE = "\x1b]0;title\x07\x1b[2K\r\x9b2J\u202e\x7f"

texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(_HOSTILE)))


class _Terminal(io.BytesIO):
    """Keeps what it gets, and is a terminal."""

    def isatty(self) -> bool:
        return True


def clean_terminal() -> CleanOutput:
    return CleanOutput(io.TextIOWrapper(_Terminal(), encoding="utf-8"))


def _shown(stream: TextIO) -> str:
    stream.flush()
    content = stream.buffer
    assert isinstance(content, io.BytesIO)
    return content.getvalue().decode()


def _controls(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) == "Cc" and each not in "\n\t"} | ({"\u202e"} & {*text})


@given(texts)
def test_every_way_of_output_is_clean(text: str) -> None:
    plain, styled = clean_terminal(), clean_terminal()
    print(text, file=plain)
    PlainPrinter(plain).print([Line.of(text)])
    assert _controls(_shown(plain)) == set()
    TerminalPrinter(styled).print([Line.of((text, "bold red"), text)])
    assert _controls(_STYLES.sub("", _shown(styled))) == set()


def test_styles_and_spinners_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    stream = clean_terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Live(Text(f"waits for {_HOSTILE}"), console=CleanConsole(stream), transient=True):
        print(f"from {_HOSTILE}")  # rich takes standard output over
    TerminalPrinter(stream).print([Line.of(("red", "red"))])
    shown = _shown(stream)
    assert "\x1b[?25l" in shown  # the cursor is hidden meanwhile
    assert "\x1b[31mred" in shown
    assert "waits for \\u001b]0;title" in shown
    for sequence in ("\x1b]", "\x9b", "\u202e", "\x07"):
        assert sequence not in shown


@given(st.recursive(st.none() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5))
def test_json_means_the_same(value: object) -> None:
    assert json.loads(clean(json.dumps(value, indent=2, ensure_ascii=False))) == value


def test_ordinary_text_stays() -> None:
    for text in ("a\tb\nc", "é œ “ ” — … ✓ 🇫🇷", "\u00a0"):
        assert clean(text) == text


def test_the_command_is_clean() -> None:
    """Errors name what was given."""
    ours, its = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ops", "up", _HOSTILE.replace("\r", "")],
        cwd=ROOT,
        env=clean_environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    with os.fdopen(ours, "rb", buffering=0) as output:
        shown = output.read(100_000).decode()
    assert done.returncode != 0
    assert "\\u001b]0;title" in shown
    assert _controls(shown.replace("\r\n", "\n")) == set()


@pytest.mark.parametrize(
    ("redirection", "status", "message"),
    [
        (">/dev/full", 1, "error: The output could not be written: No space left on device\n"),
        (">&-", 0, ""),
        ("| true", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["--version", "cost local", "open api --print"])
def test_output_that_cannot_be_written_is_one_error(command: str, redirection: str, status: int, message: str) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"{REAL_PYTHON}" -m ops {command} {redirection}'],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (status, message)
