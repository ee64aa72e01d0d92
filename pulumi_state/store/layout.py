"""Keys of the objects in a backend: Pulumi's own keys (``pkg/backend/diy``) and those of ``snu``."""

from __future__ import annotations

from pulumi_state.compression import SUFFIXES

ORGANIZATION = "organization"
META = ".pulumi/meta.yaml"
"""Key of the object that contains the layout version."""
META_CONTENT = b"version: 1\n"
STACKS = ".pulumi/stacks/"
CHECKPOINT = ".json"
RECORD = ".history.json"
"""Key endings, without a compression suffix."""


def full_name(project: str, stack: str) -> str:
    """Return a stack's full name: ``organization/<project>/<stack>``."""
    return f"{ORGANIZATION}/{project}/{stack}"


def checkpoint(project: str, stack: str) -> str:
    """Return the key of a stack's state, without a compression suffix."""
    return f"{STACKS}{project}/{stack}{CHECKPOINT}"


def checkpoint_forms(project: str, stack: str) -> list[str]:
    """Return the possible keys of a stack's state; only one of them exists at a time."""
    return [f"{checkpoint(project, stack)}{suffix}" for suffix in SUFFIXES]


def backups(project: str, stack: str) -> list[str]:
    """Return the possible keys of a stack's state backups."""
    return [backup_of(key) for key in checkpoint_forms(project, stack)]


def cli_backups(project: str, stack: str) -> str:
    """Return the prefix of the copies that the CLI makes of a stack's state before each operation."""
    return f".pulumi/backups/{project}/{stack}/"


def backup_of(key: str) -> str:
    """Return the key of an object's backup, which is its content before the last write."""
    return f"{key}.bak"


def locks(project: str, stack: str) -> str:
    """Return the prefix of Pulumi's own locks, one for each process that operates on the stack."""
    return f".pulumi/locks/{full_name(project, stack)}/"


def history(project: str, stack: str) -> str:
    """Return the prefix of a stack's update records, each with a copy of the resulting state."""
    return f".pulumi/history/{project}/{stack}/"


def snu_prefix(kind: str, project: str, stack: str) -> str:
    """Return the prefix of a stack's ``snu`` data: ``locks``, ``ledger``, ``backups`` and so on."""
    return f".snu/{kind}/{project}/{stack}"
