"""``snu alerts``: checks whether crash alerts work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ops.alerts.status import AlertsStatus, alerts_of, check_alerts, is_future
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.report.causes import skipped_lines
from ops.report.document import print_document, values_of
from ops.report.factory import printer_for
from ops.report.text import Line, counted, safe
from ops.report.times import local_time
from ops.stacks import find_stack, project_dir, stack_names


def alerts(directory: Path | None, stacks: list[str], *, as_json: bool) -> ExitCode:
    """Print the crash alert status of the named stacks, or of all stacks except local ones.

    Returns ALERTS_SILENT if the crash alerts of any stack had no recent successful run. Raises OpsError if a named
    stack has no crash alerts.
    """
    project = project_dir(directory)
    watches = []
    for name in stacks or stack_names(project):
        stack = find_stack(project, name)
        if not stacks and stack.is_local:
            continue
        alerting = alerts_of(stack)
        if alerting is not None:
            watches.append(check_alerts(stack, *alerting, process_environment()))
        elif stacks:
            raise OpsError(f"{stack.file.name} has no snu:crashAlerts. Nothing to check.", ExitCode.USAGE)
    now = datetime.now(UTC)
    if as_json:
        print_document("alerts", {"stacks": [_document(watch, now) for watch in watches]})
    else:
        lines = [line for watch in watches for line in _lines(watch, now)]
        printer_for(sys.stdout).print(lines or [Line.of("No stack has crash alerts.")])
        printer_for(sys.stdout).print(skipped_lines({each.stack: each.problem for each in watches if each.problem}))
    return ExitCode.ALERTS_SILENT if any(watch.is_silent(now) for watch in watches) else ExitCode.OK


def _document(watch: AlertsStatus, now: datetime) -> dict[str, object]:
    return {**values_of(watch), "silent": watch.is_silent(now)}


def _lines(watch: AlertsStatus, now: datetime) -> Iterator[Line]:
    silent = watch.is_silent(now)
    word = ("  silent", "bold red") if silent else ("  working", "green")
    if watch.problem:
        yield Line.of((watch.stack, "bold"), ("  status unknown", "bold red"))
        return
    if watch.last_run is None:
        yield Line.of((watch.stack, "bold"), word, ": the job has never run")
        return
    good = f"last successful run {_ago(watch.last_good_run, now)}" if watch.last_good_run else "no successful run yet"
    every = counted(watch.interval_minutes, "minute")
    yield Line.of((watch.stack, "bold"), word, f": {good}, expected every {every}")
    yield Line.of(f"  logs read up to {_ago(watch.read_until, now)}")
    if watch.waiting:
        yield Line.of((f"  {counted(watch.waiting, 'message')} not posted to Slack yet", "yellow"))
    if watch.last_error:
        yield Line.of(("  last run ", "yellow"), f"{_ago(watch.last_run, now)}: {safe(watch.last_error)}")


def _ago(moment: datetime | None, now: datetime) -> str:
    assert moment is not None
    if is_future(moment, now):
        return f"{local_time(moment)}, which is in the future: check the clocks"
    seconds = max(0, int((now - moment).total_seconds()))
    return f"{counted(seconds, 'second') if seconds < 120 else counted(seconds // 60, 'minute')} ago"
