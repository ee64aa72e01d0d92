"""Placeholder pages for the hosts of containers that have no running process.

A page explains why no process responds and describes the container: image, scaling, variable names (never values).
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS, DOMAINS
from localcloud.api.page_layout import HTML, TEXT, document
from localcloud.api.store import Resource

Details = list[tuple[str, str]]
"""Pairs of label and text."""

_NO_PROCESS = (200, "This container is deployed to the local Scaleway, but no process is running for it.")


def container_of(cloud: Cloud, host: str) -> Resource | None:
    """The container with this host (with or without a port)."""
    return containers_by_host(cloud).get(_hostname(host))


def render_host_page(
    cloud: Cloud,
    host: str,
    html: bool,
    unavailable_response: Callable[[Resource], tuple[int, str] | None] | None = None,
) -> tuple[int, str, bytes]:
    """Status, page and content type for a request to ``host`` (with or without a port).

    ``unavailable_response``: the runtime's method of this name (see ``ContainerRuntime``). None without a runtime.
    """
    hostname = _hostname(host)
    known = containers_by_host(cloud)
    container = known.get(hostname)
    if container is None:
        title = f"No container has the host {hostname}"
        details: Details = [("Known hosts", ", ".join(sorted(known)) or "none yet")]
        return _page(404, title, "No container on the local Scaleway has this host.", details, html)
    status = transitions.status(container, cloud.now())
    details = _details(container, status, known)
    response = unavailable_response(container) if unavailable_response is not None else _NO_PROCESS
    if status == "error" or response is None:
        lead = f"This container is in error: {container['error_message'] or 'no message'}"
        return _page(503, container["name"], lead, details, html)
    return _page(response[0], container["name"], response[1], details, html)


def _hostname(host: str) -> str:
    return host.rsplit(":", 1)[0].lower()


def containers_by_host(cloud: Cloud) -> dict[str, Resource]:
    """All containers, keyed by host: each public endpoint and domain."""
    store = cloud.store
    containers = {
        container["public_endpoint"].removeprefix("https://"): container
        for container in store.all(CONTAINERS)
        if not transitions.is_deleting(container)
    }
    for domain in store.all(DOMAINS):
        container = store.get(CONTAINERS, domain["container_id"])
        if container is not None and not transitions.is_deleting(domain):
            containers[domain["hostname"]] = container
    return containers


def _details(container: Resource, status: str, known: dict[str, Resource]) -> Details:
    own = [name for name, other in known.items() if other["id"] == container["id"]]
    ((threshold, value),) = container["scaling_option"].items()
    return [
        ("Container", f"{container['name']} ({container['id']})"),
        ("Hosts", ", ".join(own)),
        ("Status", status),
        ("Image", container["image"]),
        (
            "Scaling",
            f"{container['min_scale']} to {container['max_scale']}, {threshold.replace('_', ' ')} {value}",
        ),
        ("Resources", f"{container['mvcpu_limit']} mvCPU, {container['memory_limit_bytes'] // 1_000_000} MB"),
        ("Port", f"{container['port']} ({container['protocol']}, {container['privacy']})"),
        ("Variables", _names(container["environment_variables"])),
        ("Secret variables", _names(container["secret_environment_variables"])),
    ]


def _names(variables: dict[str, Any]) -> str:
    return ", ".join(sorted(variables)) or "none"


def _page(status: int, title: str, lead: str, details: Details, html: bool) -> tuple[int, str, bytes]:
    if not html:
        rows = "".join(f"{label}: {text}\n" for label, text in details)
        return status, f"{title}\n{lead}\n\n{rows}", TEXT
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in details)
    return status, document(title, f"<p>{escape(lead)}</p><dl>{rows}</dl>"), HTML
