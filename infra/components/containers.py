"""A container that serves requests, with its host name."""

import functools
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict
from urllib.parse import urlsplit

import pulumi
from pulumiverse_scaleway import containers, domain

from . import defaults
from .commands import Command
from .component import Component
from .health import ContainerHealth

_BYTES_PER_MEGABYTE = 1_000_000
_RECORD_TTL = 3600
"""Time to live of records, in seconds."""


class ContainerProbe(TypedDict):
    """A health check of a container."""

    path: NotRequired[str | None]
    """Path of the HTTP request. If unset, the probe opens a TCP connection."""
    interval: NotRequired[int]
    """Seconds between probes. Default: 10."""
    timeout: NotRequired[int]
    """Seconds after which a probe times out. Default: 1."""
    failure_threshold: NotRequired[int]
    """Consecutive failures after which the container is unhealthy. Default: 3."""


class ContainerAppArgs(TypedDict):
    """Arguments of `ContainerApp`."""

    container_name: pulumi.Input[str]
    """Name of the container, at most 34 characters."""
    namespace_id: pulumi.Input[str]
    """Container namespace."""
    image: pulumi.Input[str]
    """Image reference, preferably with a digest: a tag can move."""
    cpu: pulumi.Input[int]
    """CPU limit, in thousandths of a vCPU."""
    memory: pulumi.Input[int]
    """Memory limit in MB."""
    min_scale: NotRequired[pulumi.Input[int]]
    """Minimum number of instances. Default: 0."""
    max_scale: NotRequired[pulumi.Input[int]]
    """Maximum number of instances. Default: 1."""
    concurrency: NotRequired[pulumi.Input[int]]
    """Concurrent requests per instance above which another instance starts. Default: 50."""
    timeout: NotRequired[pulumi.Input[int]]
    """Request timeout in seconds. Default: 300."""
    port: NotRequired[pulumi.Input[int]]
    """Port that the process listens on. Default: 8080."""
    protocol: NotRequired[pulumi.Input[str]]
    """Protocol of the process: `http1` or `h2c`. Default: `http1`."""
    privacy: NotRequired[pulumi.Input[str]]
    """`public`, or `private` if requests need a token. Default: `public`."""
    sandbox: NotRequired[pulumi.Input[str]]
    """Sandbox of the instances: `v1`, or `v2` for gVisor. Default: `v2`."""
    https_only: NotRequired[pulumi.Input[bool]]
    """Whether plain HTTP is redirected to HTTPS. Default: true."""
    variables: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Plain variables. Secret outputs remain secret in Pulumi's state."""
    secret_variables: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Secret variables. The provider marks the whole map as secret."""
    liveness_probe: NotRequired[ContainerProbe]
    """Runs as long as the container does. Default: a TCP connection, with a failure threshold of 30."""
    startup_probe: NotRequired[ContainerProbe]
    """Runs until it first succeeds. Default: a TCP connection, with a failure threshold of 30."""
    host: NotRequired[str | None]
    """Host name of the app. If unset, the app has only its public endpoint."""
    zone: NotRequired[pulumi.Input[str] | None]
    """DNS zone in which the host gets a record. If unset, records are managed elsewhere."""
    record: NotRequired[str | None]
    """Name of the host's record, relative to the zone. Required with `zone`."""
    hint: NotRequired[str | None]
    """Text added to the message about a container that does not become ready, such as how to show its log."""


