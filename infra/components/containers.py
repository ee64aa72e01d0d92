"""A container that serves requests, with its host name."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumiverse_scaleway import containers, domain

from infra.settings import App, Probe
from scaleway_facts.limits import BYTES_PER_MEGABYTE

_RECORD_TTL = 3600
"""Time to live of records, in seconds."""


@dataclass(frozen=True, kw_only=True)
class ContainerAppArgs:
    """Arguments of `ContainerApp`."""

    container: str
    """Name of the container, at most 34 characters."""
    namespace_id: pulumi.Input[str]
    """Container namespace."""
    image: pulumi.Input[str]
    """Image reference with a digest."""
    app: App
    """Sizes, scaling, probes and host name."""
    https_only: bool
    """Whether plain HTTP is redirected to HTTPS."""
    variables: Mapping[str, pulumi.Input[str]]
    """Plain variables. Secret outputs are still secret in Pulumi's state."""
    secret_variables: Mapping[str, pulumi.Input[str]]
    """Secret variables. The provider marks the whole map as secret."""
    zone: pulumi.Input[str] | None = None
    """DNS zone for the host's record; None if records are managed elsewhere."""
    record: str | None = None
    """Name of the record in the zone."""


class ContainerApp(pulumi.ComponentResource):
    """A container with its host name and DNS record (`snu:containers:ContainerApp`).

    Children:

    - `<name>-container`: the container
    - `<name>-record`: a CNAME record for its endpoint, if a zone is set
    - `<name>-domain`: its custom domain, if the app has a host; created after the record, which must resolve first
    """

    container_id: pulumi.Output[str]
    """Id of the container."""
    endpoint: pulumi.Output[str]
    """Public endpoint of the container: `https://…`."""

    def __init__(self, name: str, args: ContainerAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:containers:ContainerApp", name, None, opts)
        app = args.app
        container = containers.Container(
            f"{name}-container",
            name=args.container,
            namespace_id=args.namespace_id,
            image=args.image,
            cpu_limit=app.cpu,
            memory_limit_bytes=app.memory * BYTES_PER_MEGABYTE,
            min_scale=app.min_scale,
            max_scale=app.max_scale,
            scaling_options=[containers.ContainerScalingOptionArgs(concurrent_requests_threshold=app.concurrency)],
            timeout=app.timeout,
            port=app.port,
            protocol=app.protocol,
            privacy=app.privacy,
            sandbox=app.sandbox,
            https_connections_only=args.https_only,
            # Set even if empty, like all defaults: the provider does not change inputs that the program omits.
            environment_variables=dict(args.variables),
            secret_environment_variables=dict(args.secret_variables) or None,
            liveness_probe=_liveness(app.liveness_probe),
            startup_probe=_startup(app.startup_probe),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container_id = container.id
        self.endpoint = container.public_endpoint
        if app.host is not None:
            record = self._record(name, args)
            containers.Domain(
                f"{name}-domain",
                container_id=container.id,
                hostname=app.host,
                # A host name can belong to one container only, so the old domain is deleted first.
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=[record] if record else [], delete_before_replace=True
                ),
            )
        self.register_outputs({"containerId": self.container_id, "endpoint": self.endpoint})

    def _record(self, name: str, args: ContainerAppArgs) -> domain.Record | None:
        if args.zone is None or args.record is None:
            return None
        return domain.Record(
            f"{name}-record",
            dns_zone=args.zone,
            name=args.record,
            type="CNAME",
            data=self.endpoint.apply(_cname),
            ttl=_RECORD_TTL,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _cname(endpoint: str) -> str:
    """The target of a CNAME record: the endpoint's host as an absolute name."""
    return f"{urlsplit(endpoint).hostname}."


def _liveness(probe: Probe) -> containers.ContainerLivenessProbeArgs:
    http = containers.ContainerLivenessProbeHttpArgs(path=probe.path) if probe.path else None
    return containers.ContainerLivenessProbeArgs(
        http=http,
        tcp=http is None,
        interval=f"{probe.interval}s",
        timeout=f"{probe.timeout}s",
        failure_threshold=probe.failure_threshold,
    )


def _startup(probe: Probe) -> containers.ContainerStartupProbeArgs:
    http = containers.ContainerStartupProbeHttpArgs(path=probe.path) if probe.path else None
    return containers.ContainerStartupProbeArgs(
        http=http,
        tcp=http is None,
        interval=f"{probe.interval}s",
        timeout=f"{probe.timeout}s",
        failure_threshold=probe.failure_threshold,
    )
