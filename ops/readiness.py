"""Checks that every container of a deployment is ready and reports the expected version."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from infra.settings import EnvironmentSettings
from ops.containers import GONE, NO_ANSWER, Api, Container, containers_in, domains_in, wait_until_settled
from ops.durations import shown
from ops.engines.base import Result
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.external_changes import redeploy_remedy
from ops.operation_record import OperationRecord
from ops.report.base import Display
from ops.report.factory import printer_for
from ops.report.operation_styles import style_of
from ops.report.progress import Progress, progress_for, spinner_for
from ops.report.text import Line, counted
from ops.scaleway.catalogue import CONTAINER
from ops.scaleway.client import concurrent_map
from ops.session import Options, Session
from ops.stacks import Stack, settings_of

_VERSION_SECONDS = 60.0
_MOST_NAMED = 20
_STATUS_STYLE = {"ready": "green", "error": "bold red", "locked": "bold red"}


def check_containers(session: Session, record: OperationRecord, wait_seconds: float, *, check_urls: bool) -> None:
    """Run ``require_ready`` for an update's containers and domains, including unchanged ones."""
    if containers := containers_in(record) + domains_in(record):
        require_ready(session, containers, wait_seconds, check_urls=check_urls)


def require_ready(session: Session, containers: list[Container], wait_seconds: float, *, check_urls: bool) -> None:
    """Wait until containers and domains are ready, and print the URLs and, with ``check_urls``, how many answered.

    Raises OpsError if a container or domain fails, is not ready in time, does not respond, or reports a different
    version. The message lists the next steps and, if the key may read them, the last lines of the container's log.
    """
    stack = session.stack
    api = Api(stack, session.environ)
    with progress_for(sys.stdout) as progress:
        settled = wait_until_settled(
            api.current,
            containers,
            seconds=wait_seconds,
            poll_seconds=api.poll_seconds,
            progress=lambda waiting: progress(_waiting(waiting)),
        )
    own = [each for each in settled if each.kind is CONTAINER]
    printer_for(sys.stdout).print(_table(api, own))
    problems = {container: _problem(container, wait_seconds) for container in settled if container.status != "ready"}
    if not problems:
        with progress_for(sys.stdout) as progress:
            problems = _wrong_versions(api, stack, own, min(wait_seconds, _VERSION_SECONDS), progress)
    if check_urls and not problems:
        problems = _unanswered_urls(api, own)
    if problems:
        reports = [text + _last_lines(session, container) for container, text in problems.items()]
        raise OpsError("\n".join([*reports, *_next_steps(stack, problems)]), ExitCode.CONTAINERS)


def container_problems(session: Session, record: OperationRecord) -> tuple[list[str], list[str]]:
    """The containers that an operation found in a failed state, with their last log lines, and the next steps."""
    failed = [container for container in containers_in(record) if container.failed]
    return [_problem(each, 0.0) + _last_lines(session, each) for each in failed], _next_steps(session.stack, failed)


def command_problems(session: Session, record: OperationRecord) -> list[str]:
    """The release and seed commands that failed in an operation, with their last log lines."""
    from ops.logs.recent import failed_commands

    return failed_commands(session.stack, session.environ, record)


def run_update(session: Session, options: Options, display: Display, planned: OperationRecord) -> Result:
    """Run an update that was previewed as ``planned``.

    Raises OpsError, which lists failed containers and what was not started, if it does not succeed.
    """
    try:
        return session.run(session.engine.up, options, display)
    except OpsError as error:
        if error.code is not ExitCode.FAILED:
            raise
        raise _failed_update(session, planned, display.record, error) from error


