"""The policy rules for the stacks' resources: plain functions of a resource and its stack's requirements.

The policy pack evaluates them during Pulumi's previews; `snu` evaluates them on a preview's steps. Unknown values never
violate a rule, and violations never contain values that may be secret.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from infra.settings import limits
from infra.settings.models import PolicyExemption, PolicyRule
from infra.settings.problems import SettingLocation, unwrap
from policy import secret_variables
from policy.requirements import Requirements
from scaleway_facts import limits as scaleway
from scaleway_facts.fact import Limit


class _Absent:
    """A placeholder for a value that cannot be checked."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


UNKNOWN = _Absent("[unknown]")
"""Placeholder for a value that is unknown in a preview."""
SECRET = _Absent("[secret]")
"""Placeholder for a value that is secret in Pulumi's state."""

CONTAINER = "scaleway:containers/container:Container"
JOB = "scaleway:job/definition:Definition"
REGISTRY = "scaleway:registry/namespace:Namespace"
INSTANCE = "scaleway:databases/instance:Instance"
ACL = "scaleway:databases/acl:Acl"
SERVERLESS = "scaleway:databases/serverlessDatabase:ServerlessDatabase"
SECRET_VERSION = "scaleway:secrets/version:Version"  # noqa: S105 - a type
POLICY = "scaleway:iam/policy:Policy"
TOKEN = "scaleway:observability/token:Token"  # noqa: S105 - a type
LOGS = "scaleway:observability/source:Source"


@dataclass(frozen=True)
class Resource:
    """A resource that a program registers or an engine plans to create or update."""

    urn: str
    type: str
    inputs: Mapping[str, Any]
    """Plain values, or the placeholders `UNKNOWN` and `SECRET`."""
    protect: bool

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]


class Finding(NamedTuple):
    """A property that violates a rule."""

    property: str
    found: str
    """What is wrong, as a predicate of the property: `is true`."""


Check = Callable[[Resource, Requirements], Iterator[Finding]]
StackCheck = Callable[[Sequence[Resource]], Iterator[tuple[Resource, Finding]]]


@dataclass(frozen=True)
class Rule:
    """A rule with its rationale and the remedy for violations."""

    name: PolicyRule
    rationale: str
    remedy: str
    check: Check
    check_stack: StackCheck | None = None
    """An additional check that needs all resources of the stack."""


@dataclass(frozen=True)
class Violation:
    """A property of a resource that violates a rule."""

    rule: Rule
    resource: str
    property: str
    found: str
    remedy: str

    def __str__(self) -> str:
        rule = self.rule
        return f"{self.resource}: {self.property} {self.found} ({rule.name}). {rule.rationale} {self.remedy}"


@dataclass(frozen=True)
class PolicyResult:
    """The result of evaluating the rules."""

    violations: Sequence[Violation]
    exempted: Sequence[tuple[Violation, PolicyExemption]]
    unused: Sequence[PolicyExemption]
    """Exemptions that no violation matches."""


def check(
    resources: Iterable[Resource], requirements: Requirements, rules: Iterable[Rule] | None = None
) -> PolicyResult:
    """Checks a stack's resources against the given rules, by default all rules."""
    selected = RULES if rules is None else list(rules)
    names = {rule.name for rule in selected}
    exemptions = [exemption for exemption in requirements.exemptions if exemption.rule in names]
    violations: list[Violation] = []
    exempted: list[tuple[Violation, PolicyExemption]] = []
    for violation in _violations(list(resources), requirements, selected):
        exemption = next((candidate for candidate in exemptions if _exempts(candidate, violation)), None)
        if exemption is None:
            violations.append(violation)
        else:
            exempted.append((violation, exemption))
    used = [exemption for _, exemption in exempted]
    return PolicyResult(violations, exempted, [exemption for exemption in exemptions if exemption not in used])


def _violations(
    resources: Sequence[Resource], requirements: Requirements, rules: Sequence[Rule]
) -> Iterator[Violation]:
    def violation(rule: Rule, resource: Resource, finding: Finding) -> Violation:
        remedy = requirements.remedies.get(rule.name, rule.remedy)
        return Violation(rule, resource.name, finding.property, finding.found, remedy)

    for resource in resources:
        for rule in rules:
            yield from (violation(rule, resource, finding) for finding in rule.check(resource, requirements))
    for rule in rules:
        if rule.check_stack is not None:
            for resource, finding in rule.check_stack(resources):
                yield violation(rule, resource, finding)


