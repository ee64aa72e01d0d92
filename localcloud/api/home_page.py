"""The page at ``/``: what answers at this address, and what to open next. Shows nothing secret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.host_pages import hosts
from localcloud.api.page_layout import document
from localcloud.api.seed import Command
from localcloud.api.store import Resource

_CONTROL = (
    ("health", "process, uptime, number of resources"),
    ("resources?seed=false", "every deployed resource, without secrets"),
    ("journal", "the requests that changed something"),
    ("faults/reference", "which faults can be injected"),
)


def is_at(method: str, path: str) -> bool:
    return path == "/" and method in ("GET", "HEAD")


def render(
    cloud: Cloud, runs: Callable[[Resource], bool], runtime: str, storage: str, commands: Sequence[Command]
) -> str:
    """HTML. ``runs``: whether a process answers for a container; ``runtime``, ``storage``: their state, in words."""
    rows = "".join(_row(cloud, container, host, runs) for container, host in _deployed(cloud))
    containers = (
        f"<table><tr><th>Container<th>Address<th>Status</tr>{rows}</table>" if rows else "<p>None is deployed yet.</p>"
    )
    listed = "".join(
        f"<tr><td><code>{escape(each.command)}</code><td>{escape(each.description)}</tr>" for each in commands
    )
    control = "".join(
        f'<tr><td><a href="/_local/{name}">/_local/{name}</a><td>{escape(what)}</tr>' for name, what in _CONTROL
    )
    return document(
        "Local Scaleway",
        "<p>This process emulates a part of Scaleway's API. It listens on this machine only, and its keys are worth "
        "nothing elsewhere.</p>"
        f"<h2>Deployed containers</h2>{containers}<p>Runtime: {escape(runtime)}.</p>"
        f"<h2>Object storage</h2><p>{escape(storage)}</p>"
        + (f"<h2>Commands</h2><table>{listed}</table>" if listed else "")
        + f"<h2>Control API</h2><table>{control}</table>"
        "<h2>Documentation</h2><p>In the checkout: <code>docs/local-scaleway.md</code> and "
        "<code>docs/faults.md</code>.</p>",
    )


def _deployed(cloud: Cloud) -> list[tuple[Resource, str]]:
    """Each container by name, with its domain if it has one, or else its endpoint's host."""
    found = {container["id"]: (container, host) for host, container in hosts(cloud).items()}
    return sorted(found.values(), key=lambda each: str(each[0]["name"]))


def _row(cloud: Cloud, container: Resource, host: str, runs: Callable[[Resource], bool]) -> str:
    address = escape(f"http://{host}:{cloud.port}/")
    status = transitions.status(container, cloud.now())
    note = "a process runs" if runs(container) else "no process runs"
    if status == "error":
        note = container["error_message"] or "no message"
    return (
        f'<tr><td>{escape(container["name"])}<td><a href="{address}">{address}</a>'
        f"<td>{escape(status)}<br><small>{escape(note)}</small></tr>"
    )
