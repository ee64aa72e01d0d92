"""One operation of the embedded engine, from preparation to summary."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial

from engine.builtin import BuiltinProvider
from engine.deployment import Context, Deployment, FailedError
from engine.events import Events
from engine.journal import Journal
from engine.monitor import EngineService, ResourceMonitor, serve
from engine.plugin import Provider
from engine.provider import ScalewayProvider, check_config
from engine.refresh import refresh_all
from engine.request import Outcome, Request, RunProgram
from engine.update_plan import Constraint, Plan, read_plan, salt_of
from pulumi_state.errors import PulumiError, UnsupportedError
from pulumi_state.history import Kind, Update
from pulumi_state.passphrase import Crypter, passphrase_from
from pulumi_state.project import StackConfig, project_name, read_stack_file
from pulumi_state.protocol import language_pb2
from pulumi_state.provider import SECRET_SETTINGS, package_config
from pulumi_state.signals import handle_signals
from pulumi_state.snapshot import ResourceState, Snapshot, SnapshotEncoder
from pulumi_state.stack_reader import StackReader
from pulumi_state.state_file import StateFile
from pulumi_state.values import REDACTED

_PROGRAM_EXIT_SECONDS = 30.0
_PROGRAM_EXIT_AFTER_CANCEL_SECONDS = 2.0


def _require_packages(previous: Snapshot, providers: Mapping[str, Provider]) -> None:
    """Raise UnsupportedError if the state contains a resource that no provider can read or delete."""
    unknown: dict[str, list[str]] = {}
    for resource in previous.resources:
        package = resource.type.split(":", 1)[0]
        if resource.custom and package not in providers:
            unknown.setdefault(package, []).append(resource.name)
    for package, names in unknown.items():
        raise UnsupportedError(f"the {package} package (used in the state by {', '.join(sorted(names))})")


class Run:
    """One operation on one stack."""

    def __init__(self, request: Request, kind: Kind, *, dry_run: bool) -> None:
        """Open the backend. Raises StateError if it cannot be opened."""
        self._request = request
        self._kind = kind
        self._dry_run = dry_run
        self._events = Events(request.on_event, preview=dry_run)
        self._project = project_name(request.project_dir)
        self._file = StateFile(request.backend_url, self._project, request.stack, request.environ)
        self._changes: Counter[str] = Counter()
        self._canceled = False
        self._update: Update | None = None
        """Set once the operation is prepared; earlier failures change nothing and are not recorded."""
        self._deployment: Deployment | None = None

    async def execute(self, work: Callable[[], Awaitable[bool]]) -> Outcome:
        """Run the operation. Raises PulumiError if it cannot start; later failures are reported as events.

        The first Ctrl-C lets running operations finish; the second cancels the task that runs this method.
        """
        started, start_time = time.monotonic(), int(time.time())
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with (
            handle_signals(
                partial(loop.call_soon_threadsafe, self._cancel),
                # An exception raised inside the event loop would stop it while the gRPC server is still using it.
                partial(loop.call_soon_threadsafe, task.cancel),
            ),
            nullcontext() if self._dry_run else self._file.locked(),
        ):
            try:
                ok = await work()
            except asyncio.CancelledError:
                with suppress(PulumiError):  # the user is not waiting for the result
                    self._add_history(False, start_time)
                raise
            self._add_history(ok and not self._canceled, start_time)
        result = "canceled" if self._canceled else "succeeded" if ok else "failed"
        self._events.summary(self._changes, time.monotonic() - started, result)
        return Outcome(ok and not self._canceled, dict(self._changes))

    def _add_history(self, ok: bool, start_time: int) -> None:
        if self._update is not None and not self._dry_run:
            self._file.add_history(self._update.record(ok, start_time, self._changes))

    def _cancel(self) -> None:
        """Let running operations finish and start no further ones."""
        self._canceled = True
        self._request.on_cancel()
        if self._deployment is not None:
            self._deployment.fail("cancelled: waiting for running operations to finish; no new operations will start")

    # --- preparation ------------------------------------------------------------------------------------

    async def _prepare(self) -> tuple[Context, Snapshot]:
        """Read the configuration and state. Raises PulumiError before changing anything."""
        stack_file = read_stack_file(self._request.stack_file)
        reader = StackReader(self._project, self._file.store, passphrase_from(self._request.environ))
        checkpoint = self._file.read()

        def open_secrets() -> tuple[Crypter, StackConfig, Snapshot]:
            salt = stack_file.salt or (checkpoint.salt if checkpoint else None)
            if salt is None and self._request.plan is not None:
                salt = salt_of(self._request.plan)  # created by the preview for use in the state
            crypter = reader.crypter(salt) if salt else reader.new_crypter()
            config = StackConfig.decrypt(stack_file, crypter, self._project)
            if checkpoint is None or checkpoint.salt is None:
                return crypter, config, Snapshot()
            return crypter, config, checkpoint.snapshot(reader.crypter(checkpoint.salt))

        crypter, self._config, previous = await asyncio.to_thread(open_secrets)
        self._update = Update(
            self._kind, self._request.project_dir, stack_file.full_config(self._project), self._request.environ
        )
        if previous.pending_operations and not self._dry_run:
            listed = "\n".join(
                f"  {operation.type} {operation.resource.urn}" for operation in previous.pending_operations
            )
            self._events.diagnostic(
                "warning",
                f"an earlier run was interrupted during these operations:\n{listed}\nThey may or may not have been "
                "carried out; check the resources before you continue.",
            )
        config = package_config("scaleway", self._config.values)
        providers: dict[str, Provider] = {
            "pulumi": BuiltinProvider(reader.outputs, {"scaleway": check_config}),
            "scaleway": ScalewayProvider(config),
        }
        _require_packages(previous, providers)
        targets = frozenset(self._request.targets)
        file = None if self._dry_run else self._file
        journal = Journal(previous, file, SnapshotEncoder(crypter), keeps_references=bool(targets))
        context = Context(
            project=self._project,
            stack=self._request.stack,
            config=self._config.values,
            providers=providers,
            events=self._events,
            journal=journal,
            dry_run=self._dry_run,
            parallel=self._request.parallel,
            recorded_plan=Plan() if self._request.save_plan else None,
            constraint=self._constraint(crypter),
            targets=targets,
        )
        self._crypter = crypter
        return context, previous

    def _constraint(self, crypter: Crypter) -> Constraint | None:
        return Constraint(read_plan(self._request.plan, crypter)) if self._request.plan else None

    # --- operations -------------------------------------------------------------------------------------

    async def update(self, run_program: RunProgram) -> bool:
        context, previous = await self._prepare()
        try:
            self._events.prelude(self._redacted_config())
            if self._request.refresh and not await self._refresh(context, previous):
                return False
            deployment = self._start(context)
            ok = await self._drive(run_program, deployment, context)
            if ok and context.recorded_plan is not None and self._request.save_plan is not None:
                context.recorded_plan.write(self._request.save_plan, self._crypter)
            return ok
        finally:
            await self._close(context)

    def _start(self, context: Context) -> Deployment:
        self._deployment = Deployment(context, context.journal.snapshot())
        if self._canceled:
            self._deployment.fail("cancelled: no operations were started")
        return self._deployment

    async def _close(self, context: Context) -> None:
        if self._deployment is not None:
            self._changes.update(self._deployment.changes)
        try:
            await context.journal.flush()
            if self._deployment is not None and self._deployment.state_error is not None:
                self._events.diagnostic("error", str(self._deployment.state_error))
        finally:
            for provider in context.providers.values():
                await provider.close()

    async def _drive(self, run_program: RunProgram, deployment: Deployment, context: Context) -> bool:
        monitor = ResourceMonitor(deployment, context)
        engine = EngineService(context)
        async with serve(monitor, engine) as address:
            running = asyncio.create_task(run_program(self._run_request(context, address), self._events.diagnostic))
            waits = [asyncio.create_task(item) for item in (monitor.program_done.wait(), deployment.wait_stopped())]
            await asyncio.wait([running, *waits], return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            ok = False
            try:
                if monitor.program_done.is_set() and not deployment.stopped and not engine.errors:
                    await deployment.finish()
                    ok = True
            except FailedError:
                pass
            except PulumiError as error:
                deployment.fail(str(error))
            finally:
                monitor.release.set()
            if not ok:
                await deployment.settle()
            succeeded, problem = await self._program_exit(running)
        if not succeeded and not deployment.failed and not engine.errors:
            self._events.diagnostic("error", problem or "the program failed without an error message")
        return ok and not deployment.failed and not engine.errors and succeeded

    def _run_request(self, context: Context, address: str) -> language_pb2.RunRequest:
        """Build the request; both gRPC services listen on ``address``."""
        directory = str(self._request.project_dir.resolve())
        return language_pb2.RunRequest(
            organization="organization",
            project=context.project,
            stack=context.stack,
            dryRun=context.dry_run,
            parallel=context.parallel,
            config=context.config,
            configSecretKeys=self._config.secret_keys,
            monitor_address=address,
            args=[address],
            info=language_pb2.ProgramInfo(root_directory=directory, program_directory=directory, entry_point="."),
        )

    async def _program_exit(self, running: asyncio.Task[tuple[bool, str]]) -> tuple[bool, str]:
        limit = _PROGRAM_EXIT_AFTER_CANCEL_SECONDS if self._canceled else _PROGRAM_EXIT_SECONDS
        try:
            return await asyncio.wait_for(running, limit)
        except TimeoutError:
            return False, f"the program did not exit within {limit:g} seconds"

    async def refresh(self) -> bool:
        context, previous = await self._prepare()
        try:
            self._events.prelude(self._redacted_config())
            return await self._refresh(context, previous)
        finally:
            await self._close(context)

    async def _refresh(self, context: Context, previous: Snapshot) -> bool:
        changes = Counter[str]()
        ok = await refresh_all(context, previous, self._request.targets, changes, lambda: self._canceled)
        if not self._request.refresh:
            self._changes = changes
        return ok and not self._canceled

    async def destroy(self) -> bool:
        context, previous = await self._prepare()
        try:
            self._events.prelude(self._redacted_config())
            if self._refuse_protected(previous.resources):
                return False
            if self._request.refresh and not await self._refresh(context, previous):
                return False
            return await _delete_all(self._start(context))
        finally:
            await self._close(context)

    def _refuse_protected(self, resources: list[ResourceState]) -> bool:
        protected = [resource for resource in resources if resource.protect and not resource.delete]
        for resource in protected:
            self._events.diagnostic(
                "error",
                f'resource "{resource.urn}" cannot be deleted\nbecause it is protected',
                resource.urn,
            )
        return bool(protected)

    def _redacted_config(self) -> dict[str, str]:
        secret = {f"{package}:{key}" for package, keys in SECRET_SETTINGS.items() for key in keys}
        secret.update(self._config.secret_keys)
        return {key: REDACTED if key in secret else value for key, value in self._config.values.items()}


async def _delete_all(deployment: Deployment) -> bool:
    """Delete all resources; on failure, report the errors and return False."""
    try:
        await deployment.finish()
    except FailedError:
        return False
    except PulumiError as error:
        deployment.fail(str(error))
        return False
    return not deployment.failed
