"""Commands that preview and change a stack's resources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode

app = top_level()


@command(app, examples=["preview local", "preview stage --markdown preview.md", "preview ci --target api"])
def preview(
    target: option.Target,
    operation: option.Operation,
    json: option.Json = False,
    markdown: option.Markdown = None,
    refresh: option.Refresh = True,
    expect_no_changes: option.ExpectNoChanges = False,
    targets: option.Targets = None,
) -> ExitCode:
    """Show what `up` would change. --json prints the same document as `pulumi preview --json`."""
    from ops.commands import stack as stack_commands
    from ops.targets import with_targets

    if json and markdown == "-":
        raise typer.BadParameter(option.JSON_AND_MARKDOWN)
    options = option.session_options(operation, refresh=refresh, expect_no_changes=expect_no_changes)
    session = target.open(runs_program=True, reads=True)
    options = with_targets(session, options, targets or [])
    if json:
        return stack_commands.preview_json(session, options)
    return stack_commands.preview(session, options, markdown)


@command(app, examples=["up local", "up ci --yes --lock-timeout 15m --wait 10m --check-urls", "up stage --target api"])
def up(
    target: option.Target,
    operation: option.Operation,
    locking: option.Locking,
    readiness: option.Readiness,
    skip_preview: option.SkipPreview = False,
    refresh: option.Refresh = True,
    expect_no_changes: option.ExpectNoChanges = False,
    refuse_older: Annotated[
        bool,
        typer.Option(
            "--refuse-older", help="Exit with code 16 if the last update deployed a descendant of this commit."
        ),
    ] = False,
    targets: option.Targets = None,
) -> ExitCode:
    """Preview, confirm and apply the changes, then check every container.

    With --target, all other resources stay as they are, and only the targets' containers are checked.
    """
    from ops.commands import stack as stack_commands
    from ops.targets import with_targets

    options = option.session_options(
        operation,
        locking,
        readiness,
        skip_preview=skip_preview,
        refresh=refresh,
        expect_no_changes=expect_no_changes,
    )
    session = target.open(runs_program=True)
    options = with_targets(session, options, targets or [])
    return stack_commands.up(session, options, refuse_older=refuse_older)


@command(app, examples=["plan stage --out stage.plan", "plan production --out production.plan --expire-after 12h"])
def plan(
    target: option.Target,
    operation: option.Operation,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write the plan to.")],
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Allow uncommitted changes; the plan records that it contains them.")
    ] = False,
    expire_after: option.ExpireAfter = None,
    markdown: option.Markdown = None,
    expect_no_changes: option.ExpectNoChanges = False,
) -> ExitCode:
    """Preview with a refresh, and write an encrypted, signed plan for `apply`."""
    from ops.commands import plan as plan_commands

    options = option.session_options(operation, expect_no_changes=expect_no_changes)
    session = target.open(runs_program=True)
    return plan_commands.plan(session, options, out, allow_dirty=allow_dirty, lifetime=expire_after, markdown=markdown)


@command(app, "plan-discard", examples=["plan-discard stage", "plan-discard stage 3f9a1c --yes"])
def plan_discard(
    target: option.StateTarget,
    locking: option.Locking,
    digest: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN]",
            show_default=False,
            help="Start of the plan's digest, as shown by `snu status`. Default: all plans.",
        ),
    ] = None,
) -> ExitCode:
    """Discard waiting plans so they can no longer be applied. Also available as `snu plan discard`."""
    from ops.commands import plan_discard as plan_discard_command

    return plan_discard_command.discard(target.open(), digest, option.session_options(locking))


@command(app, examples=["apply stage.plan", "apply production.plan --stack production --yes --check-urls"])
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan written by `snu plan`.")],
    operation: option.Operation,
    locking: option.Locking,
    readiness: option.Readiness,
    engine: option.Engine = EngineChoice.AUTO,
    stack: Annotated[
        str | None,
        typer.Option(
            "--stack",
            metavar="STACK",
            autocompletion=option.complete_stack,
            help="Reject a plan for any other stack.",
        ),
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Verify that nothing has changed since the plan was created, then apply exactly that plan."""
    from ops.commands import plan as plan_commands

    return plan_commands.apply(file, cwd, stack, engine, option.session_options(operation, locking, readiness))


@command(app, examples=["redeploy stage api", "redeploy local api app --yes"])
def redeploy(
    target: option.Target,
    apps: Annotated[list[str], typer.Argument(metavar="APP...", help="App names, as in snu:apps.")],
    locking: option.Locking,
    readiness: option.Readiness,
) -> ExitCode:
    """Redeploy containers with their current image and variables, and wait until they are ready."""
    from ops.commands import redeploy as redeploy_command

    return redeploy_command.redeploy(target.open(), apps, option.session_options(locking, readiness))


@command(app, examples=["refresh stage", "refresh local --yes --expect-no-changes"])
def refresh(
    target: option.Target,
    locking: option.Locking,
    parallel: option.Parallel = 16,
    expect_no_changes: option.ExpectNoChanges = False,
) -> ExitCode:
    """Update the state from the live resources."""
    from ops.commands import stack as stack_commands

    options = option.session_options(locking, parallel=parallel, expect_no_changes=expect_no_changes)
    return stack_commands.refresh(target.open(), options)


@command(app, examples=["destroy local"])
def destroy(
    target: option.Target,
    operation: option.Operation,
    locking: option.Locking,
    refresh: option.Refresh = True,
) -> ExitCode:
    """Preview, confirm and delete all resources in the stack. Fails for a foundation that is in use."""
    from ops.commands import stack as stack_commands

    options = option.session_options(operation, locking, refresh=refresh)
    return stack_commands.destroy(target.open(validate=False), options)
