"""A preview or update: determines the steps of each registered resource and executes them.

The steps match those of Pulumi's step generator (``pkg/resource/deploy/step_generator.go``) for the features that the
embedded engine supports.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import EngineError, ProviderError
from engine.events import Events, counted
from engine.goal import Goal
from engine.hooks import HookError, Hooks
from engine.journal import Journal
from engine.plugin import NO_DIFF, Diff, PartialFailureError, Provider
from engine.update_plan import Constraint, Plan, PlanError
from pulumi_state import urn as urns
from pulumi_state.aliases import Aliases
from pulumi_state.errors import PulumiError, StateError, UnsupportedError
from pulumi_state.provider import ProviderRequest, provider_inputs
from pulumi_state.snapshot import ResourceState, Snapshot, now
from pulumi_state.urn import ROOT_STACK_TYPE
from pulumi_state.values import (
    UNKNOWN,
    UNKNOWN_TEXT,
    PropertyMap,
    unwrap,
)


class FailedError(EngineError):
    """The deployment has failed and accepts no more registrations. Its errors have been reported as diagnostics."""


@dataclass(frozen=True)
class Context:
    """The settings and services of a deployment."""

    project: str
    stack: str
    config: Mapping[str, str]
    providers: Mapping[str, Provider]
    """Providers by package, such as ``scaleway``."""
    events: Events
    journal: Journal
    dry_run: bool
    parallel: int
    recorded_plan: Plan | None = None
    """Records the operations that a preview plans."""
    constraint: Constraint | None = None
    """The plan that an update must follow, if any."""
    targets: frozenset[str] = frozenset()
    """URNs of the only resources to create, update or delete; empty for all."""
    hooks: Hooks = field(default_factory=Hooks)
    """The hooks that the program has registered."""


class Deployment:
    """Executes registrations as they arrive, in parallel; ``finish`` deletes resources that were not registered."""

    def __init__(self, context: Context, previous: Snapshot) -> None:
        self._context = context
        self._previous = previous
        self._olds = previous.by_urn()
        self._goals: dict[str, Goal] = {}
        self._news: dict[str, ResourceState] = {}
        self._aliases = Aliases(context.stack, context.project)
        self._deleted: set[str] = set()
        """URNs of resources deleted because a dependency is deleted before it is replaced."""
        self._replace_keys: dict[str, list[str]] = {}
        self._providers: dict[ProviderRequest, asyncio.Task[ResourceState]] = {}
        self._generating = asyncio.Lock()
        self._slots = asyncio.Semaphore(max(1, context.parallel))
        self._stopped = asyncio.Event()
        self._refused = False
        self.state_error: StateError | None = None
        """The error if recording an operation in the state failed."""
        self._running: set[asyncio.Task[None]] = set()
        self._skipped: set[str] = set()
        """URNs of new resources that are not created because they are not targets."""
        self._components: dict[str, tuple[str, ResourceState | None, Diff]] = {}
        """Steps of components that have not registered their outputs yet."""
        self.changes: Counter[str] = Counter()
        """Number of resources per operation, counted the way Pulumi counts them."""

    # --- failure ----------------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether the deployment has stopped; no further operations will start."""
        return self._stopped.is_set()

    @property
    def failed(self) -> bool:
        return self.stopped or self._refused

    async def wait_stopped(self) -> None:
        await self._stopped.wait()

    def fail(self, message: str, urn: str = "") -> FailedError:
        """Report an error and prevent further operations from starting."""
        self._context.events.diagnostic("error", message, urn)
        self._stopped.set()
        return FailedError(message)

    def _fail_on_state(self, error: StateError) -> FailedError:
        """Stop the deployment; the error is reported once, at the end, no matter how many operations it affects."""
        self.state_error = error
        self._stopped.set()
        return FailedError(str(error))

    def _refuse(self, message: str, urn: str) -> None:
        """Report an error; a preview continues, so that it shows this change along with all others."""
        if not self._context.dry_run:
            raise self.fail(message, urn)
        self._context.events.diagnostic("error", message, urn)
        self._refused = True

    async def settle(self) -> None:
        """Wait for running operations to finish."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _to_completion(self, steps: Coroutine[Any, Any, None]) -> None:
        """Run operations to completion, even if the program that requested them is no longer running."""
        task = asyncio.create_task(steps)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    def _check_running(self) -> None:
        if self.stopped:
            raise FailedError("the update has failed; no further operations are started")

    # --- registration -----------------------------------------------------------------------------------

    async def register(self, goal: Goal) -> ResourceState:
        """Bring a resource to its goal state. Raises FailedError if this resource or any other has failed."""
        provider = await self._default_provider(goal.provider) if goal.provider else None
        async with self._generating:
            self._check_running()
            urn = urns.new_urn(self._context.stack, self._context.project, goal.parent, goal.type, goal.name)
            if urn in self._goals:
                raise self.fail(f"Duplicate resource URN '{urn}'; try giving it a unique name", urn)
            self._goals[urn] = goal
            old = self._find_old(urn, goal)
            new = self._new_state(urn, goal, old, provider)
            if self._is_target(urn, goal.type):
                self._require_created(new)
                steps = await self._steps(goal, old, new)
            elif old is None or old.pending_replacement:
                self._skipped.add(urn)
                new.inputs = {}  # an empty resource in events, as Pulumi reports it
                steps = self._run_step("same", new, new, NO_DIFF)
            else:
                new = old.copy(urn=urn, parent=new.parent)
                steps = self._same(old, new)
        await self._to_completion(steps)
        self._news[urn] = new
        return new

    def is_skipped(self, resource: ResourceState) -> bool:
        """Whether a new resource is not created because it is not a target; its outputs are unknown."""
        return resource.urn in self._skipped

    def _is_target(self, urn: str, type_: str) -> bool:
        """Whether a resource may change. Pulumi always includes the root stack and providers."""
        targets = self._context.targets
        return not targets or urn in targets or type_ == ROOT_STACK_TYPE or urns.is_provider_type(type_)

    def _require_created(self, target: ResourceState) -> None:
        """Raise FailedError, with Pulumi's message, if a target needs a new resource that is not a target."""
        if skipped := sorted(target.references() & self._skipped):
            raise self.fail(
                f"Resource '{target.urn}' depends on '{skipped[0]}' which was was not specified in --target list.",
                target.urn,
            )

    async def register_outputs(self, urn: str, outputs: PropertyMap) -> None:
        """Set the outputs of a component or of the stack."""
        resource = self._news.get(urn)
        if resource is None:
            raise self.fail(f"outputs were registered for {urn}, which is not a resource in this run")
        resource.outputs = outputs
        await self._context.journal.end(changed=resource, save=False)
        if urn in self._components:
            op, old, diff = self._components.pop(urn)
            if op in ("create", "update"):
                await self._run_after_hooks(f"After{op.capitalize()}", old, resource)
            self._context.events.step_done(op, old, resource, diff)

    def _find_old(self, urn: str, goal: Goal) -> ResourceState | None:
        current = self._aliases.current_urn_of(urn)
        if current is not None:
            raise self.fail(
                f"Duplicate resource URN '{urn}' conflicting with alias on resource with URN '{current}'", urn
            )
        for candidate in (urn, *self._aliases.former_urns(goal.type, goal.name, goal.parent, goal.aliases)):
            old = self._olds.get(candidate)
            if old is None:
                continue
            if candidate != urn:
                if candidate in self._goals or self._aliases.current_urn_of(candidate) is not None:
                    raise self.fail(f"Duplicate resource alias '{candidate}' applied to resource '{urn}'", urn)
                self._aliases.record(urn, candidate)
            return old
        return None

    def _new_state(
        self, urn: str, goal: Goal, old: ResourceState | None, provider: ResourceState | None
    ) -> ResourceState:
        parent_goal = self._goals.get(goal.parent)
        protect = goal.protect if goal.protect is not None or parent_goal is None else parent_goal.protect
        if protect != goal.protect:
            self._goals[urn] = replace(goal, protect=protect)
        return ResourceState(
            urn=urn,
            type=goal.type,
            custom=goal.custom,
            inputs=goal.inputs,
            parent=goal.parent,
            provider=f"{provider.urn}::{provider.id or UNKNOWN_TEXT}" if provider else "",
            protect=bool(protect),
            dependencies=goal.dependencies,
            property_dependencies=goal.property_dependencies,
            additional_secret_outputs=goal.additional_secret_outputs,
            ignore_changes=goal.ignore_changes,
            hooks=goal.hooks,
            created=old.created if old else "",
            modified=old.modified if old else "",
            source_position=goal.source_position,
        )

    def _provider_of(self, resource: ResourceState) -> Provider | None:
        if not resource.custom:
            return None
        package = resource.type.split(":", 1)[0]
        try:
            return self._context.providers[package]
        except KeyError:
            raise UnsupportedError(f"the {package} package (resource {resource.name})") from None

    def require_package(self, type_: str, name: str) -> None:
        """Raise UnsupportedError if no provider supports resources of this type."""
        if (package := type_.split(":", 1)[0]) not in self._context.providers:
            raise UnsupportedError(f"the {package} package (resource {name})")

    async def _default_provider(self, request: ProviderRequest) -> ResourceState:
        if request.package not in self._context.providers:
            raise UnsupportedError(f"the {request.package} package")
        if request not in self._providers:
            inputs = provider_inputs(request, self._context.config)
            goal = Goal(f"pulumi:providers:{request.package}", request.name, custom=True, inputs=inputs)
            self._providers[request] = asyncio.create_task(self.register(goal))
        return await self._providers[request]

    # --- steps ------------------------------------------------------------------------------------------

    async def _steps(self, goal: Goal, old: ResourceState | None, new: ResourceState) -> Coroutine[Any, Any, None]:
        """Determine the steps for a resource; the returned coroutine executes them."""
        provider = self._provider_of(new)
        ignored = _apply_ignored(goal, old, new)
        recreating = new.urn in self._deleted or (old is not None and old.urn in self._deleted)
        if provider is not None:
            new.inputs, failures = provider.check(new.type, ignored)
            if failures:
                for failure in failures:
                    self.fail(f"{new.type} resource '{new.name}' has a problem: {failure}", new.urn)
                raise FailedError(f"resource {new.urn} is invalid")
        if recreating and old is not None:
            keys = Diff(forced_replace_keys=tuple(self._replace_keys.get(old.urn, ())))
            return self._replace_after_delete(provider, old, new, keys, shown=NO_DIFF)
        if old is None:
            return self._create(provider, new)
        if old.external:
            raise UnsupportedError(f"managing {new.name}, which the stack has only read so far")
        diff = self._diff(provider, old, new)
        if not diff.replaces and not old.pending_replacement:
            if not diff.changed and not old.init_errors:
                return self._same(old, new)
            return self._update(provider, old, new, diff)
        if new.protect and old.protect:
            self._refuse(
                f'unable to replace resource "{new.urn}"\nas it is currently marked for protection. To unprotect '
                "the resource, remove the `protect` flag from the resource in your Pulumi program and run "
                "`pulumi up`",
                new.urn,
            )
        delete_first = diff.delete_before_replace
        if goal.delete_before_replace is not None:
            delete_first = goal.delete_before_replace
        if not delete_first:
            return self._replace_before_delete(provider, old, new, diff)
        return self._delete_then_replace(provider, old, new, diff)

    def _diff(self, provider: Provider | None, old: ResourceState, new: ResourceState) -> Diff:
        if provider is None:
            return Diff(forced=unwrap(old.inputs) != unwrap(new.inputs))
        return provider.diff(new.type, old.outputs, new.inputs, new.ignore_changes)

    async def _run_step(
        self,
        op: str,
        old: ResourceState | None,
        new: ResourceState | None,
        diff: Diff,
        work: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Execute a step and emit its events; a failure stops the deployment."""
        self._check_running()
        self._check_plan(op, old, new)
        events = self._context.events
        if work is None:
            events.step_started(op, old, new, diff)
        else:
            async with self._slots:
                self._check_running()
                events.step_started(op, old, new, diff)
                try:
                    await work()
                except FailedError:
                    raise
                except StateError as error:
                    events.step_failed(op, old, new, diff)
                    raise self._fail_on_state(error) from error
                except Exception as error:
                    events.step_failed(op, old, new, diff)
                    resource = new or old
                    urn = resource.urn if resource else ""
                    raise self.fail(_error_message(op, urn, error), urn) from error
        if counted(op, old, new):
            self.changes[op] += 1
        resource = new or old
        if resource is not None and (resource.custom or op == "delete"):
            events.step_done(op, old, new, diff)
        elif new is not None:
            self._components[new.urn] = (op, old, diff)

    def _check_plan(self, op: str, old: ResourceState | None, new: ResourceState | None) -> None:
        """Record a preview's step, or check that an update's step was planned."""
        resource = new or old
        if resource is None:
            return
        inputs = new.inputs if new is not None and op != "read" else None
        resource_id = old.id if old is not None else ""
        if self._context.recorded_plan is not None:
            self._context.recorded_plan.record(op, resource.urn, inputs, resource_id)
        if self._context.constraint is not None:
            try:
                self._context.constraint.check(op, resource.urn, inputs, resource_id)
            except PlanError as error:
                raise self.fail(str(error), resource.urn) from error

    # --- hooks ------------------------------------------------------------------------------------------

    async def _run_hooks(self, kind: str, old: ResourceState | None, new: ResourceState | None) -> None:
        """Call the hooks of one kind in order. Raises HookError if one fails, unless its errors are only warnings."""
        resource = new or old
        if resource is None:
            return
        after = kind.startswith("After")
        for name in resource.hooks.get(kind, ()):
            hook = self._context.hooks.find(name)
            if self._context.dry_run and not hook.on_dry_run:
                continue
            try:
                await self._context.hooks.call(
                    hook,
                    resource,
                    new_inputs=new.inputs if new else None,
                    old_inputs=old.inputs if old else None,
                    new_outputs=new.outputs if new and after else None,
                    old_outputs=old.outputs if old else None,
                )
            except HookError as error:
                if not hook.ignore_errors:
                    raise HookError(f'{"after" if after else "before"} hook "{name}" failed: {error}') from error
                self._context.events.diagnostic("warning", f'{kind} hook "{name}" failed: {error}', resource.urn)

    async def _run_after_hooks(self, kind: str, old: ResourceState | None, new: ResourceState | None) -> None:
        """Call hooks after a completed operation. A failure stops the deployment, but the operation has succeeded."""
        try:
            await self._run_hooks(kind, old, new)
        except HookError as error:
            resource = new or old
            self.fail(str(error), resource.urn if resource else "")

    async def _same(self, old: ResourceState, new: ResourceState) -> None:
        new.id = old.id
        new.outputs = old.outputs
        new.other = old.other

        async def keep() -> None:
            await self._context.journal.end(done=new, gone=old, save=False)

        await self._run_step("same", old, new, NO_DIFF, keep)

    async def _create(self, provider: Provider | None, new: ResourceState) -> None:
        await self._run_step("create", None, new, NO_DIFF, lambda: self._do_create(provider, new))

    async def _do_create(
        self, provider: Provider | None, new: ResourceState, replaced: ResourceState | None = None
    ) -> None:
        """Create a resource; ``replaced`` is the old resource, which stays in the state until it is deleted."""
        await self._run_hooks("BeforeCreate", None, new)
        journal = self._context.journal
        failure: PartialFailureError | None = None
        if self._context.dry_run:
            if provider is not None:
                new.outputs = new.with_secrets(provider.planned(new.type, None, new.inputs))
        elif provider is not None:
            await journal.begin(new, "creating")
            try:
                new.id, outputs = await provider.create(new.type, new.inputs)
            except PartialFailureError as error:
                failure = error
                new.id, outputs = error.resource_id, error.outputs
                new.init_errors = [str(error)]
            except PulumiError as error:
                # Keep the operation pending if the resource may exist, so recovery looks for it.
                if not (isinstance(error, ProviderError) and error.uncertain):
                    await journal.end(new)
                raise
            new.outputs = new.with_secrets(outputs)
        new.created = new.modified = now()
        gone = None
        if replaced is not None and replaced.pending_replacement:
            gone = replaced
        elif replaced is not None:
            replaced.delete = True
        await journal.end(new, done=new, gone=gone, changed=replaced)
        if failure is not None:
            raise failure
        if new.custom:
            await self._run_after_hooks("AfterCreate", None, new)

    async def _update(self, provider: Provider | None, old: ResourceState, new: ResourceState, diff: Diff) -> None:
        await self._run_step("update", old, new, diff, lambda: self._do_update(provider, old, new))

    async def _do_update(self, provider: Provider | None, old: ResourceState, new: ResourceState) -> None:
        journal = self._context.journal
        new.id = old.id
        new.other = old.other
        await self._run_hooks("BeforeUpdate", old, new)
        if provider is None:
            pass
        elif self._context.dry_run:
            new.outputs = new.with_secrets(provider.planned(new.type, old.outputs, new.inputs))
        else:
            await journal.begin(new, "updating")
            try:
                outputs = await provider.update(new.type, old.id, old.outputs, new.inputs)
            except PartialFailureError as error:
                new.outputs = new.with_secrets(error.outputs)
                new.inputs = old.inputs  # the requested change was not applied
                new.init_errors = [str(error)]
                await journal.end(new, done=new, gone=old)
                raise
            except PulumiError:
                await journal.end(new)
                raise
            new.outputs = new.with_secrets(outputs)
        new.modified = now()
        await journal.end(new, done=new, gone=old)
        if new.custom:
            await self._run_after_hooks("AfterUpdate", old, new)

    async def _delete(self, op: str, old: ResourceState, *, keep_as_pending: bool = False) -> None:
        if op == "delete" and old.protect:
            self._refuse(
                f'resource "{old.urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, '
                "either remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`, "
                f"or use the command:\n`pulumi state unprotect '{old.urn}'`",
                old.urn,
            )
        await self._run_step(op, old, None, NO_DIFF, lambda: self._do_delete(old, keep_as_pending))

    async def _do_delete(self, old: ResourceState, keep_as_pending: bool) -> None:
        journal = self._context.journal
        await self._run_hooks("BeforeDelete", old, None)
        provider = self._provider_of(old)
        exists = not old.external and not old.pending_replacement
        if provider is not None and exists and not self._context.dry_run:
            await journal.begin(old, "deleting")
            try:
                await provider.delete(old.type, old.id, old.outputs)
            except PulumiError:
                await journal.end(old)
                raise
        if keep_as_pending:
            old.pending_replacement = True
            await journal.end(old, changed=old)
        else:
            await journal.end(old, gone=old)
        await self._run_after_hooks("AfterDelete", old, None)

    async def _replace_before_delete(
        self, provider: Provider | None, old: ResourceState, new: ResourceState, diff: Diff
    ) -> None:
        """Create the replacement; ``finish`` deletes the old resource once nothing depends on it."""

        async def create() -> None:
            await self._do_create(provider, new, replaced=old)
            old.delete = True  # even if it is already deleted and only its record remains

        await self._run_step("create-replacement", old, new, diff, create)
        await self._run_step("replace", old, new, diff)

    async def _replace_after_delete(
        self,
        provider: Provider | None,
        old: ResourceState,
        new: ResourceState,
        diff: Diff,
        *,
        shown: Diff | None = None,
    ) -> None:
        """``shown`` is the `replace` step's diff, empty (as in Pulumi) if another resource's deletion is the cause."""
        await self._run_step("replace", old, new, diff if shown is None else shown)
        await self._run_step("create-replacement", old, new, diff, lambda: self._do_create(provider, new, replaced=old))

    async def _delete_then_replace(
        self, provider: Provider | None, old: ResourceState, new: ResourceState, diff: Diff
    ) -> None:
        dependents = self._dependents_to_replace(old, new)
        for dependent, keys in dependents:
            self._deleted.add(dependent.urn)
            self._replace_keys[dependent.urn] = keys
        for dependent, _keys in reversed(dependents):
            await self._delete("delete-replaced", dependent, keep_as_pending=True)
        if not old.pending_replacement:
            await self._delete("delete-replaced", old, keep_as_pending=True)
        await self._replace_after_delete(provider, old, new, diff)

    def _dependents_to_replace(self, root: ResourceState, new: ResourceState) -> list[tuple[ResourceState, list[str]]]:
        """Return the resources to replace when ``root`` is deleted, with the reasons, in dependency order."""
        replaced = {root.urn}
        dependents: list[tuple[ResourceState, list[str]]] = []
        for resource in self._previous.resources:
            provider = self._provider_of(resource)
            if resource is root or resource.delete or resource.external or provider is None:
                continue
            if resource.urn in self._goals or resource.urn in self._deleted:
                continue
            inputs = {
                key: UNKNOWN if replaced & set(resource.property_dependencies.get(key, ())) else value
                for key, value in resource.inputs.items()
            }
            if inputs == resource.inputs:
                continue
            diff = provider.diff(resource.type, resource.outputs, inputs, resource.ignore_changes)
            if diff.replaces:
                if not self._is_target(resource.urn, resource.type):
                    raise self._refuse_deletion(resource)
                if resource.protect:
                    raise self.fail(
                        f'unable to replace resource "{resource.urn}" as part of replacing "{new.urn}" as it is '
                        "currently marked for protection. To unprotect the resource, remove the `protect` flag "
                        "from the resource in your Pulumi program and run `pulumi up`",
                        resource.urn,
                    )
                replaced.add(resource.urn)
                dependents.append((resource, diff.replace_keys))
        return dependents

    # --- reading ----------------------------------------------------------------------------------------

    async def read(self, goal: Goal, resource_id: str) -> ResourceState:
        """Read a resource that the program does not manage, such as a stack reference."""
        if goal.provider is None:
            raise UnsupportedError("reads without a provider")
        provider_state = await self._default_provider(goal.provider)
        async with self._generating:
            self._check_running()
            urn = urns.new_urn(self._context.stack, self._context.project, goal.parent, goal.type, goal.name)
            if urn in self._goals:
                raise self.fail(f"Duplicate resource URN '{urn}'; try giving it a unique name", urn)
            self._goals[urn] = goal
            old = self._olds.get(urn)
            if old is not None and not old.external:
                raise UnsupportedError(f"reading {goal.name}, which the stack manages")
        new = self._new_state(urn, goal, old, provider_state)
        new.external = True
        new.id = resource_id
        provider = self._provider_of(new)

        async def work() -> None:
            if provider is None:
                raise UnsupportedError(f"reads of {goal.type}")
            current = await provider.read(goal.type, resource_id, goal.inputs, {})
            if current is None:
                raise EngineError(f"{goal.type} {resource_id} does not exist")
            _inputs, outputs = current
            new.inputs = goal.inputs
            new.outputs = new.with_secrets(outputs)
            await self._context.journal.end(done=new, gone=old, save=False)

        await self._to_completion(self._run_step("read", old, new, NO_DIFF, work))
        self._news[urn] = new
        return new

    async def invoke(self, request: ProviderRequest, token: str, arguments: PropertyMap) -> PropertyMap:
        """Call a package's function, even after a failure: a hook that is still running may need the result.

        The SDK does not send calls with unknown arguments.
        """
        await self._default_provider(request)
        provider = self._context.providers.get(request.package)
        if provider is None:
            raise UnsupportedError(f"functions of the {request.package} package ({token})")
        return await provider.invoke(token, arguments)

    # --- finishing --------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Delete replaced resources and resources that the program no longer registers."""
        self._check_running()
        if self._context.constraint is not None:
            try:
                self._context.constraint.check_registered()
            except PlanError as error:
                raise self.fail(str(error)) from error
        kept = set(self._goals) | self._aliases.used_urns()
        deletions: list[tuple[str, ResourceState]] = []
        for resource in self._previous.resources:
            if resource.delete:
                deletions.append(("delete-replaced", resource))
            elif resource.urn not in kept:
                op = "remove-pending-replace" if resource.pending_replacement else "delete"
                deletions.append(("discard" if resource.external else op, resource))
        if self._context.targets:
            deletions = await self._only_targets(deletions)
        await delete_in_order(self._previous.resources, deletions, self._run_deletion)

    async def _only_targets(self, deletions: list[tuple[str, ResourceState]]) -> list[tuple[str, ResourceState]]:
        """Limit deletions to targets that no remaining resource refers to, as Pulumi does.

        Raises FailedError if a resource that the program no longer registers depends on a target but is not one.
        """
        targets = self._context.targets
        unregistered = [resource for _, resource in deletions if not resource.delete]
        dependents = set(targets)
        for resource in self._previous.resources:
            if resource.references() & dependents:
                dependents.add(resource.urn)
        for resource in unregistered:
            if resource.urn in dependents - targets:
                raise self._refuse_deletion(resource)
        deleted = [(op, resource) for op, resource in deletions if resource.urn in targets]
        remaining = [each for each in self._context.journal.resources() if all(each is not gone for _, gone in deleted)]
        referenced = set[str]().union(*(resource.references() for resource in remaining))
        deleted = [(op, resource) for op, resource in deleted if resource.delete or resource.urn not in referenced]
        for resource in unregistered:
            if all(resource is not gone for _, gone in deleted):
                await self._run_step("same", resource, resource, NO_DIFF)
        return deleted

    def _refuse_deletion(self, resource: ResourceState) -> FailedError:
        return self.fail(
            f"Resource '{resource.urn}' will be destroyed but was not specified in --target list.\n"
            "Either include resource in --target list or pass --target-dependents to proceed.",
            resource.urn,
        )

    async def _run_deletion(self, op: str, resource: ResourceState) -> None:
        if op == "remove-pending-replace":
            await self._run_step(op, resource, None, NO_DIFF, lambda: self._context.journal.end(gone=resource))
        else:
            await self._delete(op, resource)


def _apply_ignored(goal: Goal, old: ResourceState | None, new: ResourceState) -> PropertyMap:
    """Return the goal's inputs, keeping the old values of the inputs in ``ignore_changes``."""
    inputs = dict(goal.inputs)
    for key in goal.ignore_changes:
        if "." in key or "[" in key or key == "*":
            raise UnsupportedError(f"nested properties or wildcards in ignore_changes ({key} of {new.name})")
        if old is None:
            continue
        if key in old.inputs:
            inputs[key] = old.inputs[key]
        else:
            inputs.pop(key, None)
    return inputs


def _error_message(op: str, urn: str, error: Exception) -> str:
    if isinstance(error, EngineError):
        return str(error)
    return f"{op} {urns.name_of(urn)}: unexpected response ({error!r})"


async def delete_in_order(
    resources: list[ResourceState],
    deletions: list[tuple[str, ResourceState]],
    delete: Callable[[str, ResourceState], Awaitable[None]],
) -> None:
    """Delete resources in parallel, each only after all deleted resources that refer to it.

    ``resources`` lists all resources in state order, including kept ones, since deleted resources may refer to each
    other through them.
    """
    tasks: dict[ResourceState, asyncio.Task[None]] = {}
    dependents: dict[ResourceState, list[ResourceState]] = {resource: [] for _, resource in deletions}
    referenced_by_urn: dict[str, set[ResourceState]] = {}
    for resource in resources:
        referenced = set[ResourceState]().union(*(referenced_by_urn.get(urn, ()) for urn in resource.references()))
        if resource in dependents:
            for target in referenced:
                dependents[target].append(resource)
            referenced = {resource}
        referenced_by_urn[resource.urn] = referenced_by_urn.get(resource.urn, set()) | referenced

    async def run(op: str, resource: ResourceState) -> None:
        for dependent in dependents[resource]:
            await tasks[dependent]
        await delete(op, resource)

    for op, resource in deletions:
        tasks[resource] = asyncio.create_task(run(op, resource))
    results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, FailedError):
            raise error
    if errors:
        raise errors[0]
