"""``snu logs``: prints the logs of apps and jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infra.settings import EnvironmentSettings
from ops.durations import seconds_of
from ops.errors import OpsError, UnknownNameError
from ops.exit_codes import ExitCode
from ops.jobs import Jobs, job_names
from ops.local import require_running
from ops.logs.access import logs_access
from ops.logs.follow import POLL_SECONDS, Follower
from ops.logs.lines import LogLine, message_pattern
from ops.logs.loki import SECOND, Entry, LogQuery, Loki, LokiError, quoted
from ops.logs.pages import PageReader
from ops.logs.sources import ContainerLogs, JobLogs, LogSource
from ops.process_environment import process_environment
from ops.report.text import safe
from ops.scaleway.client import Client, ScalewayError
from ops.stacks import find_stack, project_dir, settings_of

if TYPE_CHECKING:
    from ops.stacks import Stack

DEFAULT_LINES = 100
_OLDEST = timedelta(days=7)
"""Scaleway's default retention. Older lines are read only if ``--since`` is given."""
_LOOKUP_SECONDS = 10.0
"""Interval between lookups of containers and runs, because a deployment may replace them."""
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class LogOptions:
    """Options that select the lines that ``snu logs`` prints."""

    since: str = ""
    """A duration or a time in RFC 3339 format; empty for the last lines."""
    lines: int | None = None
    """Number of lines from the end; None for all since ``since``, or else 100."""
    follow: bool = False
    grep: str = ""
    """A regular expression; empty for all lines."""
    instance: str = ""
    """An instance or a job run; empty for all."""
    as_json: bool = False


def logs(cwd: Path | None, name: str, stack_name: str, options: LogOptions) -> ExitCode:
    """Print the logs of an app or a job. Returns INCOMPLETE if lines could not be read."""
    since = _since(options.since)
    environment, settings = environment_of(cwd, stack_name)
    _require_name(environment, settings, name)
    require_running(environment)
    with ExitStack() as stack:
        printer = LinePrinter(as_json=options.as_json)
        session = stack.enter_context(LogSession(environment, settings, process_environment(), printer))
        source = session.source(name, options.instance)
        printer.source = source
        filters = [f"|~ {quoted(message_pattern(options.grep))}"] if options.grep else []
        query = source.query(filters, since)
        if query is None:
            raise OpsError(source.missing, ExitCode.FAILED)
        try:
            follower = _first_lines(session.reader, query, since, options.lines, printer)
        except LokiError as error:
            if options.grep and error.code is ExitCode.USAGE:
                raise OpsError(f"--grep {safe(options.grep)}: {error}", ExitCode.USAGE) from None
            raise
        if options.follow:
            _follow(follower, source, query, filters, printer)
        if not printer.has_printed and options.lines != 0:
            sys.stderr.write("No lines found.\n")
        return ExitCode.INCOMPLETE if printer.has_gaps else ExitCode.OK


def _first_lines(
    reader: PageReader, query: LogQuery, since: datetime | None, count: int | None, printer: LinePrinter
) -> Follower:
    """Print the existing lines. Returns a follower for new ones."""
    if count is None and since is None:
        count = DEFAULT_LINES
    now = reader.loki.now()
    start = _nanoseconds(since or datetime.now(UTC) - _OLDEST)
    if count is None:
        follower = Follower(reader, start, now)
        for page in reader.read(query, start, now + SECOND):
            printer.print(page)
            follower.remember(page)
        return follower
    last = reader.last(query, start, now + SECOND, count, printer.accepts)
    # Lines before the first one were not requested.
    follower = Follower(reader, now if count == 0 else last[0].time if len(last) == count else start, now)
    printer.print(last)
    follower.remember(last)
    return follower


