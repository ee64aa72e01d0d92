"""Decides how to resolve each operation that an interrupted run left pending."""

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
"""Types that can safely be created again: an image is built and pushed again under the same name."""


class RecoveryAction(Enum):
    """How a pending operation is resolved."""

    ADOPT = auto()
    """The resource was created: import it into the state."""
    REMOVE = auto()
    """It was created with a value that Scaleway returns only once: delete it so that ``up`` creates it again."""
    FORGET = auto()
    """It was not created, or is harmless if it was: remove the pending operation."""
    READ = auto()
    """It was being changed or deleted: read it from Scaleway."""
    DROP = auto()
    """It was deleted: remove it from the state."""
    REFUSE = auto()
    """Several resources match, or this type cannot be looked up."""


@dataclass(frozen=True)
class RecoveryDecision:
    """A pending operation and its resolution."""

    pending: InterruptedOperation
    action: RecoveryAction
    ids: tuple[str, ...] = ()
    """IDs of the matching resources."""

    @property
    def label(self) -> str:
        """The resource's name and type."""
        return f"{name_of(self.pending.urn)} ({short_type(self.pending.type)})"


def decide(
    pending: InterruptedOperation,
    known: frozenset[str],
    find: Callable[[InterruptedOperation], list[str]],
    is_there: Callable[[InterruptedOperation], bool],
) -> RecoveryDecision:
    """Decide how to resolve one operation.

    ``known`` contains the IDs in the state, to avoid adopting an older object with the same name. ``find`` returns the
    IDs of matching objects; ``is_there`` returns whether the object still exists.
    """
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
