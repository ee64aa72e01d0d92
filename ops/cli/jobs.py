"""``snu job``: the jobs of an environment, and their runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group("job", "Run jobs, and show their runs.")

JobName = Annotated[str, typer.Argument(metavar="JOB", help="Name of the job in the stack's file.")]


@command(app, "list", examples=["job list", "job list --stack stage --json"])
def list_jobs(stack: option.StackOption = "local", json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List an environment's jobs with their schedules and last runs."""
    from ops.commands import jobs as job_commands

    return job_commands.show(cwd, stack, as_json=json)


@command(app, examples=["job runs crash-alerts", "job runs crash-alerts --stack stage --limit 5 --json"])
def runs(
    job: JobName,
    stack: option.StackOption = "local",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Maximum number of runs.")] = 20,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the latest runs of a job with their states, durations and exit codes, newest first."""
    from ops.commands import jobs as job_commands

    return job_commands.runs(cwd, stack, job, limit, as_json=json)


@command(
    app,
    examples=["job run nightly --wait", "job run migrate --stack stage --arg up --arg --dry-run --env LOG_LEVEL=debug"],
)
def run(
    job: JobName,
    stack: option.StackOption = "local",
    arguments: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="ARGUMENT", help="Argument that replaces the job's arguments. Repeatable."),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="NAME[=VALUE]",
            help="Variable to add; NAME alone passes the shell's value. Scaleway shows variables to anyone who can "
            "read the job's runs, so do not pass secrets. Repeatable.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Print the run's log until it finishes, and fail if it does not succeed."),
    ] = False,
    timeout: option.RunTimeout = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Start a run of a job.

    If Ctrl-C or `--timeout` ends the wait, the run continues.
    """
    from ops.commands import jobs as job_commands

    return job_commands.run(cwd, stack, job, arguments, environment or [], wait=wait, timeout=timeout)


@command(app, examples=["job stop nightly 3f6d1b0c"])
def stop(
    job: JobName,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or a unique prefix of it.")],
    stack: option.StackOption = "local",
    cwd: option.Cwd = None,
) -> ExitCode:
    """Stop a run that has not finished."""
    from ops.commands import jobs as job_commands

    return job_commands.stop(cwd, stack, job, run)