def _exempts(exemption: PolicyExemption, violation: Violation) -> bool:
    matches = exemption.rule == violation.rule.name and exemption.resource == violation.resource
    return matches and exemption.property in (None, violation.property)


# --- images -------------------------------------------------------------------------------------

_SCALEWAY_REGISTRY = re.compile(r"rg\.[a-z]{2}-[a-z]{3}\.scw\.cloud")
_LOCAL_REGISTRY = re.compile(r"(localhost|127\.0\.0\.1):\d+")


def image_by_digest(resource: Resource, _requirements: Requirements) -> Iterator[Finding]:
    for key, image in _images(resource):
        if not _allows(limits.Digest, image.partition("@")[2]):
            yield Finding(key, f"is {image}")


def private_registry(resource: Resource, requirements: Requirements) -> Iterator[Finding]:
    if resource.type == REGISTRY and resource.inputs.get("isPublic") is True:
        yield Finding("isPublic", "is true")
    namespaces = requirements.registry_namespaces
    if namespaces is None:
        return
    for key, image in _images(resource):
        host, _, path = image.partition("/")
        known = _SCALEWAY_REGISTRY.fullmatch(host) or _LOCAL_REGISTRY.fullmatch(host)
        if not known or not path.startswith(tuple(f"{namespace}/" for namespace in namespaces)):
            allowed = " or ".join(f"rg.<region>.scw.cloud/{namespace}" for namespace in namespaces)
            yield Finding(key, f"is {image}, which is not in {allowed}")


def _images(resource: Resource) -> Iterator[tuple[str, str]]:
    for type_, key in ((CONTAINER, "image"), (JOB, "imageUri")):
        image = resource.inputs.get(key)
        if resource.type == type_ and isinstance(image, str):
            yield key, image


# --- databases ----------------------------------------------------------------------------------


def encryption_at_rest(resource: Resource, _requirements: Requirements) -> Iterator[Finding]:
    if resource.type == INSTANCE and resource.inputs.get("encryptionAtRest") not in (True, UNKNOWN):
        yield Finding("encryptionAtRest", "is not true")


def no_wide_network(resource: Resource, _requirements: Requirements) -> Iterator[Finding]:
    """Rejects networks that are too large to belong to a single organization."""
    if resource.type == ACL:
        for index, rule in enumerate(_sequence(resource.inputs.get("aclRules"))):
            network = _network(_mapping(rule).get("ip"))
            if network is not None and network.prefixlen < limits.MIN_NETWORK_PREFIX:
                yield Finding(f"aclRules[{index}].ip", f"is {network}")


def no_open_instance(resources: Sequence[Resource]) -> Iterator[tuple[Resource, Finding]]:
    """Compares the numbers of public instances and of ACLs, because an ACL's instance id is unknown in previews."""
    public = [
        resource for resource in resources if resource.type == INSTANCE and not resource.inputs.get("privateNetwork")
    ]
    acls = sum(resource.type == ACL for resource in resources)
    for resource in public if acls < len(public) else []:
        yield resource, Finding("privateNetwork", "is missing, and no ACL exists: any address can connect")


def _network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if isinstance(text, str) else None
    except ValueError:
        return None


# --- protection and access ----------------------------------------------------------------------


def protection(resource: Resource, requirements: Requirements) -> Iterator[Finding]:
    if resource.type == SECRET_VERSION:
        return  # every change replaces it
    if requirements.protect and not resource.protect and not resource.type.startswith("pulumi:"):
        yield Finding("protect", "is not set")


def least_privilege(resource: Resource, requirements: Requirements) -> Iterator[Finding]:
    name = resource.inputs.get("name")
    if resource.type == POLICY and name is not UNKNOWN:
        allowed = requirements.permission_sets.get(str(name), ())
        for index, rule in enumerate(_sequence(resource.inputs.get("rules"))):
            for excess in _excess_permissions(_mapping(rule), allowed):
                yield Finding(f"rules[{index}].permissionSetNames", excess)
    if resource.type == TOKEN and resource.inputs.get("scopes") is not UNKNOWN:
        scopes = _mapping(resource.inputs.get("scopes"))
        for scope in ("writeLogs", "writeMetrics", "writeTraces", "setupAlerts", "setupLogsRules", "setupMetricsRules"):
            # By default a token can write logs and metrics.
            if scopes.get(scope, scope in ("writeLogs", "writeMetrics")) is True:
                yield Finding(f"scopes.{scope}", "is not false")


