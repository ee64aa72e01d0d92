"""Types of settings with descriptions of their allowed values. Scaleway's limits come from `scaleway_facts`."""

import ipaddress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from infra.naming import NAME_PATTERN
from scaleway_facts import limits as scaleway
from scaleway_facts.fact import Limit

MIN_NETWORK_PREFIX = 8
"""Prefix length of the largest network that may connect to a database."""


@dataclass(frozen=True)
class Allowed:
    """Metadata of a type: a description of the allowed values for messages and the settings reference."""

    text: str


def _rejection(kind: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "not allowed")


def _not_reserved(name: str) -> str:
    if name == scaleway.RESERVED_VARIABLE or name.startswith(scaleway.RESERVED_VARIABLE_PREFIX):
        raise _rejection("reserved_variable")
    return name


def _available(port: int) -> int:
    if port in scaleway.UNAVAILABLE_PORTS:
        raise _rejection("unavailable_port")
    return port


def _range(limit: Limit) -> FieldInfo:
    info: FieldInfo = Field(ge=limit.least, le=limit.most)
    return info


def _allowed(limit: Limit, unit: str = "") -> Allowed:
    """`unit` overrides the limit's own unit."""
    unit = unit or limit.unit
    return Allowed(f"{limit.range} ({unit})" if unit else limit.range)


def _is_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise _rejection("no_date") from None
    return text


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise _rejection("no_network") from None
    # Scaleway returns the canonical form; any other would be a permanent diff.
    if str(network) != text or network.prefixlen < MIN_NETWORK_PREFIX:
        raise _rejection("no_network")
    return text


_URL_PORT = r"(:[0-9]{1,5})?"
_HOST_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_PATTERN = rf"^{_HOST_LABEL}(\.{_HOST_LABEL})+$"
_UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Name = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN, max_length=scaleway.CONTAINER_NAME.most),
    Allowed(
        f"{scaleway.CONTAINER_NAME.range} lower-case letters, digits and hyphens, starting with a letter "
        "and not ending with a hyphen"
    ),
]
JobKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,61}[a-z0-9]$"),
    Allowed("2 to 63 lower-case letters, digits, `-` and `_`, starting with a letter"),
]
StackName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$"),
    Allowed("a stack name without organization and project, like `foundation-ci`"),
]
Host = Annotated[
    str,
    StringConstraints(pattern=_HOST_PATTERN, max_length=253),
    Allowed("a host name with at least two labels, like `api.ci.beta-snu.dev`"),
]
Zone = Annotated[
    str,
    StringConstraints(pattern=rf"^{_HOST_LABEL}(\.{_HOST_LABEL}){{2,}}$", max_length=253),
    Allowed("a subdomain, like `ci.beta-snu.dev`"),
]
UrlTemplate = Annotated[
    str,
    StringConstraints(pattern=rf"^https?://\{{host\}}{_URL_PORT}$"),
    Allowed("`https://{host}` or `http://{host}`, with a port if needed"),
]
Url = Annotated[
    str,
    StringConstraints(pattern=rf"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]){_URL_PORT}$"),
    Allowed("an HTTP(S) URL without credentials or a path"),
]
ProviderZone = Annotated[
    Literal["fr-par-1", "fr-par-2", "fr-par-3", "nl-ams-1", "nl-ams-2", "nl-ams-3", "pl-waw-1", "pl-waw-2", "pl-waw-3"],
    Allowed("a zone in `fr-par`, `nl-ams` or `pl-waw`, like `fr-par-1`"),
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), Allowed("an e-mail address")]
Uuid = Annotated[str, StringConstraints(pattern=_UUID_PATTERN), Allowed("a lower-case UUID")]
Network = Annotated[
    str,
    AfterValidator(_network),
    Allowed(f"a network in CIDR notation, /{MIN_NETWORK_PREFIX} or smaller, like `203.0.113.7/32`"),
]
Digest = Annotated[
    str,
    StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$"),
    Allowed("`sha256:` followed by 64 lower-case hexadecimal digits"),
]
Version = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
    Allowed("1 to 128 letters, digits, `_`, `.` and `-`, as in an image tag"),
]
VariableName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    AfterValidator(_not_reserved),
    Allowed("letters, digits and `_`, not starting with a digit; `PORT` and `SCW_*` are reserved by Scaleway"),
]
VariableValue = Annotated[
    str,
    StringConstraints(max_length=scaleway.VARIABLE_VALUE.most),
    Allowed(f"a string of at most {scaleway.VARIABLE_VALUE.most} characters, or {{url: <app>}}"),
]
DocumentKey = Annotated[str, StringConstraints(min_length=1), Allowed("a key of the secret document")]
HttpPath = Annotated[str, StringConstraints(pattern=r"^/\S*$"), Allowed("a path that starts with `/`")]
Password = Annotated[
    SecretStr,
    Field(strict=False, min_length=8, max_length=128),
    Allowed("8 to 128 characters, set with `pulumi config set --secret`"),
]

