"""What makes a deploy good: every container is ready, and says that it is the version that it should be."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from infra.settings import EnvironmentSettings
from ops.containers import GONE, NO_ANSWER, Api, Container, containers_in, domains_in, wait_until_settled
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.external_changes import redeploy_way_out
from ops.operation_record import OperationRecord
from ops.report.factory import printer_for
from ops.report.progress import progress_for
from ops.report.text import Line, counted, safe
from ops.scaleway.catalogue import CONTAINER
from ops.scaleway.client import concurrent_map
from ops.session import Session
from ops.stacks import Stack, settings_of

_VERSION_SECONDS = 60.0
_LOG_LINES = 10
_STATUS_STYLE = {"ready": "green", "error": "bold red", "locked": "bold red"}


def check_containers(session: Session, record: OperationRecord, wait_seconds: float, *, check_urls: bool) -> None:
    """As ``require_ready``, for the containers that an ``up`` has seen and for their domains."""
    if containers := containers_in(record) + domains_in(record):
        require_ready(session, containers, wait_seconds, check_urls=check_urls)


def require_ready(session: Session, containers: list[Container], wait_seconds: float, *, check_urls: bool) -> None:
    """Wait for containers and domains, and print the URLs.

    Raises OpsError when one is in error, is not ready in time, does not answer, or answers as another version; with the
    last lines of its log where they are at hand, and what to do next.
    """
    stack = session.stack
    api = Api(stack, session.environ)
    with progress_for(sys.stdout) as progress:
        settled = wait_until_settled(
            api.look,
            containers,
            seconds=wait_seconds,
            poll_seconds=api.poll_seconds,
            progress=lambda waiting: progress(_waiting(waiting)),
        )
    own = [each for each in settled if each.kind is CONTAINER]
    printer_for(sys.stdout).print(_table(api, own))
    problems = {container: _problem(container, wait_seconds) for container in settled if container.status != "ready"}
    if not problems:
        problems = _wrong_versions(api, stack, own, min(wait_seconds, _VERSION_SECONDS))
    if check_urls and not problems:
        problems = _silent_urls(api, own)
    if problems:
        told = [text + _last_lines(stack, container) for container, text in problems.items()]
        raise OpsError("\n".join([*told, *_ways_out(stack, problems)]), ExitCode.CONTAINERS)


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
    what = f"{container.kind.noun.capitalize()} {container.name}"
    if container.failed:
        reason = container.error_message or "Scaleway gives no reason"
        return f"{what} is in {container.status}: {reason}"
    if container.status == GONE:
        return f"{what} is gone: it was deleted outside of updates."
    if container.status == NO_ANSWER:
        return f"{what} was not checked: {NO_ANSWER}."
    return f"{what} is {container.status} after {wait_seconds:.0f} seconds."


def _wrong_versions(api: Api, stack: Stack, containers: list[Container], seconds: float) -> dict[Container, str]:
    """A new version may take a moment to get the requests."""
    expected = _expected(stack)
    asked = [
        (container, host, *expected[container.name])
        for container in containers
        if container.name in expected and container.public
        for host in container.hosts
    ]
    deadline = time.monotonic() + seconds
    while True:
        answers = concurrent_map(lambda each: api.wrong_version(*each[1:]), asked)
        problems = {
            container: f"{api.url(host)}{path} of container {container.name}: {wrong}"
            for (container, host, path, _), wrong in zip(asked, answers, strict=True)
            if wrong
        }
        if not problems or time.monotonic() > deadline:
            return problems
        asked = [each for each in asked if each[0] in problems]
        time.sleep(api.poll_seconds)


def _expected(stack: Stack) -> dict[str, tuple[str, str]]:
    """By the container's name, where it says its version, and which one that should be."""
    settings = settings_of(stack)
    if not isinstance(settings, EnvironmentSettings):
        return {}
    found = {}
    for name, app in settings.apps.items():
        image = settings.pinned.get(app.image or name)
        if app.version_path is not None and image is not None:
            found[settings.container_name(name)] = (app.version_path, image.version)
    return found


def _silent_urls(api: Api, containers: list[Container]) -> dict[Container, str]:
    asked = [(container, host) for container in containers if container.public for host in container.hosts]
    answers = concurrent_map(lambda each: api.answers(each[1]), asked)
    return {
        container: f"{api.url(host)} of container {container.name}: {wrong}"
        for (container, host), wrong in zip(asked, answers, strict=True)
        if wrong
    }


def _last_lines(stack: Stack, container: Container) -> str:
    """The end of a container's log, where it runs on this machine."""
    if not stack.is_local or container.kind is not CONTAINER:
        return ""
    from ops.local import LocalCloud

    try:
        lines = [*LocalCloud(stack).container_logs(container.bare_id, follow=False, lines=_LOG_LINES)]
    except OpsError:
        return ""
    return "".join(f"\n    {safe(line['text'])}" for line in lines)


def _ways_out(stack: Stack, problems: Iterable[Container]) -> list[str]:
    ways = []
    if any(container.status == GONE for container in problems):
        ways.append(f"To create it again: scripts/snu up {stack.name}")
    if failed := [container.app for container in problems if container.status == "error" and container.app]:
        ways.append(str(redeploy_way_out(stack.name, failed)))
    if "snu:promoteFrom" in stack.config:
        ways.append(f"To go back to the release before: scripts/snu rollback {stack.name}")
    return ways
