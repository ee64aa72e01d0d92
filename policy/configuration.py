"""The policy pack's configuration, for the stacks of projects that do not have SNU's settings.

Pulumi passes each policy its own part of the file (`--policy-pack-config`), after checking it against the policy's JSON
schema. The schema cannot forbid unknown keys at the top level, so each part is validated again here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from infra.settings import SettingsError, limits
from infra.settings.models import PolicyExemption, PolicyRule, ResourceExemption, Settings
from infra.settings.problems import problems_of
from policy.requirements import Requirements

_Name = Annotated[str, Field(min_length=1), limits.Allowed("a name")]
_Names = Annotated[list[_Name], Field(min_length=1), limits.Allowed("a list of at least one name")]


class RuleConfiguration(Settings):
    """The configuration keys that all rules share."""

    namespace: ClassVar[str] = ""

    exemptions: list[ResourceExemption] = Field(
        default=[], description="Violations to allow. Unused exemptions are reported."
    )


class ProtectionConfiguration(RuleConfiguration):
    """The configuration of `protection`."""

    protect: bool = Field(default=False, description="Whether all resources of the stack must be protected.")


class PrivateRegistryConfiguration(RuleConfiguration):
    """The configuration of `private-registry`."""

    namespaces: _Names | None = Field(
        default=None,
        description="The registry namespaces that images may come from. Default: images may come from any registry.",
    )


class LeastPrivilegeConfiguration(RuleConfiguration):
    """The configuration of `least-privilege`."""

    permission_sets: Annotated[dict[str, _Names], limits.Allowed("lists of permission sets, by name of the policy")] = (
        Field(
            default={},
            description="Permission sets `…FullAccess` and `…Manager` that are allowed on a project, by the name of "
            "the IAM policy.",
        )
    )


_MODELS: dict[PolicyRule, type[RuleConfiguration]] = {
    "least-privilege": LeastPrivilegeConfiguration,
    "private-registry": PrivateRegistryConfiguration,
    "protection": ProtectionConfiguration,
}


def schema_of(rule: PolicyRule) -> dict[str, dict[str, Any]]:
    """The JSON schemas of a rule's configuration, by key."""
    properties: dict[str, dict[str, Any]] = _model(rule).model_json_schema()["properties"]
    exemptions = properties["exemptions"] | {"items": ResourceExemption.model_json_schema()}  # in place of a reference
    return properties | {"exemptions": exemptions}


def configured_requirements(rule: PolicyRule, configuration: Mapping[str, Any]) -> Requirements:
    """The requirements for one rule. Raises `SettingsError` if its configuration is invalid."""
    model = _model(rule)
    try:
        valid = model.model_validate(configuration)
    except ValidationError as error:
        raise SettingsError(problems_of(error, model, f"configuration of {rule}")) from None
    exemptions = [
        PolicyExemption.model_validate({"rule": rule} | exemption.model_dump()) for exemption in valid.exemptions
    ]
    match valid:
        case ProtectionConfiguration():
            return Requirements(exemptions=exemptions, protect=valid.protect)
        case PrivateRegistryConfiguration():
            return Requirements(exemptions=exemptions, registry_namespaces=valid.namespaces)
        case LeastPrivilegeConfiguration():
            return Requirements(exemptions=exemptions, permission_sets=valid.permission_sets)
    return Requirements(exemptions=exemptions)


def _model(rule: PolicyRule) -> type[RuleConfiguration]:
    return _MODELS.get(rule, RuleConfiguration)
