"""The checks, one function each. To add one, define it and list it in ``CHECKS`` with the page that explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra import naming
from infra.settings import EnvironmentSettings, FoundationSettings
from infra.settings.advice import shared_project
from ops.doctor import access, repository, workflow
from ops.doctor.context import (
    Check,
    DoctorContext,
    Finding,
    MissingRequirement,
    Risk,
    StackState,
    UncheckedRequirement,
    first_line,
)
from ops.doctor.programs import programs
from ops.errors import OpsError
from ops.images.stack_images import StackImages
from ops.plans import keys
from ops.plans.sealed_file import public_key
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.releases.promotion import source_environ
from ops.stacks import find_stack
from ops.state.backend import BackendKind, backend_of
from ops.state.checkpoint import outputs_of, read_checkpoint
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter, passphrase_from


def settings(subject: DoctorContext) -> Iterator[Finding]:
    """Every stack file is valid."""
    yield from (
        problem for stack in subject.stacks if isinstance(problem := subject.settings(stack), MissingRequirement)
    )


def plan_keys(subject: DoctorContext) -> Iterator[Finding]:
    """The file of every stack that releases deploy to lists planners and appliers."""
    for stack in subject.stacks:
        stack_settings = subject.settings(stack)
        if isinstance(stack_settings, EnvironmentSettings) and stack_settings.promote_from and not stack_settings.plans:
            yield MissingRequirement(
                f"{stack.file.name} has no snu:plans, so no plan can be created",
                f"scripts/snu plan-keys {stack.name} --out DIR",
            )


def given_keys(subject: DoctorContext) -> Iterator[Finding]:
    """Any private plan keys in the environment variables match a planner or applier of one of the stacks."""
    plans = [
        stack_settings.plans
        for stack in subject.stacks
        if not isinstance(stack_settings := subject.settings(stack), MissingRequirement)
        and stack_settings.plans is not None
    ]
    environ = dict(subject.environ)
    if not plans:
        return
    try:
        if _is_set(subject, SIGNING_KEY):
            known = {key for each in plans for key in each.planners.values()}
            if public_key(keys.signing_key(subject.stacks[0], environ)) not in known:
                yield MissingRequirement(f"{SIGNING_KEY} does not match any planner of {_names(subject)}", _NEW_KEYS)
        if _is_set(subject, IDENTITY):
            known = {key for each in plans for key in each.appliers.values()}
            if str(keys.identity(subject.stacks[0], environ).to_public()) not in known:
                yield MissingRequirement(f"{IDENTITY} does not match any applier of {_names(subject)}", _NEW_KEYS)
    except OpsError as error:
        yield MissingRequirement(first_line(error), _NEW_KEYS)


_NEW_KEYS = "store the private key that scripts/snu plan-keys wrote for this stack"


def _is_set(subject: DoctorContext, variable: str) -> bool:
    return bool(subject.environ.get(variable) or subject.environ.get(f"{variable}_FILE"))


def _names(subject: DoctorContext) -> str:
    return " or ".join(stack.name for stack in subject.stacks)


def states(subject: DoctorContext) -> Iterator[Finding]:
    """Every stack's backend can be reached, and the passphrase decrypts its state."""
    for stack in subject.stacks:
        state = subject.state(stack)
        if not isinstance(state, StackState):
            yield state
            continue
        try:
            checkpoint = read_checkpoint(state.store, subject.project, stack.name)
            salt = stack.salt or (checkpoint.salt if checkpoint else None)
            if salt:
                Crypter.open(passphrase_from(state.environ), salt)
            else:
                yield MissingRequirement(
                    f"{stack.file.name} has no encryptionsalt and the stack has no state, so no plan could be applied",
                    f"pulumi stack init {stack.name}, and commit the file",
                )
        except (OpsError, PulumiError) as error:
            yield MissingRequirement(
                f"the state of {stack.name} cannot be opened: {first_line(error)}", "see docs/how-to/state.md"
            )


def foundations(subject: DoctorContext) -> Iterator[Finding]:
    """Every environment's backend contains its foundation's outputs."""
    for stack in subject.stacks:
        stack_settings, state = subject.settings(stack), subject.state(stack)
        if not isinstance(stack_settings, EnvironmentSettings):
            continue
        if not isinstance(state, StackState):
            reason = state.reason if isinstance(state, UncheckedRequirement) else f"{stack.name} has no usable state"
            yield UncheckedRequirement(f"the outputs of {stack_settings.environment.foundation}", reason)
            continue
        identity = stack_settings.environment
        environment = identity.preview_of or identity.name
        try:
            outputs = outputs_of(state.store, subject.project, identity.foundation)
        except OpsError as error:
            yield UncheckedRequirement(f"the outputs of {identity.foundation}", first_line(error))
            continue
        if any(environment not in (outputs.get(key) or {}) for key in ("registryEndpoints", "secretIds")):
            command = "up" if backend_of(stack).kind is BackendKind.FILE else "bootstrap"
            yield MissingRequirement(
                f"the outputs of {identity.foundation} are missing from the backend of {stack.name}",
                f"scripts/snu {command} {identity.foundation}",
            )


