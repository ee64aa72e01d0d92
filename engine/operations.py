"""The embedded engine's operations: preview, up, refresh and destroy.

Each operation raises PulumiError if it cannot start; later failures are reported as events. The engine itself is
imported only when an operation starts, which keeps this module fast to import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from engine.request import Outcome, Request, RunProgram

if TYPE_CHECKING:
    from engine.run import Run


def preview(request: Request, run_program: RunProgram) -> Outcome:
    return _update(request, run_program, dry_run=True)


def up(request: Request, run_program: RunProgram) -> Outcome:
    return _update(request, run_program, dry_run=False)


def refresh(request: Request) -> Outcome:
    return _refresh(request, dry_run=False)


def preview_refresh(request: Request) -> Outcome:
    return _refresh(request, dry_run=True)


def destroy(request: Request) -> Outcome:
    return _destroy(request, dry_run=False)


def preview_destroy(request: Request) -> Outcome:
    return _destroy(request, dry_run=True)


def _update(request: Request, run_program: RunProgram, *, dry_run: bool) -> Outcome:
    from engine.run import Run

    run = Run(request, "update", dry_run=dry_run)
    return _execute(run, lambda: run.update(run_program))


def _refresh(request: Request, *, dry_run: bool) -> Outcome:
    from engine.run import Run

    run = Run(request, "refresh", dry_run=dry_run)
    return _execute(run, run.refresh)


def _destroy(request: Request, *, dry_run: bool) -> Outcome:
    from engine.run import Run

    run = Run(request, "destroy", dry_run=dry_run)
    return _execute(run, run.destroy)


def _execute(run: Run, work: Callable[[], Awaitable[bool]]) -> Outcome:
    """Raises KeyboardInterrupt after a second Ctrl-C."""
    try:
        return asyncio.run(run.execute(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
