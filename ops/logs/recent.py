"""The last lines of containers and of commands that failed, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from infra.settings import EnvironmentSettings
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.jobs import Jobs, job_names
from ops.logs.access import logs_access
from ops.logs.lines import LogLine
from ops.logs.loki import SECOND, LogQuery, Loki
from ops.logs.pages import PageReader
from ops.logs.sources import JobLogs
from ops.report.text import safe
from ops.scaleway.client import Client
from ops.stacks import settings_of

if TYPE_CHECKING:
    from ops.operation_record import OperationRecord
    from ops.stacks import Stack

_SPAN = 3_600 * SECOND
_LINES = 10
_SHOWN_CHARACTERS = 1_000
FAILED_COMMAND = re.compile(r'hook "(?P<job>[^"]+)" failed: .* --instance (?P<run>[0-9a-f-]+)', re.DOTALL)
"""The error of a command that ran: see `infra.components.commands`."""


def container_lines(stack: Stack, environ: Mapping[str, str], container_id: str) -> str:
    """A container's last lines from the past hour, each on an indented line; empty if they cannot be read."""
    settings = settings_of(stack)
    if not isinstance(settings, EnvironmentSettings):
        return ""
    try:
        return _last_lines(stack, settings, environ, LogQuery.of("serverless_container", (container_id,)))
    except OpsError:
        return ""


def failed_commands(stack: Stack, environ: Mapping[str, str], record: OperationRecord) -> list[str]:
    """The last lines of the release and seed commands that failed, as far as they can be read."""
    messages = (each.message for each in record.diagnostics if each.severity == "error")
    failed = {match["job"]: match["run"] for each in messages if (match := FAILED_COMMAND.search(each))}
    settings = settings_of(stack) if failed else None
    if not isinstance(settings, EnvironmentSettings):
        return []
    try:
        return [*_failed_commands(stack, settings, environ, failed)]
    except OpsError:
        return []


def _failed_commands(
    stack: Stack, settings: EnvironmentSettings, environ: Mapping[str, str], failed: Mapping[str, str]
) -> Iterator[str]:
    with Client.of(stack, environ, ExitCode.FAILED) as client:
        jobs = Jobs(client, stack.name, job_names(settings))
        for job, run in failed.items():
            query = JobLogs(jobs, job, run).query((), None)
            lines = _last_lines(stack, settings, environ, query) if query else ""
            if lines:
                yield f"The last lines of {job} (run {run}):{lines}"


def _last_lines(stack: Stack, settings: EnvironmentSettings, environ: Mapping[str, str], query: LogQuery) -> str:
    with Loki(logs_access(stack, settings, environ)) as loki:
        now = loki.now()
        entries = PageReader(loki).last(query, now - _SPAN, now + SECOND, _LINES)
    return "".join(f"\n    {safe(LogLine.of(entry).message)[:_SHOWN_CHARACTERS]}" for entry in entries)
