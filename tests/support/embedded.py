"""Operations of the embedded engine, on programs that run in a process of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine import operations
from engine.request import Outcome, Request
from ops.engines.program import client
from ops.engines.program.process import program_for


def preview(request: Request) -> Outcome:
    return _run(operations.preview, request)


def up(request: Request) -> Outcome:
    return _run(operations.up, request)


def _run(operation: Callable[..., Outcome], request: Request, **options: Any) -> Outcome:
    with program_for(request.project_dir, request.environ) as program:
        return operation(request, partial(client.run, program), **options)
