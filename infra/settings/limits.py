"""The types of settings: what Scaleway allows, each stated once, with the words shown to people.

The source of each number is Scaleway's documentation of the product, or its API where noted.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from infra.naming import NAME_PATTERN

RESERVED_VARIABLE = "PORT"
RESERVED_VARIABLE_PREFIX = "SCW_"
UNAVAILABLE_PORTS = frozenset({8008, 8012, 8013, 8022, 9090, 9091})
MAX_VARIABLES = 200
"""Plain variables of a container; as many secret ones again."""
MAX_VARIABLE_LENGTH = 1000
"""Characters in the value of a plain variable."""
MAX_SECRET_BYTES = 65_536
"""Bytes in the value of a secret variable."""
BYTES_PER_MEGABYTE = 1_000_000
"""The container API counts bytes where a megabyte is decimal: its default is 2048000000."""


@dataclass(frozen=True)
class Allowed:
    """In the metadata of a type: what it allows, in words, for messages and the reference."""

    text: str


def _refuse(kind: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "not allowed")


def _not_reserved(name: str) -> str:
    if name == RESERVED_VARIABLE or name.startswith(RESERVED_VARIABLE_PREFIX):
        raise _refuse("reserved_variable")
    return name


def _available(port: int) -> int:
    if port in UNAVAILABLE_PORTS:
        raise _refuse("unavailable_port")
    return port


def _has_host(template: str) -> str:
    if template.count("{host}") != 1:
        raise _refuse("no_host")
    return template


_HOST_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_PATTERN = rf"^{_HOST_LABEL}(\.{_HOST_LABEL})+$"
_UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Name = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN, max_length=34),
    Allowed("1 to 34 lower case letters, digits and hyphens; starts with a letter, ends with no hyphen"),
]
JobKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,61}[a-z0-9]$"),
    Allowed("2 to 63 lower case letters, digits, `-` and `_`; starts with a letter"),
]
StackName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$"),
    Allowed("the bare name of a stack, like `foundation-ci`"),
]
Host = Annotated[
    str,
    StringConstraints(pattern=_HOST_PATTERN, max_length=253),
    Allowed("a host name of at least two labels, like `api.ci.beta-snu.dev`"),
]
Zone = Annotated[
    str,
    StringConstraints(pattern=rf"^{_HOST_LABEL}(\.{_HOST_LABEL}){{2,}}$", max_length=253),
    Allowed("a subdomain with its domain, like `ci.beta-snu.dev`"),
]
UrlTemplate = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s]+$"),
    AfterValidator(_has_host),
    Allowed("an http(s) URL with one `{host}` in it"),
]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+$"), Allowed("an http(s) URL without a path")]
ProviderZone = Annotated[
    Literal["fr-par-1", "fr-par-2", "fr-par-3", "nl-ams-1", "nl-ams-2", "nl-ams-3", "pl-waw-1", "pl-waw-2", "pl-waw-3"],
    Allowed("a zone of `fr-par`, `nl-ams` or `pl-waw`, like `fr-par-1`"),
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), Allowed("an e-mail address")]
Uuid = Annotated[str, StringConstraints(pattern=_UUID_PATTERN), Allowed("a UUID in lower case")]
Digest = Annotated[
    str,
    StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$"),
    Allowed("`sha256:` and 64 lower case hexadecimal digits"),
]
Version = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
    Allowed("1 to 128 letters, digits, `_`, `.` and `-` (what an image's tag allows)"),
]
VariableName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    AfterValidator(_not_reserved),
    Allowed("letters, digits and `_`, no leading digit; `PORT` and `SCW_*` are reserved by Scaleway"),
]
VariableValue = Annotated[
    str,
    StringConstraints(max_length=MAX_VARIABLE_LENGTH),
    Allowed(f"a text of at most {MAX_VARIABLE_LENGTH} characters, or {{url: <app>}}"),
]
DocumentKey = Annotated[str, StringConstraints(min_length=1), Allowed("the name of a key of the secret document")]
HttpPath = Annotated[str, StringConstraints(pattern=r"^/\S*$"), Allowed("a path that starts with `/`")]
Password = Annotated[
    SecretStr,
    Field(strict=False, min_length=8, max_length=128),
    Allowed("8 to 128 characters, written with `pulumi config set --secret`"),
]

Cpu = Annotated[int, Field(ge=70, le=6000), Allowed("70 to 6000 (thousandths of a vCPU)")]
Memory = Annotated[int, Field(ge=128, le=12_228), Allowed("128 to 12228 (MB)")]
MinScale = Annotated[int, Field(ge=0, le=50), Allowed("0 to 50, at most maxScale")]
MaxScale = Annotated[int, Field(ge=1, le=50), Allowed("1 to 50")]
Concurrency = Annotated[int, Field(ge=1, le=80), Allowed("1 to 80")]
RequestTimeout = Annotated[int, Field(ge=10, le=3600), Allowed("10 to 3600 (seconds)")]
Port = Annotated[
    int,
    Field(ge=1, le=65_535),
    AfterValidator(_available),
    Allowed(f"1 to 65535, except {', '.join(map(str, sorted(UNAVAILABLE_PORTS)))}"),
]
ProbeSeconds = Annotated[int, Field(ge=1, le=3600), Allowed("1 to 3600 (seconds)")]
FailureThreshold = Annotated[int, Field(ge=1, le=50), Allowed("1 to 50")]

JobCpu = Annotated[int, Field(ge=70, le=6000), Allowed("70 to 6000 (thousandths of a vCPU)")]
JobMemory = Annotated[int, Field(ge=128, le=16_384), Allowed("128 to 16384 (MB)")]
JobTimeout = Annotated[int, Field(ge=1, le=86_400), Allowed("1 to 86400 (seconds)")]
JobStorage = Annotated[int, Field(ge=128, le=10_000), Allowed("128 to 10000 (MB)")]

ServerlessCpu = Annotated[int, Field(ge=0, le=15), Allowed("0 to 15 (vCPU)")]
BucketName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"),
    Allowed("3 to 63 lower case letters, digits and hyphens; starts and ends with no hyphen"),
]
VolumeSize = Annotated[int, Field(ge=5, le=10_000), Allowed("5 to 10000 (GB)")]
PreviewHours = Annotated[int, Field(ge=1, le=8760), Allowed("1 to 8760 (hours)")]
AlertMinutes = Annotated[
    Literal[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30], Allowed("a part of an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30")
]
BackupHours = Annotated[int, Field(ge=1, le=8760), Allowed("1 to 8760 (hours)")]
BackupDays = Annotated[int, Field(ge=1, le=365), Allowed("1 to 365 (days)")]
PlanSigner = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$"),
    Allowed("an Ed25519 public key: 32 bytes in base64, as `snu plan-keys` prints it"),
]
PlanRecipient = Annotated[
    str,
    StringConstraints(pattern=r"^age1[ac-hj-np-z02-9]{58}$"),
    Allowed("an age recipient, `age1…`, as `snu plan-keys` prints it"),
]
PlanHours = Annotated[int, Field(ge=1, le=720), Allowed("1 to 720 (hours)")]
LogRetention = Annotated[int, Field(ge=1, le=365), Allowed("1 to 365 (days)")]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=20, max_length=120),
    Allowed("a sentence of 20 to 120 characters"),
]
