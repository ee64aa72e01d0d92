"""Namespaces, containers and domains, and their request bodies.

Limits and defaults: ``scaleway_facts.limits``.
"""

from __future__ import annotations

from localcloud.api.collection import Collection
from localcloud.api.validation import (
    Array,
    Body,
    Boolean,
    Duration,
    EnumField,
    Field,
    Integer,
    Nested,
    StringMap,
    Text,
    Uuid,
)
from scaleway_facts import limits

NAMESPACES = "containers.namespace"
CONTAINERS = "containers.container"
DOMAINS = "containers.domain"

namespaces = Collection(
    NAMESPACES,
    "namespace",
    "namespaces",
    {"name": "name", "project_id": "project_id", "organization_id": "organization_id"},
)
containers = Collection(
    CONTAINERS,
    "container",
    "containers",
    {"name": "name", "namespace_id": "namespace_id", "project_id": "_project"},
)
domains = Collection(
    DOMAINS,
    "domain",
    "domains",
    {"container_id": "container_id", "hostname": "hostname", "project_id": "_project"},
)

NAME_PATTERN = r"[a-zA-Z]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
NAME_MEANING = "must start with a letter, end with a letter or digit, and contain only letters, digits and hyphens"
_TAGS = Array(of=Text(max_length=255))

NAMESPACE = Body(
    name=Text(required=True, max_length=63, pattern=NAME_PATTERN, message=NAME_MEANING),
    project_id=Uuid(),
    description=Text(),
    environment_variables=StringMap(),
    secret_environment_variables=StringMap(),
    tags=_TAGS,
)

_PROBE = Body(
    failure_threshold=Integer(default=30, minimum=1, maximum=1_000),
    interval=Duration.within(limits.PROBE_SECONDS, default="10s"),
    timeout=Duration.within(limits.PROBE_SECONDS, default="1s"),
    tcp=Field(),
    http=Nested(body=Body(path=Text(default="/", pattern=r"/.*", message="must start with /"))),
)
_SCALING = Body(
    concurrent_requests_threshold=Integer.within(limits.CONCURRENCY, default=None),
    cpu_usage_threshold=Integer(minimum=1, maximum=100),
    memory_usage_threshold=Integer(minimum=1, maximum=100),
)
DEFAULT_PROBE = {"failure_threshold": 30, "interval": "10s", "timeout": "1s", "tcp": {}}

CONTAINER = Body(
    namespace_id=Uuid(required=True),
    name=Text(required=True, max_length=limits.CONTAINER_NAME.most, pattern=NAME_PATTERN, message=NAME_MEANING),
    description=Text(),
    image=Text(required=True, max_length=1_024),
    environment_variables=StringMap(),
    secret_environment_variables=StringMap(),
    min_scale=Integer.within(limits.MIN_SCALE),
    max_scale=Integer.within(limits.MAX_SCALE),
    memory_limit_bytes=Integer.within(limits.MEMORY, limits.BYTES_PER_MEGABYTE),
    mvcpu_limit=Integer.within(limits.CPU),
    local_storage_limit_bytes=Integer.within(limits.LOCAL_STORAGE, limits.BYTES_PER_MEGABYTE),
    timeout=Duration.within(limits.REQUEST_SECONDS),
    privacy=EnumField(values=("public", "private"), default="public"),
    protocol=EnumField(values=("http1", "h2c"), default="http1"),
    port=Integer.within(limits.PORT, forbidden=limits.UNAVAILABLE_PORTS),
    https_connections_only=Boolean(),
    sandbox=EnumField(values=("v1", "v2"), default="v2"),
    scaling_option=Nested(body=_SCALING, default={"concurrent_requests_threshold": limits.CONCURRENCY.default}),
    liveness_probe=Nested(body=_PROBE, default=DEFAULT_PROBE),
    startup_probe=Nested(body=_PROBE),
    tags=_TAGS,
    command=Array(of=Text()),
    args=Array(of=Text()),
    private_network_id=Uuid(),
)
DOMAIN = Body(
    container_id=Uuid(required=True),
    hostname=Text(
        required=True,
        max_length=253,
        pattern=r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z][a-zA-Z0-9-]*",
        message="must be a fully qualified host name",
    ),
    tags=_TAGS,
)
