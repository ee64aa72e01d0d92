"""The ranges that Scaleway accepts."""

from scaleway_facts import sources
from scaleway_facts.fact import Limit

BYTES_PER_MEGABYTE = 1_000_000
"""A megabyte is decimal: the container API's default of 2048 MB is 2048000000 bytes."""

# Containers

CPU = Limit(
    subject="Processor of a container", least=70, most=6000, unit="mvCPU", default=1000, source=sources.CONTAINERS
)
MEMORY = Limit(
    subject="Memory of a container", least=128, most=12_228, unit="MB", default=2048, source=sources.CONTAINERS
)
MEMORY_OF_2000_MVCPU = Limit(
    subject="Memory of a container with 2000 mvCPU",
    least=2000,
    most=8000,
    unit="MB",
    source=sources.MEMORY_BY_CPU,
    note="The changelog of 2024-09-19 says that memory is constrained by vCPU. This is the only pair of figures "
    "that is known. For other sizes previews warn outside of the same ratio, 1 to 4 MB per mvCPU.",
)
LOCAL_STORAGE = Limit(
    subject="Temporary disk of a container", most=24_000, unit="MB", default=1000, source=sources.CONTAINERS
)
MIN_SCALE = Limit(subject="Minimum scale", most=50, unit="instances", default=0, source=sources.CONTAINERS)
MAX_SCALE = Limit(subject="Maximum scale", least=1, most=50, unit="instances", default=5, source=sources.CONTAINERS)
CONCURRENCY = Limit(
    subject="Concurrent requests of an instance",
    least=1,
    most=80,
    unit="requests",
    default=50,
    source=sources.CONTAINERS,
)
REQUEST_SECONDS = Limit(
    subject="Duration of a request", least=10, most=3600, unit="seconds", default=300, source=sources.CONTAINERS
)
PORT = Limit(subject="Port of a container", least=1, most=65_535, default=8080, source=sources.CONTAINERS)
UNAVAILABLE_PORTS = (8008, 8012, 8013, 8022, 9090, 9091)
"""Ports that the platform itself uses (`sources.CONTAINERS`)."""
PROBE_SECONDS = Limit(subject="Interval and timeout of a probe", least=1, most=3600, unit="seconds", source=None)
PROBE_FAILURES = Limit(subject="Failures in a row that a probe allows", least=1, most=50, unit="failures", source=None)
CONTAINER_NAME = Limit(
    subject="Name of a container",
    least=1,
    most=34,
    unit="characters",
    source=sources.REPLACED_STACK,
    note="Scaleway documents no limit; the replaced stack shortened its names to this.",
)
NAMESPACES = Limit(subject="Container namespaces of a project", most=100, source=sources.CONTAINERS)
DOMAINS = Limit(subject="Custom domains of a container", most=50, source=sources.CONTAINERS)

# Variables of containers

VARIABLES = Limit(
    subject="Plain variables of a container together with its namespace",
    most=200,
    unit="variables",
    source=sources.VARIABLE_COUNT,
)
SECRET_VARIABLES = Limit(
    subject="Secret variables of a container together with its namespace",
    most=200,
    unit="variables",
    source=sources.VARIABLE_COUNT,
)
FORMER_VARIABLES = Limit(
    subject="Variables of either kind, as documented before December 2025",
    most=100,
    unit="variables",
    source=sources.CONTAINERS_BEFORE,
    firm=False,
)
VARIABLE_NAME = Limit(
    subject="Name of a variable",
    least=1,
    most=100,
    unit="characters",
    source=sources.VARIABLE_NAMES,
    firm=False,
    note="Second-hand: the text of that change was not available.",
)
VARIABLE_VALUE = Limit(
    subject="Value of a plain variable",
    most=65_536,
    unit="characters",
    source=sources.VARIABLE_SIZE,
    note="1000 until 2026-06-11.",
)
SECRET_VARIABLE_VALUE = Limit(
    subject="Value of a secret variable", most=65_536, unit="bytes", source=sources.CONTAINERS
)
RESERVED_VARIABLE = "PORT"
RESERVED_VARIABLE_PREFIX = "SCW_"
"""Names that are reserved (`sources.CONTAINERS`)."""

# Quotas of an organization

CONTAINER_MEMORY_GB = Limit(
    subject="Memory of all containers of an organization at their maximum scale",
    most=100,
    unit="GB",
    source=sources.QUOTAS,
    firm=False,
    note="Of an organization whose identity is verified; 25 GB until then. Scaleway raises it on request, up to "
    "600 GiB.",
)

# Jobs

JOB_CPU = Limit(subject="Processor of a job", least=70, most=6000, unit="mvCPU", default=1120, source=sources.JOBS)
JOB_MEMORY = Limit(subject="Memory of a job", least=128, most=16_384, unit="MB", default=2048, source=sources.JOBS)
JOB_STORAGE = Limit(subject="Ephemeral storage of a job", least=128, most=10_000, unit="MB", source=sources.JOBS)
JOB_SECONDS = Limit(
    subject="Duration of a run of a job", least=1, most=86_400, unit="seconds", default=86_400, source=sources.JOBS
)

# Secret Manager

SECRET_VERSION = Limit(subject="Version of a secret", most=65_536, unit="bytes", source=sources.SECRETS)

# Databases and logs

SERVERLESS_VCPU = Limit(
    subject="Processor of a Serverless SQL database", most=15, unit="vCPU", default=15, source=sources.SQL_DATABASES
)
VOLUME_GB = Limit(subject="Volume of a database instance", least=5, most=10_000, unit="GB", source=None)
BACKUP_HOURS = Limit(subject="Time between two backups of an instance", least=1, most=8760, unit="hours", source=None)
BACKUP_DAYS = Limit(subject="Retention of an instance's backups", least=1, most=365, unit="days", source=None)
LOG_RETENTION_DAYS = Limit(subject="Retention of logs", least=1, most=365, unit="days", source=None)

MEMORY_BY_CPU = {2000: MEMORY_OF_2000_MVCPU}
"""By processor in mvCPU, the range of memory that the API has stated."""
_MEMORY_PER_MVCPU = (1, 4)
"""MB per mvCPU in the stated range. All sizes of the replaced stack are within it."""


def memory_of_container(cpu: int) -> Limit:
    """The range of memory in MB for a container of `cpu` mvCPU.

    Firm where the API has stated it; else derived from the stated pair, within `MEMORY`.
    """
    if stated := MEMORY_BY_CPU.get(cpu):
        return stated
    least, most = (cpu * ratio for ratio in _MEMORY_PER_MVCPU)
    return Limit(
        subject=f"Memory of a container with {cpu} mvCPU",
        least=max(MEMORY.least, least),
        most=min(MEMORY.most, most),
        unit="MB",
        source=sources.MEMORY_BY_CPU,
        firm=False,
        note="1 to 4 MB per mvCPU, derived from 2000 mvCPU.",
    )