def _follow(
    follower: Follower, source: LogSource, query: LogQuery, filters: Sequence[str], printer: LinePrinter
) -> None:
    """Print new lines until Ctrl-C. Continues after transient errors."""
    failures, looked_up = 0, time.monotonic()
    while True:
        wait = POLL_SECONDS
        try:
            if time.monotonic() - looked_up >= _LOOKUP_SECONDS:
                looked_up = time.monotonic()
                query = source.query(filters, datetime.now(UTC)) or query
            for page in follower.poll(query):
                printer.print(page)
            failures = 0
        except (LokiError, ScalewayError) as error:
            if not error.is_transient:
                raise
            if failures == 0:
                sys.stderr.write(f"warning: {error}. Retrying; no lines will be skipped.\n")
            failures += 1
            retry_after = error.retry_after if isinstance(error, LokiError) else 0.0
            wait = min(_LONGEST_WAIT_SECONDS, max(retry_after, POLL_SECONDS * 2**failures))
        time.sleep(wait)


@dataclass
class LinePrinter:
    """Prints lines to standard output, and warnings to standard error."""

    as_json: bool = False
    source: LogSource | None = None
    has_gaps: bool = field(default=False, init=False)
    has_printed: bool = field(default=False, init=False)

    def accepts(self, entry: Entry) -> bool:
        return self.source is None or self.source.accepts(LogLine.of(entry))

    def print(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            line = LogLine.of(entry)
            if self.source is None or self.source.accepts(line):
                print(line.json if self.as_json else line.text)
                self.has_printed = True
        sys.stdout.flush()

    def on_gap(self, moment: int, count: int) -> None:
        """Report lines that Loki cannot return."""
        self.has_gaps = True
        at = datetime.fromtimestamp(moment // SECOND, UTC)
        sys.stderr.write(
            f"warning: more than {count} lines have the same text and the same time, {at:%Y-%m-%dT%H:%M:%S}."
            f"{moment % SECOND:09}Z; the rest cannot be read.\n"
        )


class LogSession(ExitStack):
    """An environment whose logs are read: its settings, Scaleway's API and Loki."""

    def __init__(
        self, stack: Stack, settings: EnvironmentSettings, environ: Mapping[str, str], printer: LinePrinter
    ) -> None:
        """Raises OpsError if there is no API key or no access to the logs."""
        super().__init__()
        self._stack, self._settings = stack, settings
        access = logs_access(stack, settings, environ)
        self._project_id = access.project_id
        self.client = self.enter_context(Client.of(stack, environ, ExitCode.FAILED))
        self.jobs = Jobs(self.client, stack.name, job_names(settings))
        self.reader = PageReader(self.enter_context(Loki(access)), printer.on_gap)

    @classmethod
    def open(cls, cwd: Path | None, stack_name: str, printer: LinePrinter) -> LogSession:
        """Raises OpsError like ``environment_of``, and if the stack is on the local Scaleway and it is not running."""
        stack, settings = environment_of(cwd, stack_name)
        require_running(stack)
        return cls(stack, settings, process_environment(), printer)

    def source(self, name: str, instance: str = "") -> LogSource:
        """The logs of an app or a job of the stack's file."""
        if name in self._settings.apps:
            container = self._settings.container_name(name)
            return ContainerLogs(self.client, self._stack.name, container, self._project_id, instance)
        return JobLogs(self.jobs, name, instance)


def environment_of(cwd: Path | None, stack_name: str) -> tuple[Stack, EnvironmentSettings]:
    """A stack that is an environment, with its settings. Raises OpsError if it is a foundation."""
    stack = find_stack(project_dir(cwd), stack_name)
    settings = settings_of(stack)
    if not isinstance(settings, EnvironmentSettings):
        raise OpsError(f"{stack.file.name} is a foundation, which has no apps or jobs.", ExitCode.USAGE)
    return stack, settings


def _require_name(stack: Stack, settings: EnvironmentSettings, name: str) -> None:
    """Raises UnknownNameError if the stack's file has no such app or job."""
    names = job_names(settings)
    if name in settings.apps or name in names:
        return
    apps, jobs = (", ".join(keys) or "none" for keys in (settings.apps, names))
    raise UnknownNameError(f"{stack.file.name} has no app or job {safe(name)}. Apps: {apps}; jobs: {jobs}.", name)


def _since(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise OpsError(
            f"--since {safe(text)}: expected a duration such as 2h, or a time with a time zone such as "
            "2026-01-31T12:00:00Z",
            ExitCode.USAGE,
        )
    return moment


def _nanoseconds(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1_000_000)) * 1_000
