"""Finds the states and update records of stacks in every format that the Pulumi CLI writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from pulumi_state.compression import SUFFIXES, decompress, suffix_of
from pulumi_state.store import layout
from pulumi_state.store.store import Store, StoreError

_LAYOUT = re.compile(rb"^version:\s*(\d+)\s*$", re.MULTILINE)
_SUPPORTED_LAYOUT = 1
_ATTEMPTS = 3


@dataclass(frozen=True)
class StoredCheckpoint:
    """A stack's state in a store."""

    key: str
    tag: str
    raw: bytes = field(repr=False)
    """The bytes as stored, which may be compressed."""
    content: bytes = field(repr=False)
    """The decompressed JSON."""


def find(store: Store, project: str, stack: str) -> StoredCheckpoint | None:
    """Find a stack's state; returns None if the stack does not exist.

    Raises StoreError if the state exists in two formats, has another layout, or is damaged, instead of mistaking the
    stack for a new one.
    """
    forms = layout.checkpoint_forms(project, stack)
    for _ in range(_ATTEMPTS):
        present = [entry for entry in store.entries(layout.checkpoint(project, stack)) if entry.key in forms]
        if len(present) > 1:
            latest = max(present, key=lambda entry: entry.modified)
            raise StoreError(
                f"{store.address} has two states for {stack}: {' and '.join(entry.key for entry in present)}. The "
                f"Pulumi CLI uses the latest one ({latest.key}); compare them and remove the other"
            )
        if not present:
            require_layout(store)
            return None
        key = present[0].key
        if (item := store.read(key)) is not None:
            return StoredCheckpoint(key, item.tag, item.content, decompressed(store, key, item.content))
    raise StoreError(f"the state of {stack} in {store.address} is being replaced; run the command again")


def stacks_in(store: Store, project: str) -> dict[str, datetime]:
    """Return the stacks with a state in a store, and when each was last written. Raises StoreError, like ``find``."""
    require_layout(store)
    prefix = layout.checkpoint(project, "").removesuffix(layout.CHECKPOINT)
    stacks = {}
    for entry in store.entries(prefix):
        name = _stack_of(entry.key.removeprefix(prefix))
        if name and "/" not in name:
            stacks[name] = entry.modified
    return stacks


def record_keys(store: Store, project: str, stack: str) -> list[str]:
    """Return the keys of a stack's update records in chronological order. Raises StoreError."""
    endings = tuple(f"{layout.RECORD}{suffix}" for suffix in SUFFIXES)
    return [entry.key for entry in store.entries(layout.history(project, stack)) if entry.key.endswith(endings)]


def decompressed(store: Store, key: str, content: bytes) -> bytes:
    """Decompress an object's content. Raises StoreError if it is damaged."""
    try:
        return decompress(content)
    except ValueError as error:
        raise StoreError(f"{key} in {store.address} is damaged: it cannot be decompressed ({error})") from None


def require_layout(store: Store) -> None:
    """Check that this version can read the store's layout. Raises StoreError if it cannot."""
    meta = store.read(layout.META)
    if meta is not None:
        version = _LAYOUT.search(meta.content)
        if version is None or int(version[1]) > _SUPPORTED_LAYOUT:
            found = f"layout version {version[1].decode()}" if version else "no valid layout version"
            raise StoreError(
                f"{layout.META} in {store.address} has {found}; this version of snu supports version "
                f"{_SUPPORTED_LAYOUT}"
            )
        if int(version[1]) == _SUPPORTED_LAYOUT:
            return
    prefix = layout.STACKS
    names = [_stack_of(entry.key.removeprefix(prefix)) for entry in store.entries(prefix)]
    if legacy := sorted({name for name in names if name and "/" not in name}):
        raise StoreError(
            f"{store.address} has stacks in the CLI's old layout without projects ({', '.join(legacy)}); convert them "
            "with `pulumi state upgrade`"
        )


def _stack_of(name: str) -> str:
    """Return the name of the stack with this state file; empty for other files such as ``<stack>.json.bak``."""
    plain = name.removesuffix(suffix_of(name))
    return plain.removesuffix(layout.CHECKPOINT) if plain.endswith(layout.CHECKPOINT) else ""
