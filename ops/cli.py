"""The command line of ``snu``: what can be typed. What it does stands in ``ops.commands``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands import options as option
from ops.drift.channels import ReportChannel
from ops.durations import SECONDS
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode
from ops.local_runtime import RuntimeChoice
from ops.process_environment import process_environment

if TYPE_CHECKING:
    from ops.local import LocalCloud
    from ops.session import Session

app = typer.Typer(
    name="snu",
    help="The SNU platform on Scaleway: previews, updates and the local Scaleway.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _group(name: str, about: str, *, alone: bool = False) -> typer.Typer:
    """Commands of ``snu <name>``; ``alone``: that is a command itself."""
    group = typer.Typer(help=about, no_args_is_help=not alone, invoke_without_command=alone, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


local = _group("local", "The local Scaleway: a process of this machine that speaks Scaleway's HTTP API.")
state = _group("state", "Stacks' states: where they are, their backups, their history.")
images = _group("images", "The images of the apps: their versions, where they are, where they run.", alone=True)
previews = _group("env", "Preview environments: one per pull request or branch.")
release = _group("release", "The steps of a release around plan and apply; each can be repeated.")
keys = _group("keys", "API keys of the applications that a foundation makes.")
hotfix = _group("hotfix", "A hot-fix: the branch STACK_hotfix, cut from what the stack runs.")

_PARALLEL = 16
_WAIT_SECONDS = 600.0
_DIFF_SECONDS = 120.0
_OLD_SECONDS = 60 * SECONDS["d"]
_BOTH_TO_STDOUT = "--json and --markdown - would both print to standard output: give one of them."


@app.command()
def preview(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    refresh: option.Refresh = True,
    parallel: option.Parallel = _PARALLEL,
    expect_no_changes: option.ExpectNoChanges = False,
    details: option.Details = False,
    markdown: option.Markdown = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show what `up` would change. --json prints the document of `pulumi preview --json`."""
    from ops.commands import stack as work
    from ops.session import Options, Session

    options = Options(refresh=refresh, parallel=parallel, expect_no_changes=expect_no_changes, details=details)
    if json and markdown == "-":
        raise typer.BadParameter(_BOTH_TO_STDOUT)
    session = Session.open(cwd, stack, engine, runs_program=True, reads=True)
    return work.preview_json(session, options) if json else work.preview(session, options, markdown)


@app.command()
def up(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    skip_preview: option.SkipPreview = False,
    refresh: option.Refresh = True,
    parallel: option.Parallel = _PARALLEL,
    expect_no_changes: option.ExpectNoChanges = False,
    details: option.Details = False,
    wait: option.Wait = _WAIT_SECONDS,
    check_urls: option.CheckUrls = False,
    refuse_older: Annotated[
        bool,
        typer.Option(
            "--refuse-older", help="Status 16 if the last update was of a commit that descends from this one."
        ),
    ] = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Preview, ask, make the cloud what the program says, and check every container."""
    from ops.commands import stack as work
    from ops.session import Options, Session

    options = Options(
        yes=yes,
        skip_preview=skip_preview,
        refresh=refresh,
        parallel=parallel,
        expect_no_changes=expect_no_changes,
        details=details,
        wait_seconds=wait,
        check_urls=check_urls,
        lock_timeout=lock_timeout,
    )
    return work.up(Session.open(cwd, stack, engine, runs_program=True), options, refuse_older=refuse_older)


@app.command()
def destroy(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    refresh: option.Refresh = True,
    parallel: option.Parallel = _PARALLEL,
    details: option.Details = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show what would be deleted, ask, and delete every resource of the stack. A foundation in use is refused."""
    from ops.commands import stack as work
    from ops.session import Options, Session

    options = Options(yes=yes, refresh=refresh, parallel=parallel, details=details, lock_timeout=lock_timeout)
    return work.destroy(Session.open(cwd, stack, engine, validate=False), options)


@app.command()
def adopt(
    stack: option.StackName,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="STATE",
            help="Terraform's state: a file, or `postgres://USER@HOST/DATABASE?schema_name=…&workspace=…` with the "
            "password in PGPASSWORD. Again, for each of several.",
        ),
    ] = None,
    accept: Annotated[
        Path | None, typer.Option("--accept", metavar="FILE", help="The differences that are accepted, each by name.")
    ] = None,
    write_accept: Annotated[
        str | None,
        typer.Option("--write-accept", metavar="FILE", help="Write what is not accepted yet as a list to complete."),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Go back to the state before, as long as nothing came after the adoption.")
    ] = False,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Take over into the stack's state what Terraform has made; nothing is changed on Scaleway."""
    from ops.commands import adopt as work
    from ops.session import Options, Session

    if undo == bool(sources):
        raise typer.BadParameter("Give the state with --from, or --undo.")
    options = Options(yes=yes, lock_timeout=lock_timeout)
    if undo:
        return work.undo(Session.open(cwd, stack, engine, validate=False, needs_cloud=False), options)
    return work.adopt(Session.open(cwd, stack, engine), sources or [], accept, options, write_accept)


