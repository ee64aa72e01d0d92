"""``snu local``: the local Scaleway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode
from ops.local_port import PORTS
from ops.local_runtime import RuntimeChoice

if TYPE_CHECKING:
    from ops.local import LocalCloud

app = group("local", "Control the local Scaleway, a process on this machine that serves Scaleway's HTTP API.")


@command(app, examples=["local start", "local start --runtime off --transitions 2s"])
def start(
    transitions: option.Transitions = None,
    runtime: Annotated[
        RuntimeChoice,
        typer.Option(
            "--runtime",
            metavar="|".join(RuntimeChoice),
            help="How to run containers: in Docker if available, always in Docker, or not at all.",
        ),
    ] = RuntimeChoice.AUTO,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            envvar="SNU_LOCAL_PORT",
            min=PORTS.start,
            max=PORTS.stop - 1,
            help="Port to use from now on. Default: the current port, or a free one if another checkout uses it.",
        ),
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Start the local Scaleway in the background and wait until it responds.

    Also succeeds if the local Scaleway is already running with these options.
    """
    from ops.commands import local as local_commands

    return local_commands.start(_cloud(cwd), transitions, runtime, port)


@command(app, examples=["local stop"])
def stop(cwd: option.Cwd = None) -> ExitCode:
    """Stop the local Scaleway, but keep its data."""
    from ops.commands import local as local_commands

    return local_commands.stop(_cloud(cwd))


@command(app, examples=["local status", "local status --json"])
def status(json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """Show whether the local Scaleway is running and how many resources it has."""
    from ops.commands import local as local_commands

    return local_commands.status(_cloud(cwd), as_json=json)


@command(app, examples=["local logs --follow"])
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="Number of past lines to show.")] = 50,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print the local Scaleway's log."""
    from ops.commands import local as local_commands

    return local_commands.logs(_cloud(cwd), follow=follow, lines=lines)


@command(app, examples=["local reset", "local reset --yes"])
def reset(yes: option.Yes = False, cwd: option.Cwd = None) -> ExitCode:
    """Delete the local Scaleway's data and the state of the local stacks."""
    from ops.commands import local as local_commands

    return local_commands.reset(_cloud(cwd), yes=yes)


@command(app, examples=["local env"])
def env(cwd: option.Cwd = None) -> ExitCode:
    """Print shell exports that point any Scaleway client at the local Scaleway."""
    from ops.commands import local as local_commands

    return local_commands.env(_cloud(cwd))


def _cloud(cwd: option.Cwd) -> LocalCloud:
    from ops.local import LocalCloud
    from ops.stacks import project_dir

    return LocalCloud.of(project_dir(cwd))
