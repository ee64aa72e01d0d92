"""Commands that show what is running, what it costs, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.drift.channels import ReportChannel
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode
from ops.graph_format import GraphFormat

app = top_level()


@command(app, examples=["status", "status stage production --drift", "status --json"])
def status(
    stacks: Annotated[list[str] | None, option.stacks_argument("all environments")] = None,
    json: option.Json = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="Also compare the state with the live resources, like `snu drift`.")
    ] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show each environment's release, images, locks, waiting plans, unpromoted changes and keys that expire soon."""
    from ops.commands import status as status_command

    return status_command.status(cwd, stacks or [], as_json=json, drift=drift)


@command(app, examples=["outputs local", "outputs local urls.api", "outputs stage --json"])
def outputs(
    target: option.Target,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATH]",
            show_default=False,
            help="Print only the value at this dot-separated path, such as `urls.api`.",
        ),
    ] = None,
    json: option.Json = False,
) -> ExitCode:
    """Print the stack's outputs, or one of them. Secret values are printed as [secret]."""
    from ops.commands import stack as stack_commands

    session = target.open(validate=False, needs_cloud=False, reads=True)
    return stack_commands.outputs(session, path, as_json=json)


@command(app, "open", examples=["open api", "open app --stack stage", "open api --print"])
def open_(
    app_name: Annotated[str, typer.Argument(metavar="APP", help="App name, as in snu:apps.")],
    stack: Annotated[
        str, typer.Option("--stack", metavar="STACK", autocompletion=option.complete_stack, help="The app's stack.")
    ] = "local",
    only_print: Annotated[bool, typer.Option("--print", help="Only print the URL.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Open an app's URL in the browser, and print it. Over SSH, in CI or without a display, only print it.

    If BROWSER is set, the browser that it names is always started.
    """
    from ops.commands import open_app
    from ops.process_environment import process_environment
    from ops.stacks import find_stack, project_dir

    def outputs() -> Mapping[str, Any]:
        return option.Target(stack, cwd=cwd).open(validate=False, needs_cloud=False, reads=True).outputs()

    found = find_stack(project_dir(cwd), stack)
    return open_app.open_app(found, app_name, process_environment(), outputs, only_print=only_print)


@command(app, examples=["graph local --format svg --out local.svg", "graph stage --format json"])
def graph(
    target: option.Target,
    output_format: Annotated[
        GraphFormat, typer.Option("--format", metavar="|".join(GraphFormat), help="SVG needs Graphviz's `dot`.")
    ] = GraphFormat.DOT,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="File to write; `-` for standard output.")] = "-",
) -> ExitCode:
    """Show a stack's resources, grouped by component, and their dependencies.

    Reads the stack's state; before the first update, evaluates the program. Arrows point from a resource to its
    dependencies.
    """
    from ops.commands import graph as graph_command

    session = target.open(validate=False, needs_cloud=False, reads=True)
    return graph_command.graph(session, output_format, out)


@command(
    app,
    examples=[
        "logs api --stack stage --since 2h --grep 'status=5\\d\\d'",
        "logs api --follow --lines 20",
        "logs crash-alerts --stack production --since 1d --json",
    ],
)
def logs(
    name: Annotated[str, typer.Argument(metavar="APP|JOB", help="Name of the app or job in the stack's file.")],
    stack: option.StackOption = "local",
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            show_default=False,
            help="Print all lines since this time: a duration such as `2h`, or a time such as `2026-01-31T12:00:00Z`. "
            "Default: the last lines of the past 7 days or, for a job, of its last run.",
        ),
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log.")] = False,
    grep: Annotated[
        str,
        typer.Option(
            "--grep",
            metavar="PATTERN",
            show_default=False,
            help="Print only lines that match this regular expression (RE2).",
        ),
    ] = "",
    instance: Annotated[
        str,
        typer.Option(
            "--instance", metavar="ID", show_default=False, help="Print only lines of this instance or job run."
        ),
    ] = "",
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            metavar="N",
            min=0,
            max=100_000,
            show_default=False,
            help="Print only the last N lines. Default: 100, or all with `--since`.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each line as a JSON object.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print the logs of an app's instances or a job's runs, with each line's time, instance and stream."""
    from ops.commands import logs as logs_command

    options = logs_command.LogOptions(since, lines, follow, grep, instance, json)
    return logs_command.logs(cwd, name, stack, options)


@command(app, examples=["drift", "drift stage production --report github --report slack", "drift stage --json"])
def drift(
    github: option.GitHub,
    stacks: Annotated[list[str] | None, option.stacks_argument("all stacks with a reachable state")] = None,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    report: Annotated[
        list[ReportChannel] | None,
        typer.Option(
            "--report",
            metavar="|".join(ReportChannel),
            help="Maintain a GitHub issue for each stack, or post to Slack (requires SLACK_WEBHOOK_URL). Repeatable.",
        ),
    ] = None,
    parallel: option.Parallel = 16,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show drift since the last update, and unmanaged resources. Changes nothing.

    Exits with code 20 if it finds either. Reads the GitHub token in the same way as `snu comment`.
    """
    from ops.commands import drift as drift_command
    from ops.process_environment import process_environment

    reporter = drift_command.DriftReporter.of(report or [], github.repo, github.api_url, process_environment())
    return drift_command.drift(cwd, stacks or [], engine, parallel, reporter, as_json=json)


@command(app, examples=["alerts", "alerts stage --json"])
def alerts(
    stacks: Annotated[
        list[str] | None, option.stacks_argument("all stacks with crash alerts, except local ones")
    ] = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show whether crash alerts work: last successful run, log position, unsent messages, last error."""
    from ops.commands import alerts as alerts_command

    return alerts_command.alerts(cwd, stacks or [], as_json=json)


@command(app, examples=["cost", "cost production --json"])
def cost(
    stacks: Annotated[list[str] | None, option.stacks_argument("all stacks on the real Scaleway")] = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Estimate the monthly cost of stacks, idle and at full scale, from their settings alone."""
    from ops.commands import cost as cost_command

    return cost_command.cost(cwd, stacks or [], as_json=json)


@command(
    app,
    examples=[
        "doctor",
        "doctor production --repo betagouv/service-national-universel",
        "doctor ci stage production --json",
    ],
)
def doctor(
    github: option.GitHub,
    stacks: Annotated[
        list[str] | None, option.stacks_argument("the stacks that releases deploy to (those with snu:promoteFrom)")
    ] = None,
    allow_unknown: Annotated[
        bool,
        typer.Option("--allow-unknown", help="Exit with code 0 if nothing is wrong, even if something is unknown."),
    ] = False,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Check programs, keys, states, plan keys and GitHub, and print the fix for each problem. Changes nothing.

    Each check is reported as good, wrong or unknown, with the page that explains it. Exits with code 24 if a check is
    wrong, otherwise with code 25 if one is unknown.
    """
    from ops.commands import doctor as doctor_command

    return doctor_command.doctor(
        cwd, stacks or [], github.repo, github.api_url, as_json=json, allow_unknown=allow_unknown
    )