def _excess_permissions(rule: Mapping[str, Any], allowed: Collection[str]) -> Iterator[str]:
    names = [name for name in _sequence(rule.get("permissionSetNames")) if isinstance(name, str)]
    if rule.get("organizationId"):
        yield from (f"grants {name} on the whole organization" for name in names if not name.endswith("ReadOnly"))
    else:
        yield from (
            f"grants {name}" for name in names if name.endswith(("FullAccess", "Manager")) and name not in allowed
        )


# --- secrets in plain variables -----------------------------------------------------------------


def plain_variables(resource: Resource, _requirements: Requirements) -> Iterator[Finding]:
    for type_, key in ((CONTAINER, "environmentVariables"), (JOB, "env")):
        if resource.type == type_:
            for name, value in _mapping(resource.inputs.get(key)).items():
                reason = secret_variables.reason(name, value)
                if reason:
                    yield Finding(f"{key}.{name}", reason)


# --- limits of Scaleway -------------------------------------------------------------------------

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.0+)?s)?")
_LIMITS: dict[str, dict[str, Any]] = {
    CONTAINER: {
        "name": limits.Name,
        "cpuLimit": limits.Cpu,
        "minScale": limits.MinScale,
        "maxScale": limits.MaxScale,
        "timeout": limits.RequestTimeout,
        "port": limits.Port,
    },
    JOB: {
        "name": limits.JobKey,
        "cpuLimit": limits.JobCpu,
        "memoryLimit": limits.JobMemory,
        "localStorageCapacity": limits.JobStorage,
    },
    SERVERLESS: {"minCpu": limits.ServerlessCpu, "maxCpu": limits.ServerlessCpu},
    INSTANCE: {
        "volumeSizeInGb": limits.VolumeSize,
        "backupScheduleFrequency": limits.BackupHours,
        "backupScheduleRetention": limits.BackupDays,
    },
    LOGS: {"retentionDays": limits.LogRetention},
}
"""The allowed values of inputs, by resource type and input name."""
_ORDERED = {CONTAINER: ("minScale", "maxScale"), SERVERLESS: ("minCpu", "maxCpu")}


def limits_of_scaleway(resource: Resource, _requirements: Requirements) -> Iterator[Finding]:
    for key, kind in _LIMITS.get(resource.type, {}).items():
        yield from _limited(key, resource.inputs.get(key), kind)
    if resource.type in _ORDERED:
        least, most = _ORDERED[resource.type]
        low, high = resource.inputs.get(least), resource.inputs.get(most)
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield Finding(least, f"is {low}, and {most} is {high}")
    if resource.type == CONTAINER:
        yield from _container_limits(resource.inputs)
    if resource.type == JOB:
        yield from _limited("timeout", _seconds(resource.inputs.get("timeout")), limits.JobTimeout)
        yield from _variable_limits("env", resource.inputs.get("env"))


