"""Exposes the rules as policies of a Pulumi policy pack, which the engine runs for each registered resource."""

import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pulumi.runtime
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.settings import load
from policy.rules import RULES, UNKNOWN, Resource, Rule, Settings, check

PROJECT = Path(__file__).resolve().parents[1]


def policies() -> list[Policy]:
    """One policy for each rule, and one that reports unused exemptions."""
    rules = [_policy(rule) for rule in RULES]
    unused = StackValidationPolicy(
        name="unused-exemption",
        description="An unused exemption may hide a future violation.",
        validate=_report_unused,
        enforcement_level=EnforcementLevel.ADVISORY,
    )
    return [*rules, unused]


def _policy(rule: Rule) -> Policy:
    if rule.check_stack is not None:
        return StackValidationPolicy(
            name=rule.name, description=rule.rationale, validate=partial(_validate_stack, rule)
        )
    return ResourceValidationPolicy(
        name=rule.name, description=rule.rationale, validate=partial(_validate, rule), remediation_steps=rule.remedy
    )


def _validate_stack(rule: Rule, args: StackValidationArgs, report_violation: ReportViolation) -> None:
    for violation in check([_resource(resource) for resource in args.resources], _settings(), [rule]).violations:
        report_violation(str(violation), None)


def _validate(rule: Rule, args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    for violation in check([_resource(args)], _settings(), [rule]).violations:
        report_violation(str(violation), args.urn)


def _report_unused(args: StackValidationArgs, report_violation: ReportViolation) -> None:
    for exemption in check([_resource(resource) for resource in args.resources], _settings()).unused:
        report_violation(
            f"the exemption of {exemption.resource} from {exemption.rule} is unused: remove it from snu:policies.", None
        )


@cache
def _settings() -> Settings:
    """The current stack's settings, from the same configuration that the program receives."""
    return load(os.environ["PULUMI_STACK"], pulumi.runtime.get_config_env(), PROJECT)


def _resource(resource: ResourceValidationArgs | PolicyResource) -> Resource:
    return Resource(resource.urn, resource.resource_type, _known(resource.props), resource.opts.protect)


def _known(value: Any) -> Any:
    """Replaces the SDK's proxies, which raise an error for unknown values, with plain values and `UNKNOWN`."""
    if isinstance(value, Mapping):
        return {key: _entry(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_entry(value, index) for index in range(len(value))]
    return value


def _entry(values: Any, key: Any) -> Any:
    try:
        return _known(values[key])
    except UnknownValueError:
        return UNKNOWN
