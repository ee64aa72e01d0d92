"""Decides what becomes of what an interrupted run began to create, change or delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ops.scaleway.catalogue import kind_of
from ops.steps import name_of, short_type

if TYPE_CHECKING:
    from pulumi_state.interruption import InterruptedOperation

_NOTHING_TO_FIND = ("pulumi:", "docker:index/image:")
"""Types of what can be made once more without harm: an image is built and pushed under the same name again."""


class RecoveryAction(Enum):
    """What becomes of a pending operation."""

    ADOPT = auto()
    """It was created: the state takes it over."""
    REMOVE = auto()
    """It was created, and something of it was said only then: it is deleted, the next ``up`` makes it anew."""
    FORGET = auto()
    """It was not created, or does no harm if it was."""
    READ = auto()
    """It was being changed or deleted: the cloud says what is there."""
    DROP = auto()
    """It was deleted: it leaves the state."""
    REFUSE = auto()
    """More than one could be meant, or this type cannot be looked up."""


@dataclass(frozen=True)
class RecoveryDecision:
    """One pending operation, and what is to be done about it."""

    pending: InterruptedOperation
    action: RecoveryAction
    ids: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return f"{name_of(self.pending.urn)} ({short_type(self.pending.type)})"


def decide(
    pending: InterruptedOperation,
    known: frozenset[str],
    find: Callable[[InterruptedOperation], list[str]],
    is_there: Callable[[InterruptedOperation], bool],
) -> RecoveryDecision:
    """``known``: ids that the state has, so that an older object of the same name is never taken for this one."""
    kind = kind_of(pending.type)
    if pending.operation == "deleting" and kind and kind.is_listed and not is_there(pending):
        return RecoveryDecision(pending, RecoveryAction.DROP)
    if pending.operation in ("updating", "deleting"):
        return RecoveryDecision(pending, RecoveryAction.READ)
    if pending.operation != "creating" or not pending.custom or pending.type.startswith(_NOTHING_TO_FIND):
        return RecoveryDecision(pending, RecoveryAction.FORGET)
    if kind is None or not kind.is_listed:
        return RecoveryDecision(pending, RecoveryAction.REFUSE)
    ids = tuple(each for each in find(pending) if each not in known)
    if not ids:
        return RecoveryDecision(pending, RecoveryAction.FORGET)
    if len(ids) > 1:
        return RecoveryDecision(pending, RecoveryAction.REFUSE, ids)
    return RecoveryDecision(pending, RecoveryAction.REMOVE if kind.only_once else RecoveryAction.ADOPT, ids)
