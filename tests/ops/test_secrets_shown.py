"""A secret reads ``[secret]`` wherever it is in a resource's inputs, and whatever becomes of it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.drift import report
from ops.drift.findings import StackDrift
from ops.engines.base import EngineEvent
from ops.findings import findings_of
from ops.report.markdown import plan_markdown
from ops.report.plain import PlainDisplay, PlainPrinter
from ops.steps import Step
from pulumi_state.values import Secret, redact, to_checkpoint, unwrap
from tests.ops.events import CONTAINER, step, summary

_HIDDEN, _OPEN = "hush", "open"
_MISSING: Any = object()

Paths = dict[str, str]
"""Kinds of differences by property path."""


def _cli(value: Any) -> Any:
    """A value as the Pulumi CLI's events have it."""
    return to_checkpoint(value, lambda _content: "[secret]")


as_either_engine = pytest.mark.parametrize("as_event", [_cli, redact], ids=["pulumi", "embedded"])


def _values(leaf: str) -> st.SearchStrategy[Any]:
    leaves = st.integers(0, 3).map(lambda number: f"{leaf}{number}")
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=4
    )


secrets = _values(_HIDDEN).map(Secret)
inputs = st.dictionaries(
    st.sampled_from(["args", "env", "data"]),
    secrets
    | _values(_OPEN)
    | st.dictionaries(st.sampled_from("abc"), secrets | _values(_OPEN))
    | st.lists(secrets | _values(_OPEN), max_size=2),
    min_size=1,
)


def _differences(path: str, old: Any, new: Any, *, expanded: bool) -> Iterator[tuple[str, str]]:
    """As a provider reports them, which sees the secrets; ``expanded``: what comes or goes is named by its parts."""
    parts: Any = old if new is _MISSING else new
    if (isinstance(old, dict) and isinstance(new, dict)) or (expanded and isinstance(parts, dict) and parts):
        before, after = (side if isinstance(side, dict) else {} for side in (old, new))
        if _MISSING in (old, new) or isinstance(old, dict) == isinstance(new, dict):
            for key in sorted(before.keys() | after.keys()):
                inner = f"{path}.{key}" if path else key
                sides = (before.get(key, _MISSING), after.get(key, _MISSING))
                yield from _differences(inner, *sides, expanded=expanded)
            return
    if isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            sides = tuple(side[index] if index < len(side) else _MISSING for side in (old, new))
            yield from _differences(f"{path}[{index}]", *sides, expanded=expanded)
    elif old is _MISSING or new is _MISSING:
        yield path, "add" if old is _MISSING else "delete"
    elif old != new:
        yield path, "update"


def _is_hidden(value: Any, path: str) -> bool:
    """Whether the path leads into a secret."""
    if isinstance(value, Secret) or not path:
        return isinstance(value, Secret)
    head, _, rest = path.replace("[", ".").replace("]", "").partition(".")
    if isinstance(value, list):
        return int(head) < len(value) and _is_hidden(value[int(head)], rest)
    return isinstance(value, dict) and head in value and _is_hidden(value[head], rest)


def _update(old: Any, new: Any, paths: Paths) -> list[EngineEvent]:
    kinds = {path: {"diffKind": kind, "inputDiff": False} for path, kind in paths.items()}
    return [*step("update", CONTAINER, old, new, detailedDiff=kinds), summary(update=1)]


def _displayed(events: list[EngineEvent], *, preview: bool) -> tuple[PlainDisplay, str]:
    stream = io.StringIO()
    display = PlainDisplay(stream, "", preview=preview, all_properties=True)
    for event in events:
        display.on_event(event)
    display.finish()
    return display, stream.getvalue()


def _texts(events: list[EngineEvent]) -> Iterator[str]:
    """All that shows an update: previews, an update's progress, comments, drift."""
    _, preview = _displayed(events, preview=True)
    display, update = _displayed(events, preview=False)
    yield preview
    yield update
    yield plan_markdown(display.record, stack="local")
    metadata = events[0]["resourcePreEvent"]
    drift = StackDrift("local", 1, tuple(findings_of([Step.of(metadata)])))
    stream = io.StringIO()
    PlainPrinter(stream).print(report.lines(drift))
    yield stream.getvalue()
    yield report.markdown(drift)
    yield report.slack_text(drift)


@as_either_engine
@given(old=inputs, new=inputs, expanded=st.booleans())
def test_what_a_secret_was_and_is(as_event: Callable[[Any], Any], old: Any, new: Any, expanded: bool) -> None:
    paths = dict(_differences("", unwrap(old), unwrap(new), expanded=expanded))
    if not paths:
        return
    events = _update(as_event(old), as_event(new), paths)
    text, progress, comment, *drift = _texts(events)
    for each in (text, progress, comment, *drift, json.dumps(report.document(StackDrift("local", 1)))):
        assert _HIDDEN not in each
        assert "null" not in each
    for path, kind in paths.items():
        was, becomes = (_is_hidden(side, path) for side in (old, new))
        if kind == "add" and becomes:
            assert f"+ {path}: [secret]" in text
            assert f"+ {path}: [secret]" in comment
        elif kind == "delete" and was:
            assert f"- {path}: [secret]" in text
            assert f"- {path}: [secret]" in comment
        elif kind == "update" and was and becomes:
            assert f"~ {path}: [secret] → [secret]" in text
            assert f"~ {path}: [secret] → [secret]" in progress
            assert f"! {path}: [secret], changed" in comment
        elif kind == "update" and was:
            assert f"~ {path}: [secret] → " in text
        elif kind == "update" and becomes:
            assert re.search(rf"~ {re.escape(path)}: .* → \[secret\]$", text, re.MULTILINE)


@as_either_engine
@given(values=inputs, comes=st.booleans())
def test_a_resource_that_comes_or_goes(as_event: Callable[[Any], Any], values: Any, comes: bool) -> None:
    shown = as_event(values)
    events = step("create", CONTAINER, None, shown) if comes else step("delete", CONTAINER, shown, None)
    for text in _texts([*events, summary(create=1) if comes else summary(delete=1)]):
        assert _HIDDEN not in text
        assert "null" not in text


@as_either_engine
def test_a_changed_key_without_details_is_named(as_event: Callable[[Any], Any]) -> None:
    old, new = as_event({"env": {"a": Secret("hush1")}}), as_event({"env": {"a": Secret("hush2")}})
    events = [*step("update", CONTAINER, old, new, diffs=["env"]), summary(update=1)]
    assert "~ env: {a: [secret]} → {a: [secret]}" in next(_texts(events))
