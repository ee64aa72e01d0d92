"""The page at ``/``: deployed containers and links to further pages. It contains no secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.host_pages import containers_by_host
from localcloud.api.page_layout import document
from localcloud.api.seed import Command
from localcloud.api.store import Resource

_CONTROL_PATHS = (
    ("health", "process, uptime, resource counts"),
    ("resources?seed=false", "all deployed resources, without secrets"),
    ("journal", "all requests that changed state"),
    ("faults/reference", "the faults that can be injected"),
)


def is_home_page(method: str, path: str) -> bool:
    return path == "/" and method in ("GET", "HEAD")


def render(
    cloud: Cloud, is_running: Callable[[Resource], bool], runtime: str, storage: str, commands: Sequence[Command]
) -> str:
    """Render the page as HTML.

    ``is_running``: whether a process handles a container's requests. ``runtime``, ``storage``: their descriptions.
    """
    rows = "".join(_row(cloud, container, host, is_running) for container, host in _deployed(cloud))
    containers = (
        f"<table><tr><th>Container<th>Address<th>Status</tr>{rows}</table>"
        if rows
        else "<p>No containers are deployed yet.</p>"
    )
    command_rows = "".join(
        f"<tr><td><code>{escape(command.command)}</code><td>{escape(command.description)}</tr>" for command in commands
    )
    control_rows = "".join(
        f'<tr><td><a href="/_local/{path}">/_local/{path}</a><td>{escape(description)}</tr>'
        for path, description in _CONTROL_PATHS
    )
    return document(
        "Local Scaleway",
        "<p>This process emulates part of Scaleway's API. It listens on this machine only, and its keys are not valid "
        "anywhere else.</p>"
        f"<h2>Containers</h2>{containers}<p>Runtime: {escape(runtime)}.</p>"
        f"<h2>Object storage</h2><p>{escape(storage)}</p>"
        + (f"<h2>Commands</h2><table>{command_rows}</table>" if command_rows else "")
        + f"<h2>Control API</h2><table>{control_rows}</table>"
        "<h2>Documentation</h2><p><code>docs/reference/local-scaleway.md</code> and "
        "<code>docs/reference/faults.md</code> in the repository.</p>",
    )


def _deployed(cloud: Cloud) -> list[tuple[Resource, str]]:
    """All containers sorted by name, each with its domain or, if it has none, its endpoint's host."""
    hosts = {container["id"]: (container, host) for host, container in containers_by_host(cloud).items()}
    return sorted(hosts.values(), key=lambda item: str(item[0]["name"]))


def _row(cloud: Cloud, container: Resource, host: str, is_running: Callable[[Resource], bool]) -> str:
    address = escape(f"http://{host}:{cloud.port}/")
    status = transitions.status(container, cloud.now())
    note = "a process is running" if is_running(container) else "no process is running"
    if status == "error":
        note = container["error_message"] or "no message"
    return (
        f'<tr><td>{escape(container["name"])}<td><a href="{address}">{address}</a>'
        f"<td>{escape(status)}<br><small>{escape(note)}</small></tr>"
    )
