"""``snu rotate``: replaces keys, credentials and passphrases that are in use."""

from __future__ import annotations

import shlex
from contextlib import closing
from functools import partial
from pathlib import Path

from infra import naming
from ops.application_keys import ApplicationKeys, KeyHolder, foundation_settings, holders
from ops.commands import keys as keys_commands
from ops.commands.doctor import github_of
from ops.commands.plan_keys import check_folder
from ops.confirm import confirm
from ops.doctor.workflow import environments_of_keys
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.iam_access import foundation_of
from ops.local import require_running
from ops.plans.waiting import WaitingPlan, waiting
from ops.process_environment import process_environment
from ops.report.factory import print_step
from ops.report.text import counted
from ops.rotation.deploy_key import DeployKeyRotation, GitHubEnvironment, KeyFiles, KeyPlace, verify_with
from ops.rotation.documents import SecretDocuments
from ops.rotation.passphrase import PassphraseRotation
from ops.rotation.plan_keys import PlanKeyRotation
from ops.scaleway.client import Client
from ops.session import Options, Session
from ops.stacks import Stack, find_stack, project_dir, project_name
from ops.state.account import Account
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_connection import connect
from ops.state.bootstrap import stacks_of
from pulumi_state.store import open_store


def deploy_key(
    directory: Path | None,
    name: str,
    application: str | None,
    out: Path | None,
    repository: str | None,
    api_url: str,
    *,
    keep_former: bool,
    yes: bool,
) -> ExitCode:
    """Replace the API keys of an application that people and workflows use. Raises OpsError."""
    stack = find_stack(project_dir(directory), name)
    environ = process_environment()
    foundation = foundation_of(stack)
    settings = foundation_settings(foundation)
    holder = _holder(foundation, application or _application_of(stack))
    places = _places(holder, out, github_of(environ, repository, api_url), stack, keep_former=keep_former)
    with Client.of(stack, environ, ExitCode.ENVIRONMENT) as client:
        keys = ApplicationKeys(settings, client)
        rotation = DeployKeyRotation(
            keys, holder.application, places, verify_with(client.profile), print_step, keep_former
        )
        former = [str(key["access_key"]) for key in rotation.former()]
        if client.profile.access_key in former:
            raise OpsError(
                f"This command uses the API key {client.profile.access_key}, which it would delete. Nothing was "
                "changed. Use an owner's key instead.",
                ExitCode.USAGE,
            )
        if not yes:
            where = ", ".join(place.name for place in places) or "nowhere"
            deleted = f" and delete {', '.join(former)}" if former else ""
            confirm(f"Store a new key for {holder.application} in {where}{deleted}?")
        current = rotation.run()
    print(f"The new key of {holder.application} is {current}.")
    return ExitCode.OK


def _application_of(stack: Stack) -> str:
    """The application that deploys an environment, or previews a foundation."""
    settings = foundation_settings(foundation_of(stack))
    identity = stack.config.get("snu:environment")
    if not identity:
        return naming.foundation_preview_application(settings.project.name)
    if identity.get("previewOf"):
        return naming.previews_application(settings.project.name)
    return naming.deploy_application(str(identity["name"]))


def _holder(foundation: Stack, application: str) -> KeyHolder:
    """Raises OpsError for an unknown application, and for one whose key is stored in Secret Manager."""
    known = {each.application: each for each in holders(foundation, foundation_settings(foundation))}
    holder = known.get(application)
    if holder is None:
        names = ", ".join(name for name, each in known.items() if not each.secret)
        raise OpsError(
            f"{foundation.name} has no application {application}. Nothing was changed. Applications: {names}.",
            ExitCode.USAGE,
        )
    if holder.secret:
        raise OpsError(
            f"The key of {application} is stored in the secret {holder.secret}. Nothing was changed. To replace it, "
            f"run: scripts/snu keys store {foundation.name} --rotate",
            ExitCode.USAGE,
        )
    return holder


def _places(
    holder: KeyHolder, out: Path | None, github: GitHub | None, stack: Stack, *, keep_former: bool
) -> list[KeyPlace]:
    """The places where the new key is to be stored. Raises OpsError if the former keys are in use elsewhere."""
    used = [("SCW", name) for name in holder.github] + [("SNU_SOURCE", name) for name in holder.github_source]
    places: list[KeyPlace] = [GitHubEnvironment(github, name, prefix) for prefix, name in used] if github else []
    if out is not None:
        out = out.expanduser()
        check_folder(stack.project_dir, out)
        places.append(KeyFiles(out, holder.application))
    if not places:
        raise OpsError(
            "No place to store the new key was specified. Nothing was changed. Use --repo OWNER/NAME with "
            "GITHUB_TOKEN, --out DIR, or both.",
            ExitCode.USAGE,
        )
    if used and github is None and not keep_former and not stack.is_local:
        listed = ", ".join(name for _, name in used)
        raise OpsError(
            f"This command would delete the former keys, which GitHub environments use: {listed}. Nothing was changed. "
            "Use --repo OWNER/NAME with GITHUB_TOKEN to store the new key there too, or --keep-former.",
            ExitCode.USAGE,
        )
    return places


