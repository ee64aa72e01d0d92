"""Scaleway's documented limits, and this project's own where Scaleway documents none."""

from scaleway_facts import sources
from scaleway_facts.fact import Limit

BYTES_PER_MEGABYTE = 1_000_000
"""Megabytes are decimal: the container API's default of 2048 MB is 2048000000 bytes."""

# Containers

CPU = Limit(subject="CPU of a container", least=70, most=6000, unit="mvCPU", default=1000, source=sources.CONTAINERS)
MEMORY = Limit(
    subject="Memory of a container", least=128, most=12_228, unit="MB", default=2048, source=sources.CONTAINERS
)
MEMORY_OF_2000_MVCPU = Limit(
    subject="Memory of a container with 2000 mvCPU",
    least=2000,
    most=8000,
    unit="MB",
    source=sources.MEMORY_BY_CPU,
    note="According to the changelog of 2024-09-19, vCPU constrains memory, but this is the only published figure. For "
    "other CPU limits, previews warn if the memory is outside the same ratio, 1 to 4 MB per mvCPU.",
)
LOCAL_STORAGE = Limit(
    subject="Local storage of a container", most=24_000, unit="MB", default=1000, source=sources.CONTAINERS
)
MIN_SCALE = Limit(subject="Minimum scale", most=50, unit="instances", default=0, source=sources.CONTAINERS)
MAX_SCALE = Limit(subject="Maximum scale", least=1, most=50, unit="instances", default=5, source=sources.CONTAINERS)
CONCURRENCY = Limit(
    subject="Concurrent requests per instance",
    least=1,
    most=80,
    unit="requests",
    default=50,
    source=sources.CONTAINERS,
)
REQUEST_SECONDS = Limit(
    subject="Request timeout", least=10, most=3600, unit="seconds", default=300, source=sources.CONTAINERS
)
PORT = Limit(subject="Port of a container", least=1, most=65_535, default=8080, source=sources.CONTAINERS)
UNAVAILABLE_PORTS = (8008, 8012, 8013, 8022, 9090, 9091)
"""Ports reserved by the platform (`sources.CONTAINERS`)."""
PROBE_SECONDS = Limit(subject="Interval and timeout of a probe", least=1, most=3600, unit="seconds", source=None)
PROBE_FAILURES = Limit(subject="Failure threshold of a probe", least=1, most=50, unit="failures", source=None)
CONTAINER_NAME = Limit(
    subject="Length of a container's name",
    least=1,
    most=34,
    unit="characters",
    source=sources.REPLACED_STACK,
    note="Scaleway documents no limit; the replaced stack truncated names to this length.",
)
NAMESPACES = Limit(subject="Container namespaces per project", most=100, source=sources.CONTAINERS)
DOMAINS = Limit(subject="Custom domains per container", most=50, source=sources.CONTAINERS)

# Containers' environment variables

VARIABLES = Limit(
    subject="Plain variables of a container and its namespace",
    most=200,
    unit="variables",
    source=sources.VARIABLE_COUNT,
)
SECRET_VARIABLES = Limit(
    subject="Secret variables of a container and its namespace",
    most=200,
    unit="variables",
    source=sources.VARIABLE_COUNT,
)
FORMER_VARIABLES = Limit(
    subject="Variables of either kind, according to the documentation before December 2025",
    most=100,
    unit="variables",
    source=sources.CONTAINERS_BEFORE,
    firm=False,
)
VARIABLE_NAME = Limit(
    subject="Length of a variable's name",
    least=1,
    most=100,
    unit="characters",
    source=sources.VARIABLE_NAMES,
    firm=False,
    note="Second-hand: the text of this change was not available.",
)
VARIABLE_VALUE = Limit(
    subject="Length of a plain variable's value",
    most=65_536,
    unit="characters",
    source=sources.VARIABLE_SIZE,
    note="1000 until 2026-06-11.",
)
SECRET_VARIABLE_VALUE = Limit(
    subject="Size of a secret variable's value", most=65_536, unit="bytes", source=sources.CONTAINERS
)
RESERVED_VARIABLE = "PORT"
RESERVED_VARIABLE_PREFIX = "SCW_"
"""Variable names reserved by the platform (`sources.CONTAINERS`)."""

# Quotas of an organization

CONTAINER_MEMORY_GB = Limit(
    subject="Total memory of an organization's containers, at their maximum scale",
    most=100,
    unit="GB",
    source=sources.QUOTAS,
    firm=False,
    note="For an organization with a verified identity; 25 GB before verification. Scaleway raises the quota on "
    "request, up to 600 GiB.",
)

# Jobs

JOB_CPU = Limit(subject="CPU of a job", least=70, most=6000, unit="mvCPU", default=1120, source=sources.JOBS)
JOB_MEMORY = Limit(subject="Memory of a job", least=128, most=16_384, unit="MB", default=2048, source=sources.JOBS)
JOB_STORAGE = Limit(subject="Ephemeral storage of a job", least=128, most=10_000, unit="MB", source=sources.JOBS)
JOB_SECONDS = Limit(
    subject="Duration of a job run", least=1, most=86_400, unit="seconds", default=86_400, source=sources.JOBS
)

# Secret Manager

SECRET_VERSION = Limit(subject="Size of a secret's version", most=65_536, unit="bytes", source=sources.SECRETS)

# Databases and logs

SERVERLESS_VCPU = Limit(
    subject="CPU of a Serverless SQL database", most=15, unit="vCPU", default=15, source=sources.SQL_DATABASES
)
VOLUME_GB = Limit(subject="Volume size of a database instance", least=5, most=10_000, unit="GB", source=None)
BACKUP_HOURS = Limit(
    subject="Time between backups of a database instance", least=1, most=8760, unit="hours", source=None
)
BACKUP_DAYS = Limit(subject="Backup retention of a database instance", least=1, most=365, unit="days", source=None)
LOG_RETENTION_DAYS = Limit(subject="Retention of logs", least=1, most=365, unit="days", source=None)

MEMORY_BY_CPU = {2000: MEMORY_OF_2000_MVCPU}
"""The API's memory limits, by CPU in mvCPU."""
_MEMORY_PER_MVCPU = (1, 4)
"""Range of MB per mvCPU, derived from the limit for 2000 mvCPU. All containers in the
stack that this project replaces are within it."""


def memory_of_container(cpu: int) -> Limit:
    """Return the memory limit, in MB, for a container with `cpu` mvCPU.

    Firm if the API has stated it; otherwise derived from the stated limits and bounded by `MEMORY`.
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
        note="1 to 4 MB per mvCPU, derived from the limit for 2000 mvCPU.",
    )
