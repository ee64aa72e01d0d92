"""What comes before and after every change of a stack, whichever command makes it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state.moved import refuse_moved
from ops.state.size import size_of, way_out

if TYPE_CHECKING:
    from ops.commands.stack import Session


def before_change(session: Session) -> None:
    """Raises OpsError when the state was moved away, or is too large for where it is kept."""
    store, stack = session.store, session.stack.name
    refuse_moved(store, session.project, stack)
    size = size_of(store, session.project, stack)
    if size.too_large:
        raise OpsError(
            f"The state of {stack} has {size}; {store.address} takes no more. Nothing was changed. {way_out(stack)}",
            ExitCode.ENVIRONMENT,
        )


def after_change(session: Session) -> None:
    """Warn of a state that grows too large; give environments what they need of a foundation."""
    stack = session.stack
    size = size_of(session.store, session.project, stack.name)
    if size.near:
        sys.stderr.write(f"warning: the state of {stack.name} has {size}. {way_out(stack.name)}\n")
    if stack.config.get("snu:blueprint") == "foundation":
        from ops.state.place import Kind, place_of

        if place_of(stack).kind is Kind.FOUNDATION:
            from ops.commands.bootstrap import say
            from ops.state.bootstrap import publish_again

            publish_again(stack, os.environ, say)
