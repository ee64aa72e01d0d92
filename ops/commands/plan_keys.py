"""``snu plan-keys``: generates a stack's plan keys."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from infra.settings import limits
from ops.doctor.workflow import environments_of_keys
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans import keys
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.report.text import safe
from ops.stack_file import edit
from ops.stacks import Stack, find_stack, project_dir

_SECTION = "snu:plans"


def make_keys(directory: Path | None, name: str, out: Path, *, planner: str, applier: str) -> ExitCode:
    """Write new public keys to the stack's file, and the private keys to files that only their owner can read.

    Raises OpsError without changing anything if the stack's file already has a planner or applier of that name, or if a
    private key would be overwritten or could be committed.
    """
    stack = find_stack(project_dir(directory), name)
    out = out.expanduser()
    _check_names(stack, planner, applier)
    check_folder(stack.project_dir, out)
    signing, applying = keys.new_signing_key(), keys.new_identity()
    files = {
        SIGNING_KEY: out / f"{name}-plan-signing.key",
        IDENTITY: out / f"{name}-plan-identity.key",
    }
    for path in files.values():
        if path.exists():
            raise OpsError(
                f"{path} already exists, and keys are never overwritten. Nothing was changed.", ExitCode.USAGE
            )
    # Private keys first: a public key without its private key would have to be removed manually.
    out.mkdir(parents=True, exist_ok=True)
    for path, pair in zip(files.values(), (signing, applying), strict=True):
        keys.write_private(path, pair.private)

    def change(config: Any) -> None:
        plans = config.setdefault(_SECTION, {})
        plans.setdefault("planners", {})[planner] = signing.public
        plans.setdefault("appliers", {})[applier] = applying.public

    edit(stack.file, change)
    print(f"{stack.file.name}: added the planner {planner} and the applier {applier} to {_SECTION}. Commit the file.")
    print("Private keys, readable only by you:")
    for path in files.values():
        print(f"  {path}")
    _print_commands(stack, files)
    return ExitCode.OK


def _check_names(stack: Stack, planner: str, applier: str) -> None:
    section = stack.config.get(_SECTION)
    for option, kind, name in (("--planner", "planners", planner), ("--applier", "appliers", applier)):
        try:
            TypeAdapter(limits.Name).validate_python(name)
        except ValidationError:
            raise OpsError(
                f"{option} is {safe(name)}; expected 1 to 34 lowercase letters, digits and hyphens. Nothing was "
                "changed.",
                ExitCode.USAGE,
            ) from None
        known = section.get(kind) if isinstance(section, dict) else None
        if isinstance(known, dict) and name in known:
            raise OpsError(
                f"{stack.file.name} already has {_SECTION}.{kind}.{name}, and keys are never overwritten. Remove it "
                f"first, or choose another name with {option} NAME. Nothing was changed.",
                ExitCode.USAGE,
            )


def check_folder(project: Path, out: Path) -> None:
    """Raises OpsError if the directory is in the checkout and Git does not ignore it."""
    folder = out.resolve()
    if folder.is_relative_to(project) and not folder.is_relative_to(project / ".local"):
        raise OpsError(
            f"{out} is in the checkout, where private keys could be committed. Choose a directory outside it or in its "
            ".local directory, which Git ignores. Nothing was changed.",
            ExitCode.USAGE,
        )


def _print_commands(stack: Stack, files: dict[str, Path]) -> None:
    """Print the commands, which read the keys from the files to keep them out of process lists."""
    environments = environments_of_keys(stack.project_dir, stack.name)
    commands = [
        f"gh secret set {secret} --env {environment} < {shlex.quote(str(files[secret]))}"
        for secret, names in environments.items()
        for environment in names
    ]
    if commands:
        print(
            "To store them for the release workflow, run these commands, then delete the files or keep them in a safe "
            "place:"
        )
        print("\n".join(f"  {command}" for command in commands))
    else:
        print("No job in the release workflow plans this stack. Set these variables where you plan and apply:")
        print("\n".join(f"  {secret}_FILE={shlex.quote(str(path))}" for secret, path in files.items()))
