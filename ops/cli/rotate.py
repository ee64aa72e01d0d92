"""``snu rotate``: replaces keys, credentials and passphrases that are in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group(
    "rotate",
    "Replace keys, credentials and passphrases that are in use. If a command is interrupted, run it again to continue.",
)


@command(
    app,
    "deploy-key",
    examples=[
        "rotate deploy-key stage --repo betagouv/service-national-universel",
        "rotate deploy-key stage --application snu-get-secret-staging --out ~/snu-keys",
    ],
)
def deploy_key(
    stack: option.StackName,
    github: option.GitHub,
    application: Annotated[
        str | None,
        typer.Option(
            "--application",
            metavar="NAME",
            help="Application, as printed by `snu keys list`. Default: the one that deploys the environment, or "
            "previews the foundation.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Also write the key to the files of `snu keys make` in DIR."),
    ] = None,
    keep_former: Annotated[
        bool, typer.Option("--keep-former", help="Keep the former keys; delete them later with `snu keys revoke`.")
    ] = False,
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Create an API key, store it in GitHub's environments and in files, check it, and delete the former keys.

    Requires an owner's key and, for GitHub, a token with the permission `environments: write`.
    """
    from ops.commands import rotate

    return rotate.deploy_key(
        cwd, stack, application, out, github.repo, github.api_url, keep_former=keep_former, yes=yes
    )


@command(app, examples=["rotate state stage", "rotate state foundation-stage --yes"])
def state(stack: option.StackName, locking: option.Locking, cwd: option.Cwd = None) -> ExitCode:
    """Replace the credentials for an environment's state, or for all states of a foundation, in Secret Manager.

    Also replaces the keys for crash alerts and release commands, like `snu keys store --rotate`.
    """
    from ops.commands import rotate

    return rotate.state(cwd, stack, option.session_options(locking))


@command(app, examples=["rotate passphrase stage", "rotate passphrase stage --lock-timeout 15m --yes"])
def passphrase(stack: option.StackName, locking: option.Locking, cwd: option.Cwd = None) -> ExitCode:
    """Replace the passphrase of a backend, and re-encrypt every state in it.

    Locks all stacks that share the passphrase. Also changes their files, which must then be committed.
    """
    from ops.commands import rotate

    return rotate.passphrase(cwd, stack, option.session_options(locking))


@command(
    app,
    "plan-keys",
    examples=["rotate plan-keys production --out ~/snu-keys --repo betagouv/service-national-universel"],
)
def plan_keys(
    stack: option.StackName,
    github: option.GitHub,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory for the private keys.")],
    planner: Annotated[str, typer.Option("--planner", metavar="NAME", help="Name of the planner.")] = "ci",
    applier: Annotated[str, typer.Option("--applier", metavar="NAME", help="Name of the applier.")] = "deploy",
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Replace the signing and encryption keys for plans, in several steps: run the command once per step.

    The former keys remain valid until the new public keys are committed and no plan is waiting.
    """
    from ops.commands import rotate

    return rotate.plan_keys(cwd, stack, out, planner, applier, github.repo, github.api_url, yes=yes)