def _container_limits(inputs: Mapping[str, Any]) -> Iterator[Finding]:
    memory = inputs.get("memoryLimitBytes")
    if isinstance(memory, int):
        yield from _memory_limits(memory // scaleway.BYTES_PER_MEGABYTE, inputs.get("cpuLimit"))
    for index, option in enumerate(_sequence(inputs.get("scalingOptions"))):
        threshold = _mapping(option).get("concurrentRequestsThreshold")
        yield from _limited(f"scalingOptions[{index}].concurrentRequestsThreshold", threshold, limits.Concurrency)
    for key in ("livenessProbe", "startupProbe"):
        probe = _mapping(inputs.get(key))
        yield from _limited(f"{key}.failureThreshold", probe.get("failureThreshold"), limits.FailureThreshold)
        for duration in ("interval", "timeout"):
            yield from _limited(f"{key}.{duration}", _seconds(probe.get(duration)), limits.ProbeSeconds)
    yield from _variable_limits("environmentVariables", inputs.get("environmentVariables"))
    secret = _mapping(inputs.get("secretEnvironmentVariables"))
    yield from _count_limits("secretEnvironmentVariables", secret, scaleway.SECRET_VARIABLES)
    for name, value in secret.items():
        if isinstance(value, str) and not scaleway.SECRET_VARIABLE_VALUE.allows(len(value.encode())):
            path = f"secretEnvironmentVariables.{name}"
            allowed = scaleway.SECRET_VARIABLE_VALUE.most
            yield Finding(path, f"has {len(value.encode())} bytes; allowed: at most {allowed}")


def _memory_limits(megabytes: int, cpu: Any) -> Iterator[Finding]:
    documented = scaleway.MEMORY_BY_CPU.get(cpu) if isinstance(cpu, int) else None
    if documented and scaleway.MEMORY.allows(megabytes) and not documented.allows(megabytes):
        yield Finding("memoryLimitBytes", f"is {megabytes} MB; allowed with {cpu} mvCPU: {documented.range} MB")
    yield from _limited("memoryLimitBytes", megabytes, limits.Memory)


def _variable_limits(key: str, variables: Any) -> Iterator[Finding]:
    yield from _count_limits(key, _mapping(variables), scaleway.VARIABLES)
    for name, value in _mapping(variables).items():
        if isinstance(value, str) and not scaleway.VARIABLE_VALUE.allows(len(value)):
            allowed = scaleway.VARIABLE_VALUE.most
            yield Finding(f"{key}.{name}", f"has {len(value)} characters; allowed: at most {allowed}")


def _count_limits(key: str, variables: Mapping[str, Any], limit: Limit) -> Iterator[Finding]:
    if not limit.allows(len(variables)):
        yield Finding(key, f"has {len(variables)} entries; allowed: at most {limit.most}")
    for name in variables:
        if not _allows(limits.VariableName, name):
            yield Finding(f"{key}.{name}", f"is not a valid name; allowed: {_allowed(limits.VariableName)}")


def _limited(key: str, value: Any, kind: Any) -> Iterator[Finding]:
    """Checks a value against `kind`, a type of `infra.settings.limits`."""
    if isinstance(value, str | int | float) and not _allows(kind, value):
        yield Finding(key, f"is {value}; allowed: {_allowed(kind)}")


def _seconds(duration: Any) -> Any:
    """Converts a duration in Go's format (`2h0m0s`) to seconds; returns other values unchanged."""
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if match is None or not any(match.groups()):
        return duration
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _allows(kind: Any, value: Any) -> bool:
    try:
        _adapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _allowed(kind: Any) -> str:
    return SettingLocation("", *unwrap(kind)).allowed or "another value"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


RULES: Sequence[Rule] = (
    Rule(
        "image-by-digest",
        "A tag can move, so the image that runs may not be the one that was approved.",
        "Reference the image as REGISTRY/NAME@sha256:DIGEST.",
        image_by_digest,
    ),
    Rule(
        "private-registry",
        "Images contain the apps' code, and an environment may only run images built for it or promoted to it.",
        "Make the registry namespace private, and push or copy the image to one of the allowed namespaces.",
        private_registry,
    ),
    Rule(
        "encryption-at-rest",
        "State and personal data must not be readable on a disk that leaves the data center.",
        "Set encryption_at_rest when creating the instance; it cannot be disabled later.",
        encryption_at_rest,
    ),
    Rule(
        "protection",
        "All resources of a protected stack must be protected from accidental deletion.",
        "Pass the component's options to the resource, or make it a child of a protected resource.",
        protection,
    ),
    Rule(
        "plain-variables",
        "Everyone with read access to the container can read its plain variables, including in the console.",
        "Pass the value as a secret variable.",
        plain_variables,
    ),
    Rule(
        "no-public-database",
        "A database that is reachable from the whole internet is protected only by its password.",
        "Set a private network or an ACL with the networks that need access, or use a Serverless SQL database.",
        no_wide_network,
        no_open_instance,
    ),
    Rule(
        "least-privilege",
        "A leaked key must not grant more access than its purpose requires.",
        "Grant only the required permission sets, and only on the project; set the write scopes of read-only tokens to "
        "false.",
        least_privilege,
    ),
    Rule(
        "limits",
        "Scaleway would reject the value in the middle of an update, after other resources have already changed.",
        "Use an allowed value.",
        limits_of_scaleway,
    ),
)