class ContainerApp(Component):
    """A container with its host name and DNS record.

    An update fails if the container does not become ready, or is in error even though nothing changes.

    Children:

    - `<name>-container`: the container
    - `<name>-record`: a CNAME record for its endpoint, if a zone is set
    - `<name>-domain`: its custom domain, if the app has a host; created after the record, which must resolve first
    """

    container_id: pulumi.Output[str]
    """Id of the container."""
    endpoint: pulumi.Output[str]
    """Public endpoint of the container: `https://…`."""
    status: pulumi.Output[str]
    """Status of the container: `ready` after a successful update."""

    _former_type = "snu:containers:ContainerApp"

    def __init__(
        self,
        name: str,
        args: ContainerAppArgs,
        opts: pulumi.ResourceOptions | None = None,
        *,
        commands: Sequence[Command] = (),
    ) -> None:
        """Register the component and its children. Raises `pulumi.RunError` if only one of zone and record is set.

        `commands` run in order before the container changes. Not available to other languages.
        """
        zone, record_name = args.get("zone"), args.get("record")
        if (zone is None) != (record_name is None):
            raise pulumi.RunError(f"{name}: zone and record must be set together")
        super().__init__(name, opts)
        threshold = args.get("concurrency", defaults.CONCURRENCY)
        health = ContainerHealth(name, self, args.get("hint"))
        container = containers.Container(
            f"{name}-container",
            name=args["container_name"],
            namespace_id=args["namespace_id"],
            image=args["image"],
            cpu_limit=args["cpu"],
            memory_limit_bytes=pulumi.Output.from_input(args["memory"]).apply(
                lambda megabytes: megabytes * _BYTES_PER_MEGABYTE
            ),
            min_scale=args.get("min_scale", defaults.MIN_SCALE),
            max_scale=args.get("max_scale", defaults.MAX_SCALE),
            scaling_options=[containers.ContainerScalingOptionArgs(concurrent_requests_threshold=threshold)],
            timeout=args.get("timeout", defaults.REQUEST_TIMEOUT),
            port=args.get("port", defaults.PORT),
            protocol=args.get("protocol", defaults.PROTOCOL),
            privacy=args.get("privacy", defaults.PRIVACY),
            sandbox=args.get("sandbox", defaults.SANDBOX),
            https_connections_only=args.get("https_only", True),
            # Set even if empty, like all defaults: the provider does not change inputs that the program omits.
            environment_variables=args.get("variables", {}),
            secret_environment_variables=args.get("secret_variables") or None,
            liveness_probe=_liveness(args.get("liveness_probe")),
            startup_probe=_startup(args.get("startup_probe")),
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=functools.reduce(
                    pulumi.ResourceHookBinding.merge, (command.hooks for command in commands), health.hooks
                ),
                depends_on=[command.job for command in commands],
            ),
        )
        self.container_id = container.id
        self.endpoint = container.public_endpoint
        host = args.get("host")
        if host is not None:
            record = self._record(name, zone, record_name) if zone is not None and record_name is not None else None
            containers.Domain(
                f"{name}-domain",
                container_id=container.id,
                hostname=host,
                # A host name can belong to one container only, so the old domain is deleted first.
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=[record] if record else [], delete_before_replace=True
                ),
            )
        # Not registered: an update would fail before other resources are up to date.
        self.status = health.check(container)
        self.register_outputs({"containerId": self.container_id, "endpoint": self.endpoint})

    def _record(self, name: str, zone: pulumi.Input[str], record_name: str) -> domain.Record:
        return domain.Record(
            f"{name}-record",
            dns_zone=zone,
            name=record_name,
            type="CNAME",
            data=self.endpoint.apply(_cname),
            ttl=_RECORD_TTL,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _cname(endpoint: str) -> str:
    """Return the target of a CNAME record: the endpoint's host as an absolute name."""
    return f"{urlsplit(endpoint).hostname}."


def _liveness(probe: ContainerProbe | None) -> containers.ContainerLivenessProbeArgs:
    path, interval, timeout, threshold = _values(probe)
    http = containers.ContainerLivenessProbeHttpArgs(path=path) if path else None
    return containers.ContainerLivenessProbeArgs(
        http=http, tcp=http is None, interval=interval, timeout=timeout, failure_threshold=threshold
    )


def _startup(probe: ContainerProbe | None) -> containers.ContainerStartupProbeArgs:
    path, interval, timeout, threshold = _values(probe)
    http = containers.ContainerStartupProbeHttpArgs(path=path) if path else None
    return containers.ContainerStartupProbeArgs(
        http=http, tcp=http is None, interval=interval, timeout=timeout, failure_threshold=threshold
    )


def _values(probe: ContainerProbe | None) -> tuple[str | None, str, str, int]:
    """Path, interval, timeout and failure threshold, with the platform's probe as the default."""
    if probe is None:
        probe = {"failure_threshold": defaults.PLATFORM_PROBE_FAILURES}
    interval = probe.get("interval", defaults.PROBE_INTERVAL)
    timeout = probe.get("timeout", defaults.PROBE_TIMEOUT)
    threshold = probe.get("failure_threshold", defaults.PROBE_FAILURES)
    return probe.get("path"), f"{interval}s", f"{timeout}s", threshold
