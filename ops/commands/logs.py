"""``snu logs``: prints the logs of apps and jobs on the local Scaleway."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local import LocalCloud
from ops.report.text import safe
from ops.stacks import find_stack, project_dir, settings_of, stack_names

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings
    from ops.stacks import Stack

_MILLISECONDS = len("2026-01-01T00:00:00.000")


def logs(cwd: Path | None, names: list[str], stack_name: str, *, follow: bool, lines: int) -> ExitCode:
    """Print the logs of an app's instances or a job's last run.

    Raises OpsError unless ``names`` consists of an app or job. If it contains a stack, as in the arguments of other
    commands, the message contains the right command.
    """
    stack = find_stack(project_dir(cwd), stack_name)
    if len(names) > 1:
        found = f"Expected the name of one app or job, found {safe(' '.join(names))}."
        raise OpsError(found + _stack_hint(stack, names), ExitCode.USAGE)
    name = names[0]
    if not stack.is_local:
        raise OpsError(
            f"`scripts/snu logs` only works for stacks on the local Scaleway. The logs of {stack_name} are in "
            "Cockpit: open Grafana under Observability in the Scaleway console.",
            ExitCode.USAGE,
        )
    for line in _lines(stack, name, follow=follow, lines=lines):
        print(_shown(line))
        if follow:
            sys.stdout.flush()
    return ExitCode.OK


def _lines(stack: Stack, name: str, *, follow: bool, lines: int) -> Iterator[dict[str, Any]]:
    """The log entries. Raises OpsError if the stack's file or the local Scaleway has no such app or job."""
    settings = settings_of(stack)
    apps, jobs = ({}, {}) if settings.blueprint == "foundation" else (settings.apps, _jobs(settings))
    if settings.blueprint == "foundation" or name not in {*apps, *jobs}:
        raise OpsError(
            f"{stack.file.name} has no app or job {safe(name)}. Apps: {', '.join(apps) or 'none'}; jobs: "
            f"{', '.join(jobs) or 'none'}.{_stack_hint(stack, [name])}",
            ExitCode.USAGE,
        )
    cloud = LocalCloud(stack)
    cloud.require()
    if name in apps:
        container = settings.container_name(name)
        if (container_id := cloud.container_id(container)) is not None:
            return cloud.container_logs(container_id, follow=follow, lines=lines)
        raise _missing(f"no container {container}. Deploy it with: scripts/snu up {stack.name}")
    job = jobs[name]
    if (run_id := cloud.last_run_id(job)) is not None:
        return cloud.run_logs(run_id, follow=follow, lines=lines)
    raise _missing(f"not run the job {job} yet. Its schedule or an API call starts it.")


def _stack_hint(stack: Stack, names: list[str]) -> str:
    """The command to run if one of the names is that of a stack; empty if none is."""
    stacks = [name for name in names if name in stack_names(stack.project_dir)]
    if not stacks:
        return ""
    others = [name for name in names if name not in stacks] or ["APP"]
    return f" {stacks[0]} is a stack. Run: scripts/snu logs {safe(others[0])} --stack {stacks[0]}"


def _jobs(settings: EnvironmentSettings) -> dict[str, str]:
    """Scaleway names of the jobs by key, including the crash alerts job if there is one."""
    named = {key: settings.job_name(key) for key in settings.jobs}
    if settings.crash_alerts is None:
        return named
    return {**named, naming.ALERTS_JOB: naming.job(settings.environment.name, naming.ALERTS_JOB)}


def _missing(resource: str) -> OpsError:
    return OpsError(f"The local Scaleway has {resource}", ExitCode.LOCAL_CLOUD)


def _shown(line: dict[str, Any]) -> str:
    return safe(f"{line['time'][:_MILLISECONDS]}Z {line['instance']} {line['stream']} {line['text']}")
