"""The revision that a container should run, read from the API's store."""

from __future__ import annotations

import re
from typing import Any

from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import NAMESPACES
from localcloud.api.containers.variables import SECRET_VARIABLES
from localcloud.api.oci.repository import Repository, find_namespace
from localcloud.api.store import Resource, Store
from localcloud.api.timestamps import parse_duration
from localcloud.runtime.revision import Probe, Revision

_REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<namespace>[^/]+)/(?P<path>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)
_REGISTRY = re.compile(r"(localhost|127\.0\.0\.1)(:(?P<port>\d+))?")


def registry_image(cloud: Cloud, image: str) -> str | None:
    """The image by digest, at the address that the engine pulls it from. None if it is not in the local registry."""
    parts = _REFERENCE.fullmatch(image)
    registry = _REGISTRY.fullmatch(parts["host"]) if parts else None
    if parts is None or registry is None or int(registry["port"] or 80) != cloud.port:
        return None
    namespace = find_namespace(cloud.store, parts["namespace"])
    if namespace is None:
        return None
    manifest = Repository(cloud.store, namespace, parts["path"]).manifest(parts["digest"] or parts["tag"] or "latest")
    if manifest is None:
        return None
    return f"127.0.0.1:{cloud.port}/{parts['namespace']}/{parts['path']}@{manifest['digest']}"


def revision_of(cloud: Cloud, container: Resource) -> Revision | None:
    """The revision of the container's last deployment. None if its image is not in the local registry."""
    image = registry_image(cloud, container["image"])
    if image is None:
        return None
    namespace = cloud.store.get(NAMESPACES, container["namespace_id"]) or {}
    secrets = _secrets(cloud.store, container["namespace_id"]) | _secrets(cloud.store, container["id"])
    environment = {
        **namespace.get("environment_variables", {}),
        **container["environment_variables"],
        **secrets,
        "PORT": str(container["port"]),
    }
    return Revision(
        container_id=container["id"],
        name=container["name"],
        generation=container.get("_generation", 0),
        image=image,
        environment=environment,
        secrets=tuple(sorted({value for value in secrets.values() if value})),
        command=tuple(container.get("command") or ()),
        args=tuple(container.get("args") or ()),
        port=container["port"],
        memory_bytes=container["memory_limit_bytes"],
        mvcpu=container["mvcpu_limit"],
        instances=max(container["min_scale"], 1),
        timeout=parse_duration(container["timeout"]),
        startup=_probe(container["startup_probe"]),
        liveness=_probe(container["liveness_probe"]),
    )


def _secrets(store: Store, owner_id: str) -> dict[str, str]:
    resource = store.get(SECRET_VARIABLES, owner_id)
    return dict(resource["values"]) if resource else {}


def _probe(probe: dict[str, Any] | None) -> Probe | None:
    if not probe:
        return None
    http = probe.get("http")
    return Probe(
        path=http["path"] if http is not None else None,
        interval=parse_duration(probe["interval"]),
        timeout=parse_duration(probe["timeout"]),
        failure_threshold=probe["failure_threshold"],
    )
