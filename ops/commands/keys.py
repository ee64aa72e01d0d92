"""``snu keys``: manages the API keys of a foundation's applications."""

from __future__ import annotations

import shlex
from pathlib import Path

from ops.application_keys import ApplicationKeys, KeyHolder, foundation_settings, holders
from ops.commands.plan_keys import check_folder
from ops.confirm import confirm
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.foundation_secrets import FoundationSecrets
from ops.plans.keys import write_private
from ops.process_environment import process_environment
from ops.report.document import print_document
from ops.report.factory import print_step
from ops.report.text import counted
from ops.scaleway.client import Client, Object
from ops.session import Options, Session
from ops.stacks import Stack, find_stack, project_dir


def show(directory: Path | None, name: str, *, as_json: bool) -> ExitCode:
    """Print a foundation's applications with their keys. Raises OpsError."""
    stack = find_stack(project_dir(directory), name)
    settings = foundation_settings(stack)
    with Client.of(stack, process_environment(), ExitCode.ENVIRONMENT) as client:
        cloud = ApplicationKeys(settings, client)
        ids, keys = cloud.application_ids, list(cloud.existing())
    known = holders(stack, settings)
    owned = {
        holder.application: [key for application, key in keys if application == ids.get(holder.application)]
        for holder in known
    }
    if as_json:
        applications = [_document(each, each.application in ids, owned[each.application]) for each in known]
        print_document("keys list", {"stack": name, "applications": applications})
        return ExitCode.OK
    for each in known:
        api_keys = owned[each.application]
        exists = each.application in ids
        status = (
            counted(len(api_keys), "key") if exists else f"does not exist yet; create it with: scripts/snu up {name}"
        )
        location = f", key stored in the secret {each.secret}" if each.secret else ""
        print(f"{each.application}: {each.purpose}{location} ({status})")
        for key in api_keys:
            expiry = f", expires on {key['expires_at'][:10]}" if key.get("expires_at") else ""
            print(f"  {key['access_key']}, created on {key['created_at'][:10]}{expiry}")
    return ExitCode.OK


def _document(holder: KeyHolder, exists: bool, keys: list[Object]) -> Object:
    return {
        "application": holder.application,
        "purpose": holder.purpose,
        "secret": holder.secret or None,
        "exists": exists,
        "keys": [
            {"accessKey": key["access_key"], "createdAt": key["created_at"], "expiresAt": key.get("expires_at")}
            for key in keys
        ],
    }


def make(directory: Path | None, name: str, application: str, out: Path) -> ExitCode:
    """Create a key, write it to files, and print the commands that store it in GitHub. Raises OpsError."""
    stack = find_stack(project_dir(directory), name)
    settings = foundation_settings(stack)
    holder = _holder(stack, holders(stack, settings), application)
    _refuse_stored(stack, holder, holder.application)
    out = out.expanduser()
    check_folder(stack.project_dir, out)
    files = {half: out / f"{application}.{half}" for half in ("access-key", "secret-key")}
    for path in files.values():
        if path.exists():
            raise OpsError(
                f"{path} already exists, and keys are never overwritten. Nothing was changed.", ExitCode.USAGE
            )
    out.mkdir(parents=True, exist_ok=True)
    with Client.of(stack, process_environment(), ExitCode.ENVIRONMENT) as client:
        key = ApplicationKeys(settings, client).make(application)
    write_private(files["access-key"], key.access_key)
    write_private(files["secret-key"], key.secret_key)
    print(f"Created the key {key.access_key} for {application}, in files that only you can read:")
    for path in files.values():
        print(f"  {path}")
    _print_commands(holder, files)
    return ExitCode.OK


def _print_commands(holder: KeyHolder, files: dict[str, Path]) -> None:
    """Print the commands, which read the key from the files to keep it out of process lists."""
    commands = [
        f"gh secret set {prefix}_{half.upper().replace('-', '_')} --env {environment} < {shlex.quote(str(path))}"
        for prefix, environments in (("SCW", holder.github), ("SNU_SOURCE", holder.github_source))
        for environment in environments
        for half, path in files.items()
    ]
    if commands:
        print("To store it for the workflows, run these commands, then delete the files:")
        print("\n".join(f"  {command}" for command in commands))


def revoke(directory: Path | None, name: str, access_key: str, *, yes: bool) -> ExitCode:
    """Delete a key of one of the foundation's applications. Raises OpsError for any other key."""
    stack = find_stack(project_dir(directory), name)
    settings = foundation_settings(stack)
    with Client.of(stack, process_environment(), ExitCode.ENVIRONMENT) as client:
        cloud = ApplicationKeys(settings, client)
        ids = cloud.application_ids
        owned = {ids[each.application]: each for each in holders(stack, settings) if each.application in ids}
        holder = next((owned.get(owner) for owner, key in cloud.existing() if key["access_key"] == access_key), None)
        if holder is None:
            raise OpsError(
                f"{access_key} does not belong to an application of {name}. Nothing was changed. List the keys with: "
                f"scripts/snu keys list {name}",
                ExitCode.USAGE,
            )
        _refuse_stored(stack, holder, access_key)
        if not yes:
            confirm(f"Delete {access_key} of {holder.application}, which {holder.purpose}?")
        cloud.revoke(access_key)
    print(f"Deleted {access_key} of {holder.application}.")
    return ExitCode.OK


def store(
    directory: Path | None, name: str, options: Options, *, rotate: bool, environment: str | None = None
) -> ExitCode:
    """Create missing keys, store them in Secret Manager, and delete the keys that are no longer stored there.

    ``rotate`` replaces every key; ``environment`` limits this to one environment. Raises OpsError; keys stored before
    an error are kept, so a rerun can continue.
    """
    session = Session.open(directory, name, EngineChoice.AUTO)
    foundation_settings(session.stack)
    with (
        session.locked("snu keys store", options),
        FoundationSecrets.opened(
            session.stack, process_environment(), session.environ, print_step, rotate=rotate
        ) as secrets,
    ):
        secrets.store(environment)
    return ExitCode.OK


def _refuse_stored(stack: Stack, holder: KeyHolder, subject: str) -> None:
    """Raises OpsError if the application's key is managed in Secret Manager."""
    if holder.secret:
        raise OpsError(
            f"{subject}: the key of {holder.application} is managed in the secret {holder.secret}. Nothing was "
            f"changed. To replace it, run: scripts/snu keys store {stack.name} --rotate",
            ExitCode.USAGE,
        )


def _holder(stack: Stack, known: list[KeyHolder], application: str) -> KeyHolder:
    for each in known:
        if each.application == application:
            return each
    names = ", ".join(each.application for each in known)
    raise OpsError(f"{stack.name} has no application {application}. Applications: {names}.", ExitCode.USAGE)
