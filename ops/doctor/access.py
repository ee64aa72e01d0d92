"""Checks the Scaleway keys: the owner of the current key, the permissions of applications, the keys stored in Secret
Manager, and expiry dates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from infra import naming
from infra.components import permission_sets
from infra.settings import FoundationSettings
from ops.application_keys import KeyHolder, foundation_settings, holders
from ops.doctor.context import (
    DoctorContext,
    Finding,
    MissingRequirement,
    Note,
    Risk,
    UncheckedRequirement,
    first_line,
)
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.iam_access import Iam, expiring_keys, foundation_of
from ops.stacks import Stack, find_stack, stack_names
from ops.state.account import Account
from ops.stored_keys import KeyInspection, KeyProblem

_SECRETS = "SecretManagerSecretAccess"
_EVERYTHING = ("AllProductsFullAccess", "IAMManager", "OrganizationManager")
"""Permission sets that the program grants to no application."""


def current_key(subject: DoctorContext) -> Iterator[Finding]:
    """The current API key belongs to an owner, or to an application of the stacks' foundations."""
    for owner, stacks in _by_owner(subject):
        names = ", ".join(stack.name for stack in stacks)
        if isinstance(owner, OpsError):
            yield UncheckedRequirement(f"the owner of the API key for {names}", first_line(owner))
        elif owner.startswith("user "):
            yield Note(f"{names}: {owner}")
        else:
            known = {each.application for stack in stacks for each in _holders(stack)}
            if owner in known:
                yield Note(f"{names}: {owner}")
            else:
                yield MissingRequirement(
                    f"the API key used for {names} belongs to {owner}, which is not an application of their "
                    "foundations",
                    f"set SCW_ACCESS_KEY and SCW_SECRET_KEY to a key for {_names(stacks)}, or to an owner's key",
                )


def _by_owner(subject: DoctorContext) -> Iterator[tuple[str | OpsError, list[Stack]]]:
    """The owners of the keys in use, with the stacks that each is used for."""
    owners: dict[Iam, list[Stack]] = {}
    failed: dict[str, tuple[OpsError, list[Stack]]] = {}
    for stack in subject.stacks:
        try:
            owners.setdefault(_iam(subject, stack), []).append(stack)
        except OpsError as error:
            reason = first_line(error).removeprefix(f"{stack.name}: ")
            failed.setdefault(reason, (OpsError(reason, error.code), []))[1].append(stack)
    yield from failed.values()
    for iam, stacks in owners.items():
        try:
            yield _owner(iam), stacks
        except OpsError as error:
            yield error, stacks


def _owner(iam: Iam) -> str:
    """The name of the application that the key belongs to, or ``user ID (type)``. Raises OpsError."""
    key = iam.own_key
    if user := key.get("user_id"):
        return f"user {user} ({iam.user_type(user) or 'unknown type'})"
    names = {id_: name for name, id_ in iam.application_ids.items()}
    return names.get(str(key.get("application_id")), f"the application {key.get('application_id')}")


def permissions(subject: DoctorContext) -> Iterator[Finding]:
    """The applications that deploy and preview the stacks have the permissions that they need and no others."""
    done = set[str]()
    for stack in subject.stacks:
        try:
            foundation = foundation_of(stack)
            settings = foundation_settings(foundation)
            iam = _iam(subject, stack)
            project = iam.project_ids.get(naming.project(settings.project.name))
            for needed in _needed(stack, foundation, settings):
                if needed.application not in done:
                    done.add(needed.application)
                    yield from _of_application(iam, needed, project or "", foundation.name)
        except OpsError as error:
            reason = first_line(error).removeprefix(f"{stack.name}: ")
            yield UncheckedRequirement(f"the permissions for {stack.name}", reason)


@dataclass(frozen=True)
class _NeededPermissions:
    """The permission sets that an application needs."""

    application: str
    in_project: frozenset[str]
    in_organization: frozenset[str] = frozenset(permission_sets.ORGANIZATION)


def _of_application(iam: Iam, needed: _NeededPermissions, project: str, foundation: str) -> Iterator[Finding]:
    fix, application = f"scripts/snu up {foundation}", needed.application
    if application not in iam.application_ids:
        yield MissingRequirement(f"the application {application} does not exist", fix)
        return
    granted = iam.permissions(application)
    in_project = granted.in_projects.get(project, frozenset())
    wide = sorted({*_EVERYTHING} & {*granted.in_organization, *in_project})
    lacking = [] if wide else sorted(needed.in_project - in_project)
    lacking += [] if wide else sorted(needed.in_organization - granted.in_organization)
    if lacking:
        yield MissingRequirement(f"the policy of {application} lacks {', '.join(lacking)}", fix)
    if wide:
        yield Risk(f"the policies of {application} also grant {', '.join(wide)}, which it does not need")


