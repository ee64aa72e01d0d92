"""Commands that set up foundations, plan keys, and stacks of existing resources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.exit_codes import ExitCode

app = top_level()


@command(
    app,
    examples=[
        "setup --repo betagouv/service-national-universel",
        "setup ci stage --repo betagouv/service-national-universel --out ~/snu-keys --apply",
        "setup --repo betagouv/service-national-universel --reviewer betagouv/snu-owners --apply --yes",
    ],
)
def setup(
    github: option.GitHub,
    stacks: Annotated[
        list[str] | None, option.stacks_argument("all environments on the real Scaleway, with their foundations")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Perform the actions, with a confirmation for each.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Directory for private plan keys, outside the checkout.")
    ] = None,
    reviewer: Annotated[
        list[str] | None,
        typer.Option(
            "--reviewer",
            metavar="NAME",
            help="User, or team as ORGANIZATION/TEAM, who approves deployments to production. Repeatable.",
        ),
    ] = None,
    yes: option.Yes = False,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Set up foundations, plan keys and GitHub, from a clone to a working organization.

    Without --apply, this is a dry run. Runs the checks of `snu doctor` in order, and shows how to fix each problem.
    Safe to rerun at any time.
    """
    from ops.commands import setup as setup_command

    return setup_command.setup(
        cwd,
        stacks or [],
        github.repo,
        github.api_url,
        reviewers=reviewer or [],
        out=out,
        applies=apply,
        yes=yes,
        as_json=json,
    )


@command(app, examples=["bootstrap foundation-stage", "bootstrap foundation-local --yes"])
def bootstrap(target: option.Target, locking: option.Locking, parallel: option.Parallel = 16) -> ExitCode:
    """Set up a foundation in an empty account, with state storage for it and its environments."""
    from ops.commands import bootstrap as bootstrap_command

    options = option.session_options(locking, parallel=parallel)
    return bootstrap_command.bootstrap(target.cwd, target.stack, target.engine, options)


@command(
    app,
    examples=[
        "adopt production --from terraform.tfstate",
        "adopt production --from terraform.tfstate --write-accept accepted.yaml",
        "adopt production --undo",
    ],
)
def adopt(
    target: option.Target,
    locking: option.Locking,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="STATE",
            help="A Terraform state: a file, or `postgres://USER@HOST/DATABASE?schema_name=…&workspace=…` with the "
            "password in PGPASSWORD. Repeatable.",
        ),
    ] = None,
    accept: Annotated[
        Path | None, typer.Option("--accept", metavar="FILE", help="File that lists the accepted differences.")
    ] = None,
    write_accept: Annotated[
        str | None,
        typer.Option(
            "--write-accept", metavar="FILE", help="Write the differences that are not yet accepted to this file."
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Restore the state from before the adoption, unless it has changed since.")
    ] = False,
) -> ExitCode:
    """Import Terraform-managed resources into the stack's state. Changes nothing on Scaleway."""
    from ops.commands import adopt as adopt_command

    if undo == bool(sources):
        raise typer.BadParameter("specify either --from or --undo")
    options = option.session_options(locking)
    if undo:
        return adopt_command.undo(target.open(validate=False, needs_cloud=False), options)
    return adopt_command.adopt(target.open(), sources or [], accept, options, write_accept)


@command(app, "plan-keys", examples=["plan-keys production --out ~/snu-keys"])
def plan_keys(
    stack: option.StackName,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Directory for the private keys, outside the checkout or in `.local`."
        ),
    ],
    planner: Annotated[str, typer.Option("--planner", metavar="NAME", help="Name of the planner.")] = "ci",
    applier: Annotated[str, typer.Option("--applier", metavar="NAME", help="Name of the applier.")] = "deploy",
    cwd: option.Cwd = None,
) -> ExitCode:
    """Generate signing and encryption keys for plans.

    Adds the public keys to the stack's file, and writes the private keys to DIR.
    """
    from ops.commands import plan_keys as plan_keys_command

    return plan_keys_command.make_keys(cwd, stack, out, planner=planner, applier=applier)
