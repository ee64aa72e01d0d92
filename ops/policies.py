"""Evaluates the policy pack's rules against the resources that an engine plans."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.report.values import is_secret, is_unknown
from ops.stacks import Stack, settings_of
from ops.steps import Step

if TYPE_CHECKING:
    from policy.rules import PolicyResult, Resource


def import_rules_ahead() -> None:
    """Import the rules in a thread while the engine waits for Scaleway."""
    threading.Thread(target=lambda: importlib.import_module("policy.rules"), name="rules").start()


def evaluate_policies(record: OperationRecord, stack: Stack) -> PolicyResult:
    """The policy result for all of the stack's resources after the update, including unchanged ones."""
    from policy.rules import check
    from policy.stack_settings import settings_requirements

    return check(_resources(record), settings_requirements(settings_of(stack)))


def refuse_violations(stack: Stack, result: PolicyResult) -> None:
    """Raises OpsError if there is a violation."""
    if result.violations:
        listed = "".join(f"\n  {violation}" for violation in result.violations)
        raise OpsError(
            f"{stack.name} violates policies:{listed}\n"
            "Nothing was changed. Fix each violation, or add an exemption with a reason under snu:policies in "
            f"{stack.file.name}.",
            ExitCode.POLICY,
        )


def _resources(record: OperationRecord) -> list[Resource]:
    from policy.rules import Resource

    return [
        Resource(step.urn, step.type, _plain(step.new.get("inputs") or {}), bool(step.new.get("protect")))
        for step in _planned(record)
    ]


def _planned(record: OperationRecord) -> Iterable[Step]:
    """The last step for each resource that will be in the stack; earlier steps come from the refresh."""
    last: dict[str, Step] = {}
    for progress in sorted(record.steps.values(), key=lambda progress: progress.started):
        step = progress.step
        if step.op != "refresh" and not step.is_root and not step.is_provider:
            last[step.urn] = step
    return [step for step in last.values() if step.new]


def _plain(value: Any) -> Any:
    """The value without Pulumi's JSON markers, and with integral floats as integers."""
    from policy.rules import SECRET, UNKNOWN

    if is_secret(value):
        return SECRET
    if is_unknown(value):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
