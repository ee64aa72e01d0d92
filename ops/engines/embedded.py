"""The embedded engine, which runs local stacks without the Pulumi CLI."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine import operations
from engine.request import Request
from ops.engines.base import EngineError, Operation, Result
from ops.engines.program.process import program_for
from pulumi_state.errors import PulumiError
from pulumi_state.variables import BACKEND_URL


class EmbeddedEngine:
    """Adapts the ``engine`` package to the engine interface."""

    name = "embedded"
    converts_state = False
    refuses_interrupted = True
    """Continuing could create duplicate resources or keep deleted ones in the state."""

    def preview(self, operation: Operation) -> Result:
        return _run_program(operations.preview, operation)

    def up(self, operation: Operation) -> Result:
        return _run_program(operations.up, operation)

    def destroy(self, operation: Operation) -> Result:
        return _run(operations.destroy, operation)

    def preview_destroy(self, operation: Operation) -> Result:
        return _run(operations.preview_destroy, operation)

    def refresh(self, operation: Operation) -> Result:
        return _run(operations.refresh, operation)

    def preview_refresh(self, operation: Operation) -> Result:
        return _run(operations.preview_refresh, operation)


def _request(operation: Operation) -> Request:
    if BACKEND_URL not in operation.environ:
        raise EngineError(f"the stack has no backend: set {BACKEND_URL}")
    return Request(
        project_dir=operation.project_dir,
        stack=operation.stack,
        backend_url=operation.environ[BACKEND_URL],
        environ=operation.environ,
        on_event=operation.on_event,
        on_cancel=operation.on_cancel,
        parallel=operation.parallel,
        refresh=operation.refresh,
        targets=operation.targets,
        save_plan=operation.save_plan,
        plan=operation.plan,
        config_file=operation.config_file,
    )


def _run_program(function: Any, operation: Operation) -> Result:
    with program_for(operation.project_dir, operation.environ) as program:
        from ops.engines.program import client

        return _run(partial(function, run_program=partial(client.run, program)), operation)


def _run(function: Any, operation: Operation) -> Result:
    request = _request(operation)
    try:
        outcome = function(request)
    except PulumiError as error:
        raise EngineError(str(error)) from error
    return Result(outcome.ok, outcome.changes)