def _needed(stack: Stack, foundation: Stack, settings: FoundationSettings) -> Iterator[_NeededPermissions]:
    """The permissions that the stack's applications need."""
    more = permission_sets.OPEN_DATABASES if settings.opens_databases else ()
    if stack.name == foundation.name:
        application = naming.foundation_preview_application(settings.project.name)
        yield _NeededPermissions(application, frozenset({*permission_sets.PREVIEW_FOUNDATION, _SECRETS}))
        return
    identity = stack.config["snu:environment"]
    name = str(identity.get("previewOf") or identity["name"])
    environment = settings.environments.get(name)
    if environment is not None and environment.release_commands:
        yield _NeededPermissions(naming.release_application(name), frozenset(permission_sets.RUN_JOBS), frozenset())
    if identity.get("previewOf"):
        application = naming.previews_application(settings.project.name)
        yield _NeededPermissions(
            application, frozenset({*permission_sets.DEPLOY, *permission_sets.WRITE_SECRETS, *more})
        )
        return
    deploying, previewing = (
        frozenset({*sets, *more, _SECRETS}) for sets in (permission_sets.DEPLOY, permission_sets.PREVIEW)
    )
    yield _NeededPermissions(naming.deploy_application(name), deploying)
    yield _NeededPermissions(naming.preview_application(name), previewing)


def stored_keys(subject: DoctorContext) -> Iterator[Finding]:
    """Each secret in which `snu keys store` stores a key contains a valid one that matches the settings."""
    done = set[str]()
    for stack in subject.stacks:
        foundation = foundation_of(stack)
        if foundation.name in done:
            continue
        done.add(foundation.name)
        try:
            problems = _key_problems(subject, stack, foundation)
        except OpsError as error:
            reason = first_line(error).removeprefix(f"{stack.name}: ")
            yield UncheckedRequirement(f"the stored keys of {foundation.name}", reason)
            continue
        for each in problems:
            if each.is_missing or not subject.in_workflow:
                yield MissingRequirement(each.problem, f"scripts/snu keys store {foundation.name}")
            else:
                yield Risk(each.problem)  # must not block a release


def _key_problems(subject: DoctorContext, stack: Stack, foundation: Stack) -> list[KeyProblem]:
    settings, iam = foundation_settings(foundation), _iam(subject, stack)
    name = naming.project(settings.project.name)
    if name not in iam.project_ids:
        raise OpsError(f"The project {name} does not exist", ExitCode.ENVIRONMENT)
    unused = {naming.alerts_secret(each) for each in settings.environments} - _alerts_secrets(stack.project_dir)
    with closing(Account(stack, subject.environ)) as account:
        inspection = KeyInspection(account, iam.project_ids[name], iam.keys_by_application, settings.api_keys_expire_on)
        problems = inspection.problems(holders(foundation, settings))
        return [each for each in problems if each.has_version or each.secret not in unused]


def _alerts_secrets(project_dir: Path) -> set[str]:
    """Names of the secrets for crash alerts that at least one stack has enabled."""
    configs = (find_stack(project_dir, name).config for name in stack_names(project_dir))
    return {naming.alerts_secret(str(each["snu:environment"]["name"])) for each in configs if "snu:crashAlerts" in each}


def key_expiry(subject: DoctorContext) -> Iterator[Finding]:
    """Neither the current API key nor any key of the foundations' applications has expired or expires soon."""
    for stack in subject.stacks:
        try:
            expiring = expiring_keys(stack, subject.environ, subject.iam)
        except OpsError as error:
            reason = first_line(error).removeprefix(f"{stack.name}: ")
            yield UncheckedRequirement(f"the expiry of the keys of {foundation_name(stack)}", reason)
            continue
        known = {each.application: each for each in _holders(stack)}
        for key in expiring:
            holder = known.get(key.application)
            if holder is None:
                fix = "create a new key, and use it instead"
            elif holder.secret:
                fix = f"scripts/snu keys store {foundation_name(stack)} --rotate"
            else:
                fix = f"scripts/snu rotate deploy-key {stack.name} --application {key.application}"
            if subject.in_workflow and holder is not None and not key.has_expired and not key.is_current:
                yield Risk(str(key))  # must not block a release that does not use it
            else:
                yield MissingRequirement(str(key), fix)


def _iam(subject: DoctorContext, stack: Stack) -> Iam:
    settings = foundation_settings(foundation_of(stack))
    return subject.iam.of(stack, subject.environ, settings.organization_id)


def _holders(stack: Stack) -> list[KeyHolder]:
    foundation = foundation_of(stack)
    return holders(foundation, foundation_settings(foundation))


def foundation_name(stack: Stack) -> str:
    return foundation_of(stack).name


def _names(stacks: list[Stack]) -> str:
    return " or ".join(stack.name for stack in stacks)
