"""Durations of the command line's options."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ops.cli import complete_group
from ops.cli.options import duration
from ops.durations import seconds_of, shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("1.5s", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061)],
)
def test_what_is_a_duration(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "-5", "1m2h", "1.5h", "nan", "1e3", "99999999d", "1 m"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; expected a value such as 2d|longer than 100 years"):
        seconds_of(text)


@given(st.integers(0, 10_000_000))
def test_what_is_shown_is_read(seconds: int) -> None:
    assert seconds_of(shown(seconds)) == seconds


def test_a_bare_number_counts_the_options_own_unit() -> None:
    assert duration("d")("60") == duration("d")("60d") == 60 * 86_400
    assert duration("h")("24") == duration()("1d")
    with pytest.raises(typer.BadParameter, match="0 is too short; expected at least 1h"):
        duration("h", least=3600)("0")


def test_every_option_that_takes_time_takes_a_duration() -> None:
    times = {
        name: option.metavar
        for command in _commands(complete_group())
        for option in command.params
        for name in option.opts
        if name in ("--wait", "--lock-timeout", "--timeout", "--transitions", "--expire-after", "--older-than")
        or option.metavar in ("SECONDS", "MINUTES", "HOURS", "DAYS")
    }
    assert set(times.values()) == {"DURATION"}, times


def _commands(group: Any) -> list[Any]:
    if not hasattr(group, "commands"):
        return [group]
    return [command for each in group.commands.values() for command in _commands(each)]
