"""Protects foundations that are in use by checking the states of the stacks that may run on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.report.text import counted
from ops.scaleway.catalogue import DATABASE_ACL
from ops.stacks import Stack, find_stack, project_name, stack_names
from ops.state.backend_environment import backend_environment
from ops.state.checkpoint import read_checkpoint, resources_on_scaleway
from ops.state.database_access import opened_by_runs
from pulumi_state.store import Store, StoreError, open_store
from pulumi_state.store.checkpoints import stacks_in
from pulumi_state.urn import name_of
from pulumi_state.variables import BACKEND_URL

_REFERENCE = "pulumi:pulumi:StackReference"


@dataclass
class _Users:
    """The stacks that run on a foundation."""

    resources: dict[str, int] = field(default_factory=dict)
    """Number of resources on Scaleway by stack, for stacks that have any."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Why a state could not be read, by stack."""


def refuse_in_use(stack: Stack, environ: Mapping[str, str]) -> None:
    """Raises OpsError if a stack runs on this foundation, or may run on it but has an unreadable state.

    ``environ``: the process's environment, without the foundation's own backend.
    """
    if stack.config.get("snu:blueprint") != "foundation":
        return
    users = _users(stack, environ)
    if users.resources or users.unreadable:
        next_steps = [f"Destroy it first: scripts/snu destroy {name}" for name in sorted(users.resources)]
        raise _refused(f"{stack.name} cannot be destroyed while other stacks depend on it.", users, next_steps)


def refuse_removed_environments(stack: Stack, record: OperationRecord, environ: Mapping[str, str]) -> None:
    """Raises OpsError for a preview that removes an environment from a foundation while its stack has resources."""
    environments = _table(stack.config.get("snu:environments")).keys()
    removed = _environments_before(record) - environments
    if stack.config.get("snu:blueprint") != "foundation" or not removed:
        return
    users = _users(stack, environ)
    on_removed = {name for name in users.resources if _environment_of(stack, name) not in environments}
    users.resources = {name: users.resources[name] for name in on_removed}
    if users.resources or users.unreadable:
        listed = ", ".join(sorted(removed))
        raise _refused(
            f"{stack.file.name}: snu:environments no longer contains {listed}, so its registry, secret document and "
            "backend would be deleted.",
            users,
            ["Keep it until no stack depends on it. To rename an environment, see docs/how-to/renaming.md."],
        )


def refuse_to_disconnect(stack: Stack, record: OperationRecord) -> None:
    """Raises OpsError if an update would remove an address that a run has added to a database instance's ACL.

    That run would lose access to its state. An update without a refresh does not change the ACL.
    """
    planned = {item.step.urn for item in list(record.steps.values()) if item.step.is_change and not item.refreshed}
    acls = [each for each in record.refreshed_on_scaleway if each.type == DATABASE_ACL.token and each.urn in planned]
    rules = [rule for each in acls for rule in (each.new.get("outputs") or {}).get("aclRules") or []]
    if opened := opened_by_runs(rules):
        listed = ", ".join(f"{network} until {until:%H:%M} UTC" for network, until in sorted(opened.items()))
        raise OpsError(
            f"{stack.name}: this update would disconnect runs that have temporary access to their state's database "
            f"({listed}). Nothing was changed. Wait until they have finished, or use --no-refresh, which keeps their "
            "access.",
            ExitCode.LOCKED,
        )


def _refused(reason: str, users: _Users, next_steps: list[str]) -> OpsError:
    lines = [f"{reason} Nothing was changed."]
    lines += [f"  {name} has {counted(count, 'resource')}" for name, count in sorted(users.resources.items())]
    lines += [f"  {name} may have resources: {why}" for name, why in sorted(users.unreadable.items())]
    lines += next_steps
    if users.unreadable:
        names = ", ".join(sorted(users.unreadable))
        lines.append(
            f"Make the state of {names} readable, or remove the stack's file if the stack never existed. Then run the "
            "same command again."
        )
    return OpsError("\n".join(lines), ExitCode.REFUSED)


def _users(foundation: Stack, environ: Mapping[str, str]) -> _Users:
    users, project, seen = _Users(), project_name(foundation.project_dir), set[tuple[str, str]]()
    for stack in _stacks_on(foundation):
        try:
            backend = backend_environment(stack, environ, reads=True)
            store = open_store(backend[BACKEND_URL], backend)
            names = {stack.name, *stacks_in(store, project)} - {foundation.name}
        except (OpsError, StoreError) as error:
            users.unreadable[stack.name] = " ".join(str(error).split())
            continue
        for name in names:
            if (store.address, name) not in seen:
                seen.add((store.address, name))
                _add_stack(store, project, name, foundation.name, users)
    return users


def _stacks_on(foundation: Stack) -> Iterator[Stack]:
    for name in stack_names(foundation.project_dir):
        stack = find_stack(foundation.project_dir, name)
        if _table(stack.config.get("snu:environment")).get("foundation") == foundation.name:
            yield stack


def _add_stack(store: Store, project: str, name: str, foundation: str, users: _Users) -> None:
    try:
        checkpoint = read_checkpoint(store, project, name)
    except OpsError as error:
        users.unreadable[name] = " ".join(str(error).split())
        return
    resources: list[dict[str, Any]] = (checkpoint.latest.get("resources") or []) if checkpoint else []
    references = {name_of(each["urn"]).rpartition("/")[2] for each in resources if each["type"] == _REFERENCE}
    count = len(resources_on_scaleway(checkpoint))
    if count and foundation in references:
        users.resources[name] = count


def _environments_before(record: OperationRecord) -> set[str]:
    """The environments that the foundation had when it was last updated."""
    for item in record.steps.values():
        if item.step.is_root:
            return set(_table((item.step.old.get("outputs") or {}).get("registryEndpoints")))
    return set()


def _environment_of(foundation: Stack, name: str) -> str:
    """The foundation's environment named in a stack's file; empty if the stack has no file."""
    if name not in stack_names(foundation.project_dir):
        return ""
    environment = _table(find_stack(foundation.project_dir, name).config.get("snu:environment"))
    return str(environment.get("previewOf") or environment.get("name") or "")


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
