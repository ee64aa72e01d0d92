"""The operations of the embedded engine: preview, up, refresh, destroy, and a stack's outputs.

This module is light: the program's process is started before the engine's own parts are imported, so that
the two import at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.engine.program import Program, program_for

if TYPE_CHECKING:
    from localcloud.engine.values import PropertyMap


@dataclass(frozen=True)
class Request:
    """One operation on one stack."""

    project_dir: Path
    stack: str
    backend_url: str
    environ: Mapping[str, str]
    """Where the passphrase, and the keys of a bucket, are looked up."""
    on_event: Callable[[dict[str, Any]], None] = field(default=lambda _event: None)
    parallel: int = 16
    refresh: bool = False
    """Read every resource from the cloud first."""
    save_plan: Path | None = None
    """Where a preview writes what it plans."""
    plan: Path | None = None
    """What an update is held to."""


@dataclass(frozen=True)
class Outcome:
    ok: bool
    changes: Mapping[str, int]
    """Number of resources by what was done with them."""


# Each raises EngineError when the operation cannot be started; what fails later is reported as events.


def preview(request: Request) -> Outcome:
    return asyncio.run(_with_program(request, program_for(request.project_dir), dry_run=True))


def up(request: Request) -> Outcome:
    return asyncio.run(_with_program(request, program_for(request.project_dir), dry_run=False))


def refresh(request: Request) -> Outcome:
    return _refresh(request, dry_run=False)


def preview_refresh(request: Request) -> Outcome:
    return _refresh(request, dry_run=True)


def destroy(request: Request) -> Outcome:
    return _destroy(request, dry_run=False)


def preview_destroy(request: Request) -> Outcome:
    return _destroy(request, dry_run=True)


def outputs(project_dir: Path, stack: str, backend_url: str, environ: Mapping[str, str]) -> PropertyMap:
    """The stack's outputs, secrets as ``Secret``. Raises EngineError when the stack has no state."""
    from localcloud.engine.passphrase import passphrase_from
    from localcloud.engine.project import project_name
    from localcloud.engine.run import StackReader
    from localcloud.engine.statefile import StateFile

    file = StateFile(backend_url, project_name(project_dir), stack, environ)
    return StackReader(file.project, file.store, passphrase_from(environ)).outputs(stack)


async def _with_program(request: Request, program: Program, *, dry_run: bool) -> Outcome:
    with program:
        from localcloud.engine.run import Run

        run = Run(request, "update", dry_run=dry_run)
        return await run.execute(lambda: run.program(program))


def _refresh(request: Request, *, dry_run: bool) -> Outcome:
    from localcloud.engine.run import Run

    run = Run(request, "refresh", dry_run=dry_run)
    return asyncio.run(run.execute(run.refresh_only))


def _destroy(request: Request, *, dry_run: bool) -> Outcome:
    from localcloud.engine.run import Run

    run = Run(request, "destroy", dry_run=dry_run)
    return asyncio.run(run.execute(run.destroy))
