"""What ``snu logs`` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import naming
from ops.display.text import safe
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local import LocalCloud
from ops.stacks import find_stack, project_dir, settings_of

if TYPE_CHECKING:
    from ops.stacks import Stack

_MILLISECONDS = len("2026-01-01T00:00:00.000")


def logs(cwd: Path | None, app: str, stack_name: str, *, follow: bool, lines: int) -> ExitCode:
    """Print what an app's instances wrote."""
    stack = find_stack(project_dir(cwd), stack_name)
    if not stack.is_local:
        raise OpsError(
            f"The logs of the stack {stack_name} are in Cockpit: open Grafana from Observability in Scaleway's "
            "console. `snu logs` reads those of stacks on the local Scaleway.",
            ExitCode.USAGE,
        )
    name = _container_name(stack, app)
    cloud = LocalCloud(stack)
    cloud.require()
    container_id = cloud.container_id(name)
    if container_id is None:
        raise OpsError(
            f"The local Scaleway has no container {name}. Deploy it with: snu up {stack_name}", ExitCode.LOCAL_CLOUD
        )
    for line in cloud.container_logs(container_id, follow=follow, lines=lines):
        print(_shown(line))
        if follow:
            sys.stdout.flush()
    return ExitCode.OK


def _container_name(stack: Stack, app: str) -> str:
    """Raises OpsError for an app that the stack's file does not have."""
    settings = settings_of(stack)
    apps = {} if settings.blueprint == "foundation" else settings.apps
    if settings.blueprint == "foundation" or app not in apps:
        known = ", ".join(apps) or "none"
        raise OpsError(f"{stack.file.name} has no app {app!r}. Its apps: {known}.", ExitCode.USAGE)
    return naming.container(settings.environment.name, app)


def _shown(line: dict[str, Any]) -> str:
    return safe(f"{line['time'][:_MILLISECONDS]}Z {line['instance']} {line['stream']} {line['text']}")
