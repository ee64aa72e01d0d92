"""Where Pulumi keeps what in a backend that is a store (``pkg/backend/diy``), and where ``snu`` keeps its own."""

from __future__ import annotations

from pulumi_state.compression import SUFFIXES

ORGANIZATION = "organization"
META = ".pulumi/meta.yaml"
"""Says which layout it is."""
META_CONTENT = b"version: 1\n"
STACKS = ".pulumi/stacks/"
CHECKPOINT = ".json"
RECORD = ".history.json"
"""Endings of keys, before the suffix of their compression."""


def full_name(project: str, stack: str) -> str:
    return f"{ORGANIZATION}/{project}/{stack}"


def checkpoint(project: str, stack: str) -> str:
    """The stack's state where it is not compressed, and the beginning of its keys otherwise."""
    return f"{STACKS}{project}/{stack}{CHECKPOINT}"


def checkpoint_forms(project: str, stack: str) -> list[str]:
    """The keys that a stack's state may have, of which one at a time exists."""
    return [f"{checkpoint(project, stack)}{suffix}" for suffix in SUFFIXES]


def backups(project: str, stack: str) -> list[str]:
    """The keys that copies of the state before its last write may have."""
    return [backup_of(key) for key in checkpoint_forms(project, stack)]


def backup_of(key: str) -> str:
    """What an object was before its last write."""
    return f"{key}.bak"


def locks(project: str, stack: str) -> str:
    """Prefix of the locks of Pulumi's own, one for each process that works on the stack."""
    return f".pulumi/locks/{full_name(project, stack)}/"


def history(project: str, stack: str) -> str:
    """Prefix of the records of past updates, each with a copy of the state after it."""
    return f".pulumi/history/{project}/{stack}/"


def own(kind: str, project: str, stack: str) -> str:
    """Prefix of what ``snu`` keeps of a stack: ``locks``, ``ledger``, ``backups``."""
    return f".snu/{kind}/{project}/{stack}"