def _failed_update(session: Session, planned: OperationRecord, record: OperationRecord, error: OpsError) -> OpsError:
    problems, next_steps = container_problems(session, record)
    lines = [str(error), *problems, *command_problems(session, record)]
    if not_started := [
        f"  {style_of(item.step.op).plan} {item.step.name}"
        for key, item in planned.steps.items()
        if key not in record.steps and item.step.is_operation and not item.refreshed
    ]:
        more = len(not_started) - _MOST_NAMED
        lines += ["Not started:", *not_started[:_MOST_NAMED], *([f"  and {more} more"] if more > 0 else [])]
    only_containers = problems and not any(item.failed for item in record.steps.values())
    return OpsError("\n".join([*lines, *next_steps]), ExitCode.CONTAINERS if only_containers else error.code)


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
    subject = f"{container.kind.noun.capitalize()} {container.name}"
    if container.status == "locked":
        return f"{subject} is locked: {container.error_message or 'Scaleway gave no reason'}"
    if container.failed:
        return f"{subject} is in {container.status}: {container.error_message or 'Scaleway gave no reason'}"
    if container.status == GONE:
        return f"{subject} no longer exists: it was deleted outside of an update."
    if container.status == NO_ANSWER:
        return f"{subject} was not checked: {NO_ANSWER}."
    return f"{subject} is still {container.status} after {shown(wait_seconds)}."


def _wrong_versions(
    api: Api, stack: Stack, containers: list[Container], seconds: float, progress: Progress
) -> dict[Container, str]:
    """Containers that do not report the expected version; retries, since the previous version may still respond."""
    expected = _expected(stack)
    targets = [
        (container, host, *expected[container.name])
        for container in containers
        if container.name in expected and container.public
        for host in container.hosts
    ]
    deadline = time.monotonic() + seconds
    while True:
        results = concurrent_map(lambda target: api.wrong_version(*target[1:]), targets)
        problems = {
            container: f"{api.url(host)}{path} of container {container.name}: {problem}"
            for (container, host, path, _), problem in zip(targets, results, strict=True)
            if problem
        }
        if not problems or time.monotonic() > deadline:
            return problems
        targets = [target for target in targets if target[0] in problems]
        names = ", ".join(container.name for container in problems)
        progress(f"Waiting for {counted(len(problems), 'container')} to report the new version: {names}")
        time.sleep(api.poll_seconds)


def _expected(stack: Stack) -> dict[str, tuple[str, str]]:
    """Each container's version path and expected version, by container name."""
    settings = settings_of(stack)
    if not isinstance(settings, EnvironmentSettings):
        return {}
    expected = {}
    for name, app in settings.apps.items():
        image = settings.pinned.get(app.image or name)
        if app.version_path is not None and image is not None:
            expected[settings.container_name(name)] = (app.version_path, image.version)
    return expected


def _unanswered_urls(api: Api, containers: list[Container]) -> dict[Container, str]:
    """Request every public URL, and print how many answered."""
    targets = [(container, host) for container in containers if container.public for host in container.hosts]
    with spinner_for(sys.stdout, "Requesting the URLs"):
        results = concurrent_map(lambda target: api.request_problem(target[1]), targets)
    printer_for(sys.stdout).print([Line.of(f"URLs: {results.count('')} of {len(targets)} answered")])
    return {
        container: f"{api.url(host)} of container {container.name}: {problem}"
        for (container, host), problem in zip(targets, results, strict=True)
        if problem
    }


def _last_lines(session: Session, container: Container) -> str:
    """The last lines of a container's log; empty if they cannot be read."""
    if container.kind is not CONTAINER:
        return ""
    from ops.logs.recent import container_lines

    return container_lines(session.stack, session.environ, container.bare_id)


def _next_steps(stack: Stack, problems: Iterable[Container]) -> list[str]:
    steps = []
    if any(container.status == GONE for container in problems):
        steps.append(f"To recreate it: scripts/snu up {stack.name}")
    if failed := [container.app for container in problems if container.status == "error" and container.app]:
        steps.append(str(redeploy_remedy(stack.name, failed)))
    if "snu:promoteFrom" in stack.config:
        steps.append(f"To return to the previous release: scripts/snu rollback {stack.name}")
    return steps