def separation(subject: DoctorContext) -> Iterator[Finding]:
    """The deploy key of one environment cannot change another environment."""
    settings = [
        stack_settings
        for stack in subject.stacks
        if isinstance(stack_settings := subject.settings(stack), EnvironmentSettings)
    ]
    for name in sorted({each.environment.foundation for each in settings}):
        foundation = find_stack(subject.project_dir, name)
        stack_settings = subject.settings(foundation)
        if isinstance(stack_settings, FoundationSettings):
            yield from (Risk(f"{foundation.file.name}: {text}") for text in shared_project(stack_settings))
            if stack_settings.previews:
                yield Risk(
                    f"{foundation.file.name}: preview environments share the project "
                    f"{naming.project(stack_settings.project.name)}, so code in a pull request can change everything "
                    "in that project; see docs/reference/keys.md"
                )


def images(subject: DoctorContext) -> Iterator[Finding]:
    """The stack that images are promoted from has images to promote."""
    names = {stack.name for stack in subject.stacks}
    for stack in subject.stacks:
        stack_settings = subject.settings(stack)
        source = stack_settings.promote_from if isinstance(stack_settings, EnvironmentSettings) else None
        if source is None or source in names:
            continue  # the release itself promotes images to it
        try:
            running = StackImages.find(subject.project_dir, source, source_environ(subject.environ)).running
        except OpsError as error:
            yield UncheckedRequirement(f"the images of {source}", first_line(error).removeprefix(f"{source}: "))
            continue
        if not running:
            yield MissingRequirement(
                f"{source} does not run any images that could be promoted to {stack.name}",
                f"scripts/snu images build {source}, then scripts/snu up {source}",
            )


def github_secrets(subject: DoctorContext) -> Iterator[Finding]:
    """GitHub has the deployment environments and secrets that the workflows need."""
    try:
        required = {name: each.secrets for name, each in repository.required_environments(subject).items()}
    except OpsError as error:
        yield MissingRequirement(first_line(error), f"restore {workflow.FILE}")
        return
    if not required:
        return
    if subject.github is None:
        yield UncheckedRequirement("GitHub's environments and secrets", repository.NO_GITHUB)
        return
    hosted = subject.github.repository
    try:
        existing = subject.github.environments()
    except OpsError as error:
        yield UncheckedRequirement("GitHub's environments and secrets", first_line(error))
        return
    for environment, names in required.items():
        if environment not in existing:
            yield MissingRequirement(
                f"{hosted} has no deployment environment {environment}",
                f"scripts/snu setup --repo {hosted} --apply, or see docs/how-to/github.md",
            )
            continue
        try:
            lacking = sorted(names - subject.github.secret_names(environment))
        except OpsError as error:
            yield UncheckedRequirement(f"the secrets of the GitHub environment {environment}", first_line(error))
            continue
        for name in lacking:
            yield MissingRequirement(
                f"the GitHub environment {environment} has no secret {name}",
                f"gh secret set {name} --repo {hosted} --env {environment}",
            )


_PERMISSIONS = "docs/reference/keys.md#what-each-key-gives-access-to"
_STATE = "docs/how-to/state.md#set-up-an-empty-account"
_PLAN_KEYS = "docs/how-to/plans.md#keys"
_ENVIRONMENTS = "docs/how-to/github.md#1-create-the-github-environments"
_BRANCHES = "docs/how-to/github.md#3-protect-the-branches"

CHECKS: Sequence[Check] = (
    Check("programs", "docs/reference/installation.md#programs", programs),
    Check("stack files", "docs/reference/settings.md", settings),
    Check("Scaleway key", _PERMISSIONS, access.current_key),
    Check("states", _STATE, states),
    Check("foundations", _STATE, foundations),
    Check("permissions", _PERMISSIONS, access.permissions),
    Check("stored keys", "docs/how-to/api-keys.md#store-keys-in-secret-manager", access.stored_keys),
    Check("expiry of API keys", "docs/how-to/rotate.md#expiry", access.key_expiry),
    Check("separation", "docs/reference/keys.md#what-scaleway-cannot-separate", separation),
    Check("images", "docs/how-to/releases.md#promote", images),
    Check("plan keys", _PLAN_KEYS, plan_keys),
    Check("private plan keys", _PLAN_KEYS, given_keys),
    Check("merges", _BRANCHES, repository.merges),
    Check("GitHub environments and secrets", _ENVIRONMENTS, github_secrets),
    Check("GitHub environment rules", _ENVIRONMENTS, repository.environment_rules),
    Check("branch rules", _BRANCHES, repository.branch_rules),
    Check("webhooks", "docs/how-to/github.md#6-webhooks", repository.webhooks),
)
"""All checks, in the order in which a new organization is set up."""
