"""Pages for the containers' hosts, where no process answers.

The page says why, and which container it is: image, scaling, names of its variables. Never a value.
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

Lines = list[tuple[str, str]]
"""What a page says: label and text."""


_NOTHING_RUNS = (200, "This is a container of the local Scaleway. No process runs behind it.")


def container_of(cloud: Cloud, host: str) -> Resource | None:
    """The container that answers to ``host`` (with or without a port)."""
    return hosts(cloud).get(_hostname(host))


def answer_host(
    cloud: Cloud, host: str, html: bool, standing: Callable[[Resource], tuple[int, str] | None] | None = None
) -> tuple[int, str, bytes]:
    """Status, page and content type for a request to ``host`` (with or without a port).

    ``standing``: what there is to say of a container where processes may run (status and sentence).
    """
    hostname = _hostname(host)
    known = hosts(cloud)
    container = known.get(hostname)
    if container is None:
        title = f"No container answers to {hostname}"
        lines: Lines = [("Known hosts", ", ".join(sorted(known)) or "none yet")]
        return _page(404, title, "The local Scaleway knows no container with this host.", lines, html)
    status = transitions.status(container, cloud.now())
    lines = _lines(container, status, known)
    said = standing(container) if standing is not None else _NOTHING_RUNS
    if status == "error" or said is None:
        lead = f"This container is in error: {container['error_message'] or 'no message'}"
        return _page(503, container["name"], lead, lines, html)
    return _page(said[0], container["name"], said[1], lines, html)


def _hostname(host: str) -> str:
    return host.rsplit(":", 1)[0].lower()


def hosts(cloud: Cloud) -> dict[str, Resource]:
    """Every host name that leads to a container: its public endpoint and its domains."""
    store = cloud.store
    found = {
        container["public_endpoint"].removeprefix("https://"): container
        for container in store.all(CONTAINERS)
        if not transitions.is_deleting(container)
    }
    for domain in store.all(DOMAINS):
        container = store.get(CONTAINERS, domain["container_id"])
        if container is not None and not transitions.is_deleting(domain):
            found[domain["hostname"]] = container
    return found


def _lines(container: Resource, status: str, known: dict[str, Resource]) -> Lines:
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


def _page(status: int, title: str, lead: str, lines: Lines, html: bool) -> tuple[int, str, bytes]:
    if not html:
        rows = "".join(f"{label}: {text}\n" for label, text in lines)
        return status, f"{title}\n{lead}\n\n{rows}", TEXT
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in lines)
    return status, document(title, f"<p>{escape(lead)}</p><dl>{rows}</dl>"), HTML
