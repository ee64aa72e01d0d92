"""What ``up`` looks at when the engine is done: are the containers ready, do their URLs answer."""

from __future__ import annotations

import os
import sys

from ops.containers import Api, Container, containers_in, domains_in, wait_until_settled
from ops.display.choose import printer_for
from ops.display.progress import progress_for
from ops.display.record import Record
from ops.display.text import Line, counted
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack

_STATUS_STYLE = {"ready": "green", "error": "bold red", "locked": "bold red"}


def check_containers(stack: Stack, record: Record, wait_seconds: float, *, check_urls: bool) -> None:
    """Wait for the containers that an ``up`` has seen and for their domains, and print the URLs.

    Raises OpsError when one is in error, is not ready in time, or does not answer.
    """
    containers = containers_in(record) + domains_in(record)
    if not containers:
        return
    api = Api(stack, os.environ)
    with progress_for(sys.stdout) as progress:
        settled = wait_until_settled(
            api.look,
            containers,
            seconds=wait_seconds,
            poll_seconds=api.poll_seconds,
            progress=lambda waiting: progress(_waiting(waiting)),
        )
    own = [each for each in settled if each.kind == "container"]
    printer_for(sys.stdout).print(_table(api, own))
    problems = [_problem(container, wait_seconds) for container in settled if container.status != "ready"]
    if check_urls and not problems:
        problems = _silent_urls(api, own)
    if problems:
        raise OpsError("\n".join(problems), ExitCode.CONTAINERS)


def _waiting(waiting: list[Container]) -> str:
    names = ", ".join(f"{container.name} ({container.status})" for container in waiting)
    return f"Waiting for {counted(len(waiting), 'container')}: {names}"


def _table(api: Api, containers: list[Container]) -> list[Line]:
    width = max(len(container.name) for container in containers)
    lines = [Line.of(("Containers", "bold"))]
    for container in containers:
        status = (f"{container.status:<9}", _STATUS_STYLE.get(container.status, "yellow"))
        urls = "  ".join(api.url(host) for host in container.hosts)
        lines.append(Line.of(f"  {container.name:<{width}}  ", status, f"  {urls}"))
    return lines


def _problem(container: Container, wait_seconds: float) -> str:
    what = f"{container.kind.capitalize()} {container.name}"
    if container.failed:
        reason = container.error_message or "Scaleway gives no reason"
        return f"{what} is in {container.status}: {reason}"
    return f"{what} is {container.status} after {wait_seconds:.0f} seconds."


def _silent_urls(api: Api, containers: list[Container]) -> list[str]:
    problems = []
    for container in containers:
        for host in container.hosts if container.public else ():
            if wrong := api.answers(host):
                problems.append(f"{api.url(host)} of container {container.name}: {wrong}")
    return problems