def state(directory: Path | None, name: str, options: Options) -> ExitCode:
    """Replace the credentials for an environment's state, or for all states of a foundation. Raises OpsError."""
    stack = find_stack(project_dir(directory), name)
    foundation = foundation_of(stack)
    identity = stack.config.get("snu:environment")
    environment = str(identity.get("previewOf") or identity["name"]) if identity else None
    settings = foundation_settings(foundation)
    chosen = [environment] if environment else list(settings.environments)
    passwords = [each for each in chosen if settings.environments[each].database.kind == "instance"]
    if passwords:
        raise OpsError(
            f"The credentials for the states of {', '.join(passwords)} are passwords of a database instance. Nothing "
            f"was changed. Set new passwords under snu:databasePasswords of {foundation.name}, then run: "
            f"scripts/snu bootstrap {foundation.name}",
            ExitCode.USAGE,
        )
    if not options.yes:
        confirm(f"Replace the credentials for the states of {', '.join(chosen)}?")
    return keys_commands.store(directory, foundation.name, options, rotate=True, environment=environment)


def passphrase(directory: Path | None, name: str, options: Options) -> ExitCode:
    """Replace a backend's passphrase, and re-encrypt every state in it. Raises OpsError."""
    stack = find_stack(project_dir(directory), name)
    backend = backend_of(stack)
    if backend.kind not in (BackendKind.FOUNDATION, BackendKind.ENVIRONMENT):
        raise OpsError(
            f"The passphrase of {name} is not in a backend document, so this command cannot replace it. Nothing was "
            "changed. For a stack with your own backend, run: pulumi stack change-secrets-provider passphrase",
            ExitCode.USAGE,
        )
    require_running(stack)
    environ = process_environment()
    with closing(Account(stack, environ)) as account:
        documents = SecretDocuments(account, stack, backend)
        document = documents.read()
        own = ("", "")
        if document.url.startswith("s3://") and not document.access_key:
            own = account.storage_key(account.organization_id)
        project = project_name(stack.project_dir)
        with closing(open_store(document.url, connect(stack, environ, document, own))) as store:
            rotation = PassphraseRotation(
                store, project, stack.project_dir, documents, print_step, options.lock_timeout
            )
            names = rotation.stacks()
            if not options.yes:
                confirm(f"Replace the passphrase of {counted(len(names), 'state')} ({', '.join(names)})?")
            rotation.run(_files(stack))
    print(
        f"The passphrase of {', '.join(names) or name} was replaced. Earlier versions of the states are still "
        f"encrypted with the former passphrase, which earlier versions of the secret {backend.secret} contain."
    )
    return ExitCode.OK


def _files(stack: Stack) -> list[str]:
    """The stacks whose committed files use the passphrase."""
    identity = stack.config.get("snu:environment")
    if not identity:
        return [stack.name]
    environment = str(identity.get("previewOf") or identity["name"])
    return [each.name for each in stacks_of(stack, environment)]


def plan_keys(
    directory: Path | None,
    name: str,
    out: Path,
    planner: str,
    applier: str,
    repository: str | None,
    api_url: str,
    *,
    yes: bool,
) -> ExitCode:
    """Replace a stack's plan keys, as far as waiting plans and uncommitted files allow. Raises OpsError."""
    session = Session.open(directory, name, EngineChoice.AUTO, validate=False, needs_cloud=False, reads=True)
    stack, out = session.stack, out.expanduser()
    check_folder(stack.project_dir, out)
    out.mkdir(parents=True, exist_ok=True)
    github = github_of(process_environment(), repository, api_url)

    def read_waiting() -> list[WaitingPlan]:
        return [plan for plan in waiting(session.store, session.project, name) if not plan.is_gone]

    rotation = PlanKeyRotation(
        stack,
        out,
        planner,
        applier,
        partial(_store_plan_key, stack, github, yes=yes),
        partial(_is_committed, stack),
        read_waiting,
        print_step,
    )
    rotation.run()
    return ExitCode.OK


def _store_plan_key(stack: Stack, github: GitHub | None, secret: str, path: Path, *, yes: bool) -> None:
    environments = environments_of_keys(stack.project_dir, stack.name)[secret]
    if github is not None:
        text = path.read_text(encoding="utf-8").strip()
        for environment in environments:
            github.set_secret(environment, secret, text)
            print_step(f"GitHub environment {environment}", f"stored {secret}")
        return
    if environments:
        print(f"Store the new {secret} for the release workflow:")
        for environment in environments:
            print(f"  gh secret set {secret} --env {environment} < {shlex.quote(str(path))}")
    else:
        print(f"Use the new {secret} where {stack.name} is planned and applied: {secret}_FILE={shlex.quote(str(path))}")
    if not yes:
        confirm(f"Is the new {secret} stored?", "Not confirmed. Store it, then run the same command again to continue.")


def _is_committed(stack: Stack) -> bool:
    """Whether the stack's file is committed; true outside a Git repository."""
    from gitrepo import GitError, Repository

    try:
        repository = Repository.find(stack.project_dir)
        if repository is None:
            return True
        return repository.is_committed(str(stack.file.relative_to(repository.root)))
    except (GitError, ValueError):
        return True
