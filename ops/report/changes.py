"""The properties that a step changes, with their old and new values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.report.values import Versions, is_secret
from ops.steps import Step

_MISSING: Any = object()
_PATH_PART = re.compile(r"""\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[]+)""")


@dataclass(frozen=True)
class Change:
    """A property that differs."""

    path: str
    """For example ``environmentVariables.KEY`` or ``tags[0]``."""
    kind: str
    """``add``, ``update`` or ``delete``."""
    old: Any
    new: Any
    replaces: bool = False
    """Whether this property forces the resource to be replaced."""


def changes_of(step: Step) -> list[Change]:
    """The properties that differ, each at its innermost path, sorted by path."""
    if step.detailed_diff:
        changes = [change for path, item in step.detailed_diff.items() for change in _at(step, path, item)]
    elif step.old and step.new:
        changes = list(_compare_keys(step))
    else:
        changes = []
    return sorted(changes, key=lambda change: _natural(change.path))


def output_changes(step: Step) -> list[Change]:
    """The stack outputs that differ."""
    return list(_compare("", step.old.get("outputs") or {}, step.new.get("outputs") or {}, False))


def image_versions(steps: Iterable[Step]) -> Versions:
    """Versions of an environment's images by digest, from the old and new outputs of its root resource."""
    versions: dict[str, str] = {}
    for state in (state for step in steps if step.is_root for state in (step.old, step.new)):
        images = (state.get("outputs") or {}).get("images")
        for image in images.values() if isinstance(images, dict) else ():
            if isinstance(image, dict) and isinstance(image.get("digest"), str) and isinstance(image["version"], str):
                versions[image["digest"]] = image["version"]
    return versions


def protection_change(step: Step) -> Change | None:
    """A change in a resource's protection, which engines do not count as an update; None if unchanged."""
    old, new = bool(step.old.get("protect")), bool(step.new.get("protect"))
    return Change("protect", "update", old, new) if step.old and step.new and old != new else None


def properties_of(step: Step) -> list[Change]:
    """All properties of a created or deleted resource."""
    kind, state = ("add", step.new) if step.new else ("delete", step.old)
    values = state.get("inputs") or {}
    return [
        Change(key, kind, None if kind == "add" else value, value if kind == "add" else None)
        for key, value in sorted(values.items())
        if not key.startswith("__")
    ]


def is_secret_at(value: Any, path: str) -> bool:
    """Whether the property at a path, or one that contains it, is secret."""
    return is_secret(_lookup(value, path))


def _natural(path: str) -> list[tuple[int, int, str]]:
    return [(0, int(index), "") if index else (1, 0, key or name) for key, index, name in _PATH_PART.findall(path)]


def _compare_keys(step: Step) -> Iterator[Change]:
    inputs = step.old.get("inputs") or {}, step.new.get("inputs") or {}
    for key in step.diff_keys or sorted(inputs[0].keys() | inputs[1].keys()):
        if not key.startswith("__"):
            old, new = (side.get(key, _MISSING) for side in inputs)
            changes = list(_compare(key, old, new, key in step.replace_keys))
            if not changes and step.diff_keys:  # masked secrets are equal on both sides
                changes = [Change(key, "update", _or_none(old), _or_none(new), key in step.replace_keys)]
            yield from changes


def _at(step: Step, path: str, item: Mapping[str, Any]) -> Iterator[Change]:
    kind = str(item.get("diffKind", "update"))
    replaces = kind.endswith("-replace")
    kind = kind.removesuffix("-replace")
    new = _lookup(step.new.get("inputs"), path)
    if new is _MISSING and kind != "delete":
        new = _lookup(step.new.get("outputs"), path)
    first, second = ("inputs", "outputs") if item.get("inputDiff") else ("outputs", "inputs")
    old = _lookup(step.old.get(first), path)
    if old is _MISSING or (old == new and not is_secret(old)):
        alternative = _lookup(step.old.get(second), path)
        old = old if alternative is _MISSING else alternative
    if kind == "add":
        old = _MISSING
    elif kind == "delete":
        new = _MISSING
    changes = list(_compare(path, old, new, replaces))
    yield from changes or [Change(path, kind, _or_none(old), _or_none(new), replaces)]


def _compare(path: str, old: Any, new: Any, replaces: bool) -> Iterator[Change]:
    if old == new:
        return
    if old is _MISSING:
        yield Change(path, "add", None, new, replaces)
    elif new is _MISSING:
        yield Change(path, "delete", old, None, replaces)
    elif isinstance(old, dict) and isinstance(new, dict) and not is_secret(old) and not is_secret(new):
        for key in sorted(old.keys() | new.keys()):
            if not key.startswith("__"):
                yield from _compare(_join(path, key), old.get(key, _MISSING), new.get(key, _MISSING), replaces)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _MISSING
            after = new[index] if index < len(new) else _MISSING
            yield from _compare(f"{path}[{index}]", before, after, replaces)
    else:
        yield Change(path, "update", old, new, replaces)


def _join(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _lookup(value: Any, path: str) -> Any:
    """The property at a path, or the secret that contains it."""
    for quoted, index, name in _PATH_PART.findall(path):
        if is_secret(value):
            return value
        if index and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else _MISSING
        elif isinstance(value, dict):
            value = value.get(quoted or name, _MISSING)
        else:
            return _MISSING
    return _MISSING if value is None else value


def _or_none(value: Any) -> Any:
    return None if value is _MISSING else value
