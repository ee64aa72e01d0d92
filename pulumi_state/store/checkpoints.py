"""Finds stacks' states and the records of their updates, in each form that the Pulumi CLI writes."""

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
class Stored:
    """A state as it is in a store."""

    key: str
    tag: str
    raw: bytes = field(repr=False)
    """As stored, compressed or not."""
    content: bytes = field(repr=False)
    """As JSON."""


def find(store: Store, project: str, stack: str) -> Stored | None:
    """A stack's state; None where the stack does not exist.

    Raises StoreError when the store has the state in two forms, in another layout or damaged: to take the stack for
    absent would be wrong.
    """
    forms = layout.checkpoint_forms(project, stack)
    for _ in range(_ATTEMPTS):
        present = [entry for entry in store.entries(layout.checkpoint(project, stack)) if entry.key in forms]
        if len(present) > 1:
            latest = max(present, key=lambda entry: entry.modified)
            raise StoreError(
                f"{store.address} has the state of {stack} twice: {' and '.join(entry.key for entry in present)}. The "
                f"Pulumi CLI uses the one that was written last ({latest.key}): compare them, and remove the other one"
            )
        if not present:
            require_layout(store)
            return None
        key = present[0].key
        if (item := store.read(key)) is not None:
            return Stored(key, item.tag, item.content, decompressed(store, key, item.content))
    raise StoreError(f"the state of {stack} in {store.address} is being replaced; run the command again")


def stacks_in(store: Store, project: str) -> dict[str, datetime]:
    """The stacks that have a state in a store, with the time of its last write. Raises StoreError as ``find``."""
    require_layout(store)
    prefix = layout.checkpoint(project, "").removesuffix(layout.CHECKPOINT)
    found = {}
    for entry in store.entries(prefix):
        name = _stack_of(entry.key.removeprefix(prefix))
        if name and "/" not in name:
            found[name] = entry.modified
    return found


def record_keys(store: Store, project: str, stack: str) -> list[str]:
    """Keys of the records of a stack's updates, the oldest first. Raises StoreError."""
    endings = tuple(f"{layout.RECORD}{suffix}" for suffix in SUFFIXES)
    return [entry.key for entry in store.entries(layout.history(project, stack)) if entry.key.endswith(endings)]


def decompressed(store: Store, key: str, content: bytes) -> bytes:
    """The content of an object without its compression. Raises StoreError when it is damaged."""
    try:
        return decompress(content)
    except ValueError as error:
        raise StoreError(f"{key} in {store.address} is damaged: it cannot be decompressed ({error})") from None


def require_layout(store: Store) -> None:
    """Raises StoreError when the store's states are not where this version looks for them."""
    meta = store.read(layout.META)
    if meta is not None:
        found = _LAYOUT.search(meta.content)
        if found is None or int(found[1]) > _SUPPORTED_LAYOUT:
            version = found[1].decode() if found else "that cannot be read"
            raise StoreError(
                f"{layout.META} in {store.address} has version {version}; this version of snu reads the layout of "
                f"version {_SUPPORTED_LAYOUT}"
            )
        if int(found[1]) == _SUPPORTED_LAYOUT:
            return
    prefix = layout.STACKS
    names = [_stack_of(entry.key.removeprefix(prefix)) for entry in store.entries(prefix)]
    if legacy := sorted({name for name in names if name and "/" not in name}):
        raise StoreError(
            f"{store.address} has stacks in the CLI's former layout, without projects ({', '.join(legacy)}): convert "
            "it with `pulumi state upgrade`"
        )


def _stack_of(name: str) -> str:
    """The stack whose state has this file name; empty for what is no state, as ``<stack>.json.bak``."""
    plain = name.removesuffix(suffix_of(name))
    return plain.removesuffix(layout.CHECKPOINT) if plain.endswith(layout.CHECKPOINT) else ""