Cpu = Annotated[int, _range(scaleway.CPU), _allowed(scaleway.CPU, "thousandths of a vCPU")]
Memory = Annotated[int, _range(scaleway.MEMORY), _allowed(scaleway.MEMORY)]
MinScale = Annotated[int, _range(scaleway.MIN_SCALE), Allowed(f"{scaleway.MIN_SCALE.range}, at most maxScale")]
MaxScale = Annotated[int, _range(scaleway.MAX_SCALE), Allowed(scaleway.MAX_SCALE.range)]
Concurrency = Annotated[int, _range(scaleway.CONCURRENCY), Allowed(scaleway.CONCURRENCY.range)]
RequestTimeout = Annotated[int, _range(scaleway.REQUEST_SECONDS), _allowed(scaleway.REQUEST_SECONDS)]
Port = Annotated[
    int,
    _range(scaleway.PORT),
    AfterValidator(_available),
    Allowed(f"{scaleway.PORT.range}, except {', '.join(map(str, scaleway.UNAVAILABLE_PORTS))}"),
]
ProbeSeconds = Annotated[int, _range(scaleway.PROBE_SECONDS), _allowed(scaleway.PROBE_SECONDS)]
FailureThreshold = Annotated[int, _range(scaleway.PROBE_FAILURES), Allowed(scaleway.PROBE_FAILURES.range)]

JobCpu = Annotated[int, _range(scaleway.JOB_CPU), _allowed(scaleway.JOB_CPU, "thousandths of a vCPU")]
JobMemory = Annotated[int, _range(scaleway.JOB_MEMORY), _allowed(scaleway.JOB_MEMORY)]
JobTimeout = Annotated[int, _range(scaleway.JOB_SECONDS), _allowed(scaleway.JOB_SECONDS)]
JobStorage = Annotated[int, _range(scaleway.JOB_STORAGE), _allowed(scaleway.JOB_STORAGE)]

ServerlessCpu = Annotated[int, _range(scaleway.SERVERLESS_VCPU), _allowed(scaleway.SERVERLESS_VCPU)]
Date = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"),
    AfterValidator(_is_date),
    Allowed('a date in quotes, like `"2027-06-30"`'),
]
MemoryQuota = Annotated[int, Field(ge=1, le=100_000), Allowed("1 to 100000 (GB)")]
BucketName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"),
    Allowed("3 to 63 lower-case letters, digits and hyphens, not starting or ending with a hyphen"),
]
VolumeSize = Annotated[int, _range(scaleway.VOLUME_GB), _allowed(scaleway.VOLUME_GB)]
PreviewHours = Annotated[int, Field(ge=1, le=8760), Allowed("1 to 8760 (hours)")]
AlertMinutes = Annotated[
    Literal[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30], Allowed("1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 (minutes)")
]
BackupHours = Annotated[int, _range(scaleway.BACKUP_HOURS), _allowed(scaleway.BACKUP_HOURS)]
BackupDays = Annotated[int, _range(scaleway.BACKUP_DAYS), _allowed(scaleway.BACKUP_DAYS)]
PlanSigner = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$"),
    Allowed("an Ed25519 public key (32 bytes in base64), as printed by `scripts/snu plan-keys`"),
]
PlanRecipient = Annotated[
    str,
    StringConstraints(pattern=r"^age1[ac-hj-np-z02-9]{58}$"),
    Allowed("an age recipient (`age1…`), as printed by `scripts/snu plan-keys`"),
]
PlanHours = Annotated[int, Field(ge=1, le=720), Allowed("1 to 720 (hours)")]
LogRetention = Annotated[int, _range(scaleway.LOG_RETENTION_DAYS), _allowed(scaleway.LOG_RETENTION_DAYS)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=20, max_length=120),
    Allowed("a sentence of 20 to 120 characters"),
]