@app.command()
def refresh(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    parallel: option.Parallel = _PARALLEL,
    expect_no_changes: option.ExpectNoChanges = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Write into the stack's state what the cloud says of each resource."""
    from ops.commands import stack as work
    from ops.session import Options, Session

    options = Options(yes=yes, parallel=parallel, expect_no_changes=expect_no_changes, lock_timeout=lock_timeout)
    return work.refresh(Session.open(cwd, stack, engine), options)


@app.command()
def redeploy(
    stack: option.StackName,
    apps: Annotated[list[str], typer.Argument(metavar="APP...", help="Keys of snu:apps.")],
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    wait: option.Wait = _WAIT_SECONDS,
    check_urls: option.CheckUrls = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Deploy containers again with the image and variables that they have, and wait until they are ready."""
    from ops.commands import redeploy as work
    from ops.session import Options, Session

    options = Options(yes=yes, wait_seconds=wait, check_urls=check_urls, lock_timeout=lock_timeout)
    return work.redeploy(Session.open(cwd, stack, engine), apps, options)


@app.command()
def unprotect(
    stack: option.StackName,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Keys of snu:apps and snu:jobs.")],
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Allow the next update of a protected stack to delete or replace these apps and jobs. Changes the state only."""
    from ops.commands import unprotect as work
    from ops.session import Options, Session

    session = Session.open(cwd, stack, engine, validate=False, needs_cloud=False)
    return work.unprotect_apps(session, names, Options(yes=yes, lock_timeout=lock_timeout))


@app.command()
def bootstrap(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    parallel: option.Parallel = _PARALLEL,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """From an empty account to a foundation whose state, and whose environments' states, have their places."""
    from ops.commands import bootstrap as work
    from ops.session import Options

    options = Options(yes=yes, parallel=parallel, lock_timeout=lock_timeout)
    return work.bootstrap(cwd, stack, engine, options)


@app.command()
def recover(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """After a run that was killed: show what it left, ask, and bring state and cloud together."""
    from ops.commands import recover as work
    from ops.session import Session

    return work.recover(Session.open(cwd, stack, engine, validate=False), yes=yes)


@app.command()
def plan(
    stack: option.StackName,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the plan goes.")],
    engine: option.Engine = EngineChoice.AUTO,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Plan with changes that are not committed; the plan is marked.")
    ] = False,
    expire_after: option.ExpireAfter = None,
    markdown: option.Markdown = None,
    parallel: option.Parallel = _PARALLEL,
    expect_no_changes: option.ExpectNoChanges = False,
    details: option.Details = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Preview with a refresh, and write a plan that can be applied exactly so: encrypted and signed."""
    from ops.commands import plan as work
    from ops.session import Options, Session

    options = Options(parallel=parallel, expect_no_changes=expect_no_changes, details=details)
    session = Session.open(cwd, stack, engine, runs_program=True)
    return work.plan(session, options, out, allow_dirty=allow_dirty, lifetime=expire_after, markdown=markdown)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan that `snu plan` has written.")],
    engine: option.Engine = EngineChoice.AUTO,
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="STACK", help="Refuse the plan of any other stack.")
    ] = None,
    yes: option.Yes = False,
    parallel: option.Parallel = _PARALLEL,
    details: option.Details = False,
    wait: option.Wait = _WAIT_SECONDS,
    check_urls: option.CheckUrls = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Prove that nothing has changed since a plan was made, and then do what it says and nothing else."""
    from ops.commands import plan as work
    from ops.session import Options

    options = Options(
        yes=yes,
        parallel=parallel,
        details=details,
        wait_seconds=wait,
        check_urls=check_urls,
        lock_timeout=lock_timeout,
    )
    return work.apply(file, cwd, stack, engine, options)


@app.command()
def promote(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The stack whose images are taken.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The stack whose snu:promoteFrom is SOURCE.")],
    commit: option.Commit = False,
    as_named: Annotated[
        bool,
        typer.Option(
            "--as-named", help="Status 16 if SOURCE runs other images than its file names: another release's."
        ),
    ] = False,
    markdown: option.ChangelogMarkdown = None,
    slack: option.ChangelogSlack = None,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Copy the images that SOURCE runs to TARGET's registry, write them into TARGET's file, and say what changes."""
    from ops.commands import promote as work

    return work.promote(
        cwd, source, target, repository, work.ChangelogTargets(markdown, slack), commit=commit, as_named=as_named
    )


@app.command("releases")
def list_releases(stack: option.StackName, json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List the releases of a stack, which `snu apply` records as tags of git; the newest first."""
    from ops.commands import rollback as work

    return work.releases(cwd, stack, as_json=json)


@app.command()
def rollback(
    stack: option.StackName,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="RELEASE", help="As `snu releases` names it. Default: one back from what runs."),
    ] = None,
    commit: option.Commit = False,
    markdown: option.ChangelogMarkdown = None,
    slack: option.ChangelogSlack = None,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Write an earlier release's images and variables into the stack's file, to be planned and applied."""
    from ops.commands import rollback as work
    from ops.commands.promote import ChangelogTargets

    return work.rollback(cwd, stack, to, repository, ChangelogTargets(markdown, slack), commit=commit)


@app.command()
def unlock(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    yes: option.Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove every lock, stale or not. Asks for the stack's name.")
    ] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show a stack's locks and their owners, and remove the stale ones."""
    from ops.commands import unlock as work
    from ops.session import Session

    session = Session.open(cwd, stack, engine, validate=False, needs_cloud=False)
    return work.unlock_stack(session, yes=yes, force=force)


@keys.command("list")
def keys_list(stack: option.StackName, json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List the applications of a foundation, what each is for, and their API keys."""
    from ops.commands import keys as work

    return work.show(cwd, stack, as_json=json)


@keys.command("store")
def keys_store(
    stack: option.StackName,
    rotate: Annotated[bool, typer.Option("--rotate", help="Replace the keys that could stay too.")] = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Make the API keys that a foundation's environments read from Secret Manager, and store them there.

    Keys that are current stay; others are replaced and then deleted. `snu bootstrap` does this too.
    """
    from ops.commands import keys as work
    from ops.session import Options

    return work.store(cwd, stack, Options(lock_timeout=lock_timeout), rotate=rotate)


@keys.command("make")
def keys_make(
    stack: option.StackName,
    application: Annotated[str, typer.Argument(metavar="APPLICATION", help="As `snu keys list` prints it.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the key, outside of the checkout.")],
    cwd: option.Cwd = None,
) -> ExitCode:
    """Make an API key of an application. It is written into files that only you can read, and into no state."""
    from ops.commands import keys as work

    return work.make(cwd, stack, application, out)


@keys.command("revoke")
def keys_revoke(
    stack: option.StackName,
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY", help="As `snu keys list` prints it.")],
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Delete an API key of one of a foundation's applications. Whoever uses it is refused from then on."""
    from ops.commands import keys as work

    return work.revoke(cwd, stack, access_key, yes=yes)


@app.command("plan-keys")
def plan_keys(
    stack: option.StackName,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the private keys go.")],
    planner: Annotated[str, typer.Option("--planner", metavar="NAME", help="Name of the planner.")] = "ci",
    applier: Annotated[str, typer.Option("--applier", metavar="NAME", help="Name of the applier.")] = "deploy",
    cwd: option.Cwd = None,
) -> ExitCode:
    """Generate the keys for a stack's plans: public keys into its file, private keys into FOLDER."""
    from ops.commands import plan_keys as work

    return work.make_keys(cwd, stack, out, planner=planner, applier=applier)


@app.command()
def doctor(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK]...", help="Default: the stacks that releases change (snu:promoteFrom)."),
    ] = None,
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Check what a release needs, and print each missing thing with the command that fixes it."""
    from ops.commands import doctor as work

    return work.doctor(cwd, stacks or [], repo, api_url)


@app.command("status")
def show_status(
    json: option.Json = False,
    drift: Annotated[bool, typer.Option("--drift", help="Look into the cloud too, as `snu drift` does.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show of every environment its release, what runs, who holds it, which plans wait, what is not promoted yet."""
    from ops.commands import status as work

    return work.status(cwd, as_json=json, drift=drift)


@app.command("alerts")
def show_alerts(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STACK]...", show_default=False, help="Default: all that have crash alerts and are not local."
        ),
    ] = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show whether crash alerts work: last good run, how far the logs are read, what waits for Slack, last error."""
    from ops.commands import alerts as work

    return work.alerts(cwd, stacks or [], as_json=json)


@app.command()
def drift(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK]...", help="Default: all whose state can be reached.", show_default=False),
    ] = None,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    report: Annotated[
        list[ReportChannel] | None,
        typer.Option(
            "--report",
            metavar="|".join(ReportChannel),
            help="Keep an issue on GitHub for each stack; tell Slack (SLACK_WEBHOOK_URL); may be given twice.",
        ),
    ] = None,
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    parallel: option.Parallel = _PARALLEL,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show what differs from what the last updates left, and what no state knows. Changes nothing.

    Status 20 when there is drift. The token for GitHub is as for `snu comment`.
    """

    from ops.commands import drift as work

    reporter = work.DriftReporter.of(report or [], repo, api_url, process_environment())
    return work.drift(cwd, stacks or [], engine, parallel, reporter, as_json=json)


@app.command()
def outputs(
    stack: option.StackName,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print the stack's outputs; secret ones read [secret]."""
    from ops.commands import stack as work
    from ops.session import Session

    session = Session.open(cwd, stack, engine, validate=False, needs_cloud=False, reads=True)
    return work.outputs(session, as_json=json)


@app.command()
def cost(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK]...", help="Default: all stacks on the real Scaleway.", show_default=False),
    ] = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Estimate what stacks cost a month, idle and at full scale, from their settings: no cloud, no secrets."""
    from ops.commands import cost as work

    return work.cost(cwd, stacks or [], as_json=json)


@app.command()
def diff(
    revisions: Annotated[
        str,
        typer.Argument(
            metavar="BASE..HEAD",
            help="Two commits, branches or tags. `BASE...HEAD`: since HEAD left BASE; `BASE`: up to the working copy.",
        ),
    ],
    stack: Annotated[
        list[str] | None, typer.Option("--stack", metavar="STACK", help="Only this stack; may be given several times.")
    ] = None,
    json: option.Json = False,
    markdown: option.Markdown = None,
    expect_no_changes: option.ExpectNoChanges = False,
    details: option.Details = False,
    timeout: option.EvaluationTimeout = _DIFF_SECONDS,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show what a change does to every stack, without cloud, secrets and state. It runs the code of both revisions."""
    from ops.commands import diff as work

    if json and markdown == "-":
        raise typer.BadParameter(_BOTH_TO_STDOUT)
    return work.diff(
        cwd,
        revisions,
        stack or [],
        markdown=markdown,
        as_json=json,
        details=details,
        expect_no_changes=expect_no_changes,
        timeout=timeout,
    )


@app.command()
def touched(
    revisions: Annotated[str, typer.Argument(metavar="BASE..HEAD", help="As for `diff`.")],
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="STACK", help="Leave this stack out; may be given several times."),
    ] = None,
    json: option.Json = False,
    timeout: option.EvaluationTimeout = _DIFF_SECONDS,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the stacks that a change touches, which are those to preview. --json prints a list, for a job matrix."""
    from ops.commands import diff as work

    return work.touched(cwd, revisions, exclude or [], as_json=json, timeout=timeout)


@app.command()
def comment(
    repo: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="The repository on GitHub.")],
    stack: Annotated[str, typer.Option("--stack", metavar="STACK", help="The stack whose comment is written.")],
    file: Annotated[
        str, typer.Option("--file", metavar="MARKDOWN", help="What `--markdown` has written; `-`: standard input.")
    ],
    pull_request: Annotated[
        int | None, typer.Option("--pr", metavar="N", min=1, help="Number of the pull request.")
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option("--commit", metavar="SHA", help="Instead of --pr: a commit that a pull request was merged as."),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="LOGIN", help="Whose comments are ours. Default: those of the token's owner."),
    ] = None,
    api_url: Annotated[
        str, typer.Option("--api-url", metavar="URL", envvar="GITHUB_API_URL", help="Address of GitHub's API.")
    ] = "https://api.github.com",
) -> ExitCode:
    """Keep one comment per stack on a pull request. The token comes from GITHUB_TOKEN or SNU_GITHUB_TOKEN_FILE."""
    from ops.commands import comment as work

    if (pull_request is None) == (commit is None):
        raise typer.BadParameter("give either --pr or --commit")
    return work.comment(repo, pull_request or commit or "", stack, file, author=author, api_url=api_url)


@app.command("logs")
def app_logs(
    app_name: Annotated[str, typer.Argument(metavar="APP", help="Name of the app, or job, in the stack's file.")],
    stack: Annotated[str, typer.Option("--stack", metavar="STACK", help="A stack on the local Scaleway.")] = "local",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many lines of the past.")] = 100,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print what an app's instances wrote, crashed ones too, or a job's last run: time, instance, stream, text."""
    from ops.commands import logs as work

    return work.logs(cwd, app_name, stack, follow=follow, lines=lines)


@local.command()
def start(
    transitions: option.Transitions = None,
    runtime: Annotated[
        RuntimeChoice,
        typer.Option(
            "--runtime",
            metavar="|".join(RuntimeChoice),
            help="What runs the containers: Docker if an engine answers; Docker or no start; nothing.",
        ),
    ] = RuntimeChoice.AUTO,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Start it in the background and wait until it answers; fine when it already runs with these options."""
    from ops.commands import local as work

    return work.start(_cloud(cwd), transitions, runtime)


@local.command()
def stop(cwd: option.Cwd = None) -> ExitCode:
    """Stop it; what it holds is kept."""
    from ops.commands import local as work

    return work.stop(_cloud(cwd))


@local.command()
def status(cwd: option.Cwd = None) -> ExitCode:
    """Say whether it runs and what it holds."""
    from ops.commands import local as work

    return work.status(_cloud(cwd))


@local.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many lines of the past.")] = 50,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print its log."""
    from ops.commands import local as work

    return work.logs(_cloud(cwd), follow=follow, lines=lines)


@local.command()
def reset(yes: option.Yes = False, cwd: option.Cwd = None) -> ExitCode:
    """Empty it, and forget the state of the local stacks."""
    from ops.commands import local as work

    return work.reset(_cloud(cwd), yes=yes)


@local.command()
def env(cwd: option.Cwd = None) -> ExitCode:
    """Print the exports that point any Scaleway client at it."""
    from ops.commands import local as work

    return work.env(_cloud(cwd))


@images.callback()
def show_images(
    context: typer.Context,
    repository: option.Repository = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show of each image its version, which registries hold it, where it runs, and what has changed since."""
    from ops.commands import images as work

    if context.invoked_subcommand is not None:
        return ExitCode.OK
    return work.show(cwd, repository, as_json=json)


@images.command("build")
def images_build(
    stack: option.StackName,
    repository: option.Repository = None,
    base: option.Base = None,
    parallel: Annotated[int, typer.Option("--parallel", metavar="N", min=1, help="Builds at the same time.")] = 2,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build and push what the stack's registry lacks, and take over version and digest of each image."""
    from ops.images import builds as work

    return work.build(cwd, stack, repository, base=base, parallel=parallel)


@images.command("clean")
def images_clean(
    stack: Annotated[
        str | None, typer.Argument(metavar="[STACK]", help="The stack whose registry is cleaned.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Clean the registries of all environments.")] = False,
    older_than: option.OlderThan = _OLD_SECONDS,
    keep_releases: Annotated[
        int,
        typer.Option("--keep-releases", metavar="N", min=1, help="Releases of each stack that can be gone back to."),
    ] = 10,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete them; without it they are listed only.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the versions that leave a registry, and why the rest stays. With --yes, delete them."""
    from ops.commands import images as work

    if (stack is None) != everything:
        raise typer.BadParameter("name a stack, or give --all")
    return work.clean(cwd, stack, older_than=older_than, keep_releases=keep_releases, yes=yes)


@release.command("check")
def release_check(
    stack: option.StackName,
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Refuse the commit that is checked out (status 16) unless it holds what the stack runs.

    With --repo and a token, the message names the pull request to merge.
    """
    from ops.commands import release as work
    from ops.github import Repository

    return work.check(cwd, stack, Repository(repo, api_url) if repo else None)


@release.command("push")
def release_push(
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="The branch of the remote `origin`.")],
    cwd: option.Cwd = None,
) -> ExitCode:
    """Publish the commit that is checked out on a branch; status 16 if somebody else has pushed to it.

    Repeated, it checks out the commit of the first attempt if that has the same content.
    """
    from ops.commands import release as work

    return work.push(cwd, branch)


@release.command("publish")
def release_publish(
    stack: option.StackName,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="BRANCH", help="Also move this branch forward to the release.")
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Push the tag of the release that is checked out, under the next number if its name was taken meanwhile."""
    from ops.commands import release as work

    return work.publish(cwd, stack, branch)


@release.command("finish")
def release_finish(
    stack: option.StackName,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch that was released.")],
    repo: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="The repository on GitHub.")],
    base: Annotated[str, typer.Option("--base", metavar="BRANCH", help="Where the release goes back to.")] = "main",
    delete_branch: Annotated[
        bool, typer.Option("--delete-branch", help="Delete the branch; the pull request has one of its own.")
    ] = False,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Open the pull request that brings the release that is checked out to the main branch, unless there is one."""
    from ops.commands import release as work
    from ops.github import Repository

    return work.finish(cwd, stack, branch, repository, Repository(repo, api_url), base, delete=delete_branch)


@hotfix.command("check")
def hotfix_check(stack: option.HotFixStack = "production", cwd: option.Cwd = None) -> ExitCode:
    """Refuse what is checked out unless it is the stack's hot-fix branch and descends from what the stack runs."""
    from ops.commands import hotfix as work

    return work.check(cwd, stack)


@hotfix.command("build")
def hotfix_build(
    stack: option.HotFixStack = "production",
    commit: option.Commit = False,
    markdown: option.ChangelogMarkdown = None,
    slack: option.ChangelogSlack = None,
    repository: option.Repository = None,
    parallel: Annotated[int, typer.Option("--parallel", metavar="N", min=1, help="Builds at the same time.")] = 2,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build the apps that the branch changed for the stack that STACK is promoted from, which gets STACK's others."""
    from ops.commands import hotfix as work
    from ops.commands.promote import ChangelogTargets

    return work.build(cwd, stack, repository, ChangelogTargets(markdown, slack), parallel=parallel, commit=commit)


@hotfix.command("finish")
def hotfix_finish(
    repo: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="The repository on GitHub.")],
    stack: option.HotFixStack = "production",
    base: Annotated[str, typer.Option("--base", metavar="BRANCH", help="Where the fix goes back to.")] = "main",
    delete_branch: Annotated[
        bool, typer.Option("--delete-branch", help="Delete the hot-fix's branch; the pull request has one of its own.")
    ] = False,
    api_url: Annotated[
        str, typer.Option("--api-url", metavar="URL", envvar="GITHUB_API_URL", help="Address of GitHub's API.")
    ] = "https://api.github.com",
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Once the stack runs the fix: open the pull request that brings it back. The token is as for `snu comment`."""
    from ops.commands import hotfix as work
    from ops.github import Repository

    return work.finish(cwd, stack, repository, Repository(repo, api_url), base, delete=delete_branch)


@state.command("show")
def state_show(stack: option.StackName, cwd: option.Cwd = None) -> ExitCode:
    """Say where a stack's state is, how large it is, who holds it and who changed it last."""
    from ops.commands import state as work

    return work.show(_state_session(cwd, stack))


@state.command("history")
def state_history(
    stack: option.StackName,
    most: Annotated[int, typer.Option("--most", "-n", metavar="N", min=1, help="How many updates.")] = 20,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Say who updated a stack, when, and what came of it; the newest first."""
    from ops.commands import state as work

    return work.history(_state_session(cwd, stack), most, as_json=json)


@state.command("backup")
def state_backup(
    stack: option.StackName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to. Default: beside the state, in its backend.")
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Keep a stack's state as it is now. Secrets in a backup stay encrypted with the stack's passphrase."""
    from ops.commands import state as work

    return work.backup(_state_session(cwd, stack), out)


@state.command("restore")
def state_restore(
    stack: option.StackName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `snu state backup --out` has written.")],
    replace: Annotated[bool, typer.Option("--replace", help="Even if the stack has resources.")] = False,
    rename: Annotated[bool, typer.Option("--rename", help="Even if the backup is of another stack.")] = False,
    yes: option.Yes = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Give a stack the state of a backup; the present one is kept."""
    from ops.commands import state as work
    from ops.session import Options

    options = Options(yes=yes, lock_timeout=lock_timeout)
    return work.restore(_state_session(cwd, stack), file, options, over=replace, rename=rename)


@state.command("move")
def state_move(
    stack: option.StackName,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="A backend's address; `env:NAME` for one that stands in a variable, as one with a login must; "
            "`foundation` for the place that the foundation's settings name.",
        ),
    ],
    yes: option.Yes = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Carry a stack's state to another backend, and prove that nothing changed. Can be repeated when it was killed."""
    from ops.commands import state as work
    from ops.session import Options

    return work.move(_state_session(cwd, stack), to, Options(yes=yes, lock_timeout=lock_timeout))


@previews.command("up")
def env_up(
    pr: option.PullRequest = None,
    branch: option.Branch = None,
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    engine: option.Engine = EngineChoice.AUTO,
    repository: option.Repository = None,
    base: option.Base = None,
    builds: Annotated[int, typer.Option("--builds", metavar="N", min=1, help="Builds at the same time.")] = 2,
    parallel: option.Parallel = _PARALLEL,
    wait: option.Wait = _WAIT_SECONDS,
    check_urls: option.CheckUrls = False,
    lock_timeout: option.LockTimeout = 900.0,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build what the branch changed, bring its environment up, check it, and say so on the pull request.

    Status 19 where there is to be none.
    """
    from ops.commands import env as work
    from ops.session import Options

    options = Options(
        yes=True, refresh=True, parallel=parallel, wait_seconds=wait, check_urls=check_urls, lock_timeout=lock_timeout
    )
    build = work.ImageBuild(repository, base, builds)
    return work.up(
        cwd, work.PreviewSelector(pr, branch), work.GitHubOptions(repo, api_url), engine, build, options, as_json=json
    )


@previews.command("down")
def env_down(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="As `env list` shows it.")] = None,
    pr: option.PullRequest = None,
    branch: option.Branch = None,
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    engine: option.Engine = EngineChoice.AUTO,
    if_unwanted: Annotated[
        bool,
        typer.Option("--if-unwanted", help="Only if the pull request is closed, or may have no environment any more."),
    ] = False,
    lock_timeout: option.LockTimeout = 1800.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Wait for an `up` under way, take the environment down, and look in the cloud whether anything is left.

    Fine when it is gone already.
    """
    from ops.commands import env as work

    meant, hub = work.PreviewSelector(pr, branch, name), work.GitHubOptions(repo, api_url)
    return work.down(cwd, meant, hub, engine, lock_timeout, if_unwanted=if_unwanted)


@previews.command("list")
def env_list(json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """Show all preview environments: those that have a state, and those that are in the cloud without one."""
    from ops.commands import env as work

    return work.show(cwd, as_json=json)


@previews.command("sweep")
def env_sweep(
    repo: option.Repo = None,
    api_url: option.ApiUrl = option.GITHUB_API_URL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take them away. Without it, it only looks.")] = False,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Find preview environments that are closed, gone, expired, orphaned or forgotten; take them away with --yes."""
    from ops.commands import env as work

    return work.sweep(cwd, work.GitHubOptions(repo, api_url), engine, yes=yes, as_json=json)


def _state_session(cwd: option.Cwd, stack: str) -> Session:
    from ops.session import Session

    return Session.open(cwd, stack, EngineChoice.AUTO, validate=False, needs_cloud=False)


def _cloud(cwd: option.Cwd) -> LocalCloud:
    from ops.local import LocalCloud
    from ops.stacks import project_dir

    return LocalCloud.of(project_dir(cwd))
