"""What ``snu alerts`` does: who watches the watcher."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ops.alerts.status import AlertsStatus, alerts_of, is_future, look
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import process_environment
from ops.report.causes import skipped_lines
from ops.report.factory import printer_for
from ops.report.text import Line, counted, safe
from ops.stacks import find_stack, project_dir, stack_names


def alerts(directory: Path | None, stacks: list[str], *, as_json: bool) -> ExitCode:
    """Print of each stack when its crash alerts last did all their work; a status of their own where that is long ago.

    Without names: of every stack that has crash alerts and is not local.
    """
    project = project_dir(directory)
    watches = []
    for name in stacks or stack_names(project):
        stack = find_stack(project, name)
        if not stacks and stack.is_local:
            continue
        found = alerts_of(stack)
        if found is not None:
            watches.append(look(stack, *found, process_environment()))
        elif stacks:
            raise OpsError(f"{stack.file.name} has no crash alerts: it does not say snu:crashAlerts.", ExitCode.USAGE)
    now = datetime.now(UTC)
    if as_json:
        print(json.dumps([_document(watch, now) for watch in watches], indent=2, default=_text))
    else:
        lines = [line for watch in watches for line in _lines(watch, now)]
        printer_for(sys.stdout).print(lines or [Line.of("No stack has crash alerts.")])
        printer_for(sys.stdout).print(skipped_lines({each.stack: each.problem for each in watches if each.problem}))
    return ExitCode.ALERTS_SILENT if any(watch.is_silent(now) for watch in watches) else ExitCode.OK


def _document(watch: AlertsStatus, now: datetime) -> dict[str, object]:
    return {**asdict(watch), "silent": watch.is_silent(now)}


def _text(value: object) -> str:
    assert isinstance(value, datetime)
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _lines(watch: AlertsStatus, now: datetime) -> Iterator[Line]:
    silent = watch.is_silent(now)
    word = ("  silent", "bold red") if silent else ("  watched", "green")
    if watch.problem:
        yield Line.of((watch.stack, "bold"), ("  not looked at", "bold red"))
        return
    if watch.last_run is None:
        yield Line.of((watch.stack, "bold"), word, ": the job has never run")
        return
    good = f"last good run {_ago(watch.last_good_run, now)}" if watch.last_good_run else "no run was good yet"
    every = counted(watch.interval_minutes, "minute")
    yield Line.of((watch.stack, "bold"), word, f": {good}, one is due every {every}")
    yield Line.of(f"  logs are read up to {_ago(watch.read_until, now)}")
    if watch.waiting:
        yield Line.of((f"  {counted(watch.waiting, 'message')} not taken by Slack yet", "yellow"))
    if watch.last_error:
        yield Line.of(("  last run ", "yellow"), f"{_ago(watch.last_run, now)}: {safe(watch.last_error)}")


def _ago(moment: datetime | None, now: datetime) -> str:
    assert moment is not None
    if is_future(moment, now):
        return f"{_text(moment)}, which is in the future: a clock is wrong"
    seconds = max(0, int((now - moment).total_seconds()))
    return f"{counted(seconds, 'second') if seconds < 120 else counted(seconds // 60, 'minute')} ago"
