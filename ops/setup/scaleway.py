"""Actions on Scaleway and on stack files: foundations, salts and plan keys."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ops.doctor.context import DoctorContext, MissingRequirement, StackState
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.iam_access import foundation_of
from ops.setup.context import Action, SetupContext
from ops.stack_file import add_salt
from ops.stacks import Stack
from ops.state.backend import BackendKind, backend_of
from ops.state.checkpoint import outputs_of, read_checkpoint
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter, passphrase_from


def create_backends(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Bootstrap each foundation that has no backend for itself or for one of the stacks."""
    for foundation in context.foundations:
        users = [stack for stack in context.stacks if foundation_of(stack).name == foundation.name]
        if any(_needs_bootstrap(subject, stack, foundation) for stack in (foundation, *users)):
            yield Action(f"scripts/snu bootstrap {foundation.name}", partial(context.bootstrap, foundation.name))
    for stack in context.stacks:
        if _lacks_salt(subject, stack):
            yield Action(
                f"add an encryptionsalt for the passphrase of {stack.name} to {stack.file.name}",
                partial(_write_salt, context, stack),
            )


def _needs_bootstrap(subject: DoctorContext, stack: Stack, foundation: Stack) -> bool:
    if backend_of(stack).kind not in (BackendKind.FOUNDATION, BackendKind.ENVIRONMENT):
        return False
    state = subject.state(stack)
    if isinstance(state, MissingRequirement):
        return True
    if not isinstance(state, StackState) or stack.name == foundation.name:
        return False
    identity = stack.config["snu:environment"]
    environment = identity.get("previewOf") or identity["name"]
    outputs = outputs_of(state.store, subject.project, foundation.name)
    return any(environment not in (outputs.get(key) or {}) for key in ("registryEndpoints", "secretIds"))


def _lacks_salt(subject: DoctorContext, stack: Stack) -> bool:
    state = subject.state(stack)
    if stack.salt or not isinstance(state, StackState):
        return False
    return read_checkpoint(state.store, subject.project, stack.name) is None


def _write_salt(context: SetupContext, stack: Stack) -> None:
    state = context.subject().state(stack)
    if not isinstance(state, StackState):
        raise OpsError(f"The state of {stack.name} cannot be reached.", ExitCode.ENVIRONMENT)
    try:
        salt = Crypter.new(passphrase_from(state.environ)).salt
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    add_salt(stack.file, salt)


def create_plan_keys(context: SetupContext, subject: DoctorContext) -> Iterator[Action]:
    """Generate plan keys for each stack that releases deploy to; needs a directory for the private keys."""
    for stack in subject.stacks:
        if context.out and stack.config.get("snu:promoteFrom") and not stack.config.get("snu:plans"):
            text = f"scripts/snu plan-keys {stack.name} --out {context.out}"
            yield Action(text, partial(context.make_plan_keys, stack.name))
