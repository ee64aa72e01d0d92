"""The steps that an engine performs on resources, parsed from its events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi_state.urn import ROOT_STACK_TYPE, is_provider_type

_REPLACEMENT_PARTS = frozenset({"create-replacement", "delete-replaced", "discard-replaced", "read-replacement"})
_UNCHANGED = frozenset({"same", "read", "refresh"})
_COLOUR_TAG = re.compile(r"<\{%.*?%\}>")


@dataclass(frozen=True)
class Step:
    """An operation on a resource: the ``metadata`` of a resource event."""

    op: str
    urn: str
    type: str
    old: Mapping[str, Any]
    """The state before, ``{}`` for a new resource."""
    new: Mapping[str, Any]
    """The state after, ``{}`` for a deleted resource."""
    diff_keys: tuple[str, ...]
    replace_keys: tuple[str, ...]
    detailed_diff: Mapping[str, Mapping[str, Any]] | None
    """``diffKind`` and ``inputDiff`` by property path."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Step:
        """The step in a ``resourcePreEvent``, ``resOutputsEvent`` or ``resOpFailedEvent``."""
        metadata = body["metadata"]
        return cls(
            op=metadata["op"],
            urn=metadata["urn"],
            type=metadata["type"],
            old=metadata.get("old") or {},
            new=metadata.get("new") or {},
            diff_keys=tuple(metadata.get("diffs") or ()),
            replace_keys=tuple(metadata.get("keys") or ()),
            detailed_diff=metadata.get("detailedDiff"),
        )

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return name_of(self.urn)

    @property
    def parent(self) -> str:
        """URN of the parent; empty for the stack."""
        return str(self.new.get("parent") or self.old.get("parent") or "")

    @property
    def is_root(self) -> bool:
        return self.type == ROOT_STACK_TYPE

    @property
    def is_custom(self) -> bool:
        """Whether a provider manages the resource. A component only groups its children."""
        return bool(self.new.get("custom") or self.old.get("custom"))

    @property
    def is_left_out(self) -> bool:
        """Whether it is a new resource that is not created because it is not a target.

        Engines report it as an empty resource that stays the same.
        """
        content = (self.new.get(key) for key in ("id", "inputs", "outputs"))
        return self.op == "same" and self.is_custom and not any(content)

    @property
    def is_provider(self) -> bool:
        return is_provider_type(self.type)

    @property
    def is_replacement_part(self) -> bool:
        """Whether it is one half of a replacement. The ``replace`` step represents the whole replacement."""
        return self.op in _REPLACEMENT_PARTS

    @property
    def is_change(self) -> bool:
        return self.op not in _UNCHANGED

    @property
    def is_operation(self) -> bool:
        """Whether it changes a live resource; a replacement counts once."""
        return self.is_change and self.is_custom and not self.is_replacement_part


def name_of(urn: str) -> str:
    """The resource's name in a URN."""
    return urn.rsplit("::", 1)[-1]


def label(urn: str) -> str:
    """A resource's name with its type, for messages: ``api-container (scaleway:containers:Container)``."""
    types = urn.split("::")[-2] if "::" in urn else ""
    return f"{name_of(urn)} ({short_type(types.rpartition('$')[2])})"


def short_type(token: str) -> str:
    """``scaleway:containers/container:Container`` → ``scaleway:containers:Container``."""
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    return f"{package}:{module.partition('/')[0]}:{name}" if module else token


def without_colour(text: str) -> str:
    """A Pulumi message without colour tags such as ``<{%reset%}>``."""
    return _COLOUR_TAG.sub("", text)


def has_changes(changes: Mapping[str, int]) -> bool:
    """Whether a summary counts any changed resources."""
    return any(count for op, count in changes.items() if op not in _UNCHANGED)
