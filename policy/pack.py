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
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.settings import SettingsError, load
from policy.configuration import configured_requirements, schema_of
from policy.requirements import Requirements
from policy.rules import RULES, UNKNOWN, Resource, Rule, check
from policy.stack_settings import settings_requirements

PROJECT = Path(__file__).resolve().parents[1]

_configured: dict[str, Requirements] = {}
"""The requirements from each rule's configuration, which Pulumi passes only to the rule's own policy."""


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
    schema = PolicyConfigSchema(schema_of(rule.name))
    if rule.check_stack is not None:
        return StackValidationPolicy(
            name=rule.name,
            description=rule.rationale,
            validate=partial(_validate_stack, rule),
            config_schema=schema,
        )
    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.rationale,
        validate=partial(_validate, rule),
        config_schema=schema,
        remediation_steps=rule.remedy,
    )


def _validate_stack(rule: Rule, args: StackValidationArgs, report_violation: ReportViolation) -> None:
    requirements = _requirements(rule, args.get_config(), report_violation)
    for violation in check([_resource(resource) for resource in args.resources], requirements, [rule]).violations:
        report_violation(str(violation), None)


def _validate(rule: Rule, args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    requirements = _requirements(rule, args.get_config(), report_violation)
    for violation in check([_resource(args)], requirements, [rule]).violations:
        report_violation(str(violation), args.urn)


def _report_unused(args: StackValidationArgs, report_violation: ReportViolation) -> None:
    settings = _settings_requirements()
    source = "the policy pack's configuration" if settings is None else "snu:policies"
    resources = [_resource(resource) for resource in args.resources]
    for rule in RULES:
        requirements = settings or _configured.get(rule.name, Requirements())
        for exemption in check(resources, requirements, [rule]).unused:
            report_violation(
                f"the exemption of {exemption.resource} from {exemption.rule} is unused: remove it from {source}.", None
            )


def _requirements(rule: Rule, configuration: Mapping[str, Any], report_violation: ReportViolation) -> Requirements:
    """The requirements for a rule: from the stack's settings, otherwise from the rule's configuration.

    An invalid configuration is reported once, as a violation, because an exception in a policy makes Pulumi leave
    processes running.
    """
    settings = _settings_requirements()
    if settings is not None:
        return settings
    if rule.name not in _configured:
        try:
            _configured[rule.name] = configured_requirements(rule.name, configuration)
        except SettingsError as error:
            _configured[rule.name] = Requirements()
            report_violation("\n".join(map(str, error.errors)), None)
    return _configured[rule.name]


@cache
def _settings_requirements() -> Requirements | None:
    """The requirements from the current stack's settings; None if the stack does not have SNU's settings.

    The settings come from the same configuration that the program receives.
    """
    config = pulumi.runtime.get_config_env()
    if not any(key.startswith("snu:") for key in config):
        return None
    return settings_requirements(load(os.environ["PULUMI_STACK"], config, PROJECT))


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
