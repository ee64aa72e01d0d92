"""The embedded engine: the local stacks without the Pulumi CLI."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.engine import operations
from localcloud.engine.errors import EngineError as EmbeddedError
from localcloud.engine.values import redact
from ops.engines.base import EngineError, Operation, Result
from ops.steps import name_of

if TYPE_CHECKING:
    from localcloud.engine.recover import Interrupted


class EmbeddedEngine:
    """Adapts ``localcloud.engine`` to the command's interface."""

    name = "embedded"

    def preview(self, operation: Operation) -> Result:
        return _run(operations.preview, operation)

    def up(self, operation: Operation) -> Result:
        return _run(operations.up, operation)

    def destroy(self, operation: Operation) -> Result:
        return _run(operations.destroy, operation)

    def preview_destroy(self, operation: Operation) -> Result:
        return _run(operations.preview_destroy, operation)

    def refresh(self, operation: Operation) -> Result:
        return _run(operations.refresh, operation)

    def preview_refresh(self, operation: Operation) -> Result:
        return _run(operations.preview_refresh, operation)

    def outputs(self, project_dir: Path, stack: str) -> Mapping[str, Any]:
        try:
            found = operations.outputs(project_dir, stack, _backend_url(), os.environ)
        except EmbeddedError as error:
            raise EngineError(str(error)) from error
        return dict(redact(found))

    def interrupted(self, project_dir: Path, stack: str) -> Interrupted:
        from localcloud.engine import recover

        try:
            return recover.look(project_dir, stack, _backend_url(), os.environ)
        except EmbeddedError as error:
            raise EngineError(str(error)) from error

    def refuses_interrupted(self, project_dir: Path, stack: str) -> list[str]:
        """All: to go on could make twice what was created, or keep in the state what is gone."""
        from localcloud.engine import recover

        try:
            found = recover.pending_operations(project_dir, stack, _backend_url(), os.environ)
        except EmbeddedError as error:
            raise EngineError(str(error)) from error
        return [f"{operation} {name_of(urn)}" for operation, urn in found]

    def recover(
        self, operation: Operation, found: Interrupted, adopted: Mapping[int, str], gone: Collection[int]
    ) -> list[str]:
        from localcloud.engine import recover

        try:
            return recover.recover(_request(operation), found, adopted, gone)
        except EmbeddedError as error:
            raise EngineError(str(error)) from error


def _backend_url() -> str:
    try:
        return os.environ["PULUMI_BACKEND_URL"]
    except KeyError:
        raise EngineError("no backend for the stack's state: set PULUMI_BACKEND_URL") from None


def _request(operation: Operation) -> operations.Request:
    return operations.Request(
        project_dir=operation.project_dir,
        stack=operation.stack,
        backend_url=_backend_url(),
        environ=os.environ,
        on_event=operation.on_event,
        parallel=operation.parallel,
        refresh=operation.refresh,
        save_plan=operation.save_plan,
        plan=operation.plan,
    )


def _run(function: Any, operation: Operation) -> Result:
    request = _request(operation)
    try:
        outcome = function(request)
    except EmbeddedError as error:
        raise EngineError(str(error)) from error
    return Result(outcome.ok, outcome.changes)
