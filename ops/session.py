"""A session: a stack with valid settings and a reachable state, and the engine that works on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ops.engines.base import Engine, EngineError, OnEvent, Operation, Result
from ops.engines.program.process import start_ahead
from ops.engines.select import EngineChoice, require_builder, select_engine
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.external_changes import (
    REPAIRED_BY_UPDATE,
    doubtful_deletions,
    external_findings,
    external_lines,
    external_markdown,
)
from ops.findings import Finding, FindingKind, restore_secret
from ops.foundations import refuse_removed_environments, refuse_to_disconnect
from ops.operation_record import OperationRecord
from ops.policies import evaluate_policies, import_rules_ahead, refuse_violations
from ops.process_environment import process_environment
from ops.protection import unprotect_hint
from ops.renames import refuse_collisions, refuse_second_owner
from ops.report.base import Display, SilentDisplay, all_diagnostic_lines
from ops.report.factory import display_for, printer_for, warn
from ops.report.files import write_text
from ops.report.markdown import plan_markdown
from ops.report.policies import policy_lines, policy_markdown
from ops.report.progress import progress_for, spinner_for
from ops.report.text import Line
from ops.scaleway.client import Client
from ops.stacks import Stack, find_stack, project_dir, project_name, settings_of
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_environment import backend_environment
from ops.state.change_guard import after_change, before_change
from ops.state.interrupted import overwritten_markdown, pending_markdown, pending_names, pending_text
from ops.state.last_run import Observed, observe, remember, restore
from ops.state.lock import HeldLock, acquire, interrupt
from ops.state.private_copy import with_private_copy
from ops.steps import label
from pulumi_state import compression
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import derive_ahead, passphrase_from
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store, StoreError, checkpoints, open_store
from pulumi_state.variables import BACKEND_URL

if TYPE_CHECKING:
    from policy.rules import PolicyResult


@dataclass(frozen=True)
class Options:
    """Options of an operation."""

    yes: bool = False
    skip_preview: bool = False
    refresh: bool = False
    parallel: int = 16
    expect_no_changes: bool = False
    details: bool = False
    wait_seconds: float = 600.0
    check_urls: bool = False
    lock_timeout: float = 0.0
    """Seconds to wait for a stack that another run has locked."""
    targets: tuple[str, ...] = ()
    """URNs of the only resources to preview or update; empty for all."""


def _require_local_cloud(stack: Stack, needed: bool) -> None:
    """Raises OpsError if a local stack or its state needs the local Scaleway, but the local Scaleway is not running."""
    if stack.is_local and (needed or backend_of(stack).kind is not BackendKind.FILE):
        from ops.local import LocalCloud

        LocalCloud(stack).require()


def _derive_key_ahead(stack: Stack, environ: Mapping[str, str]) -> None:
    """Derive the key of the stack's secrets while its settings are read."""
    with suppress(PulumiError):  # raised again when the key is needed
        derive_ahead(passphrase_from(environ), stack.salt)


class Previewed(NamedTuple):
    """The result of a preview."""

    result: Result
    external_changes: list[Finding]
    """Changes made outside updates."""
    record: OperationRecord


@dataclass(frozen=True)
class Session:
    """A stack, and the engine that works on it."""

    stack: Stack
    engine: Engine
    environ: dict[str, str] = field(repr=False)
    """The environment variables for accessing the stack's state."""
    reads: bool = False
    """Whether the state is only read."""
    _locks: list[HeldLock] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        directory: Path | None,
        name: str,
        choice: EngineChoice,
        *,
        validate: bool = True,
        needs_cloud: bool = True,
        runs_program: bool = False,
        reads: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Session:
        """Open a stack. Raises OpsError, before anything is changed, if something is missing or invalid.

        ``validate``: whether to validate the stack's settings; ``needs_cloud``: whether the local Scaleway must be
        running; ``runs_program``: whether the first operation is a preview or an update; ``reads``: whether the state
        is only read; ``environ``: defaults to this process's environment.
        """
        environ = process_environment() if environ is None else environ
        stack = find_stack(project_dir(directory), name)
        engine = select_engine(choice, stack)
        if runs_program:
            start_ahead(stack.project_dir, environ)
            if backend_of(stack).kind is BackendKind.FILE:  # known without a request
                _derive_key_ahead(stack, backend_environment(stack, environ, reads=reads))
        with ThreadPoolExecutor(1) as executor:
            local_cloud = executor.submit(_require_local_cloud, stack, needs_cloud)
            settings = settings_of(stack) if validate else None
            if settings is not None:
                require_builder(engine, stack, settings)
            local_cloud.result()
        return cls(stack, engine, backend_environment(stack, environ, reads=reads), reads)

    @cached_property
    def project(self) -> str:
        return project_name(self.stack.project_dir)

    @cached_property
    def store(self) -> Store:
        """The store that contains the stack's state. Raises OpsError if it cannot be reached."""
        try:
            return open_store(self.environ[BACKEND_URL], self.environ)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None

    @property
    def state(self) -> StateFile:
        """The stack's state file. Raises OpsError if it cannot be reached."""
        return StateFile(self.store, self.project, self.stack.name)

    @cached_property
    def observed(self) -> Observed:
        """The state as first read, or as read when the stack was locked; used for previews, checks and warnings.

        Call ``forget_observed`` after writing the state, unless that was the last step. Raises StoreError.
        """
        return observe(self.store, self.project, self.stack.name)

    def forget_observed(self) -> None:
        """Read the state again when it is next needed."""
        vars(self).pop("observed", None)

    @contextmanager
    def locked(self, purpose: str, options: Options, *, moves: bool = False) -> Iterator[None]:
        """Lock the stack during the block.

        ``moves``: whether the block moves the state to another backend; if so, the usual checks before and after a
        change are skipped. Raises OpsError if the stack is still locked by another run after the timeout. Losing the
        lock during the block cancels the block like Ctrl-C and raises OpsError.
        """
        held = self._acquire(purpose, options.lock_timeout)
        self._locks.append(held)
        self.forget_observed()
        try:
            with held:
                if not moves:
                    before_change(self.stack, self.store)
                with self._last_run_recorded(held, moves):
                    yield
                if not moves:
                    after_change(self.stack, self.store, self.environ)
                    self._warn_of_outdated_keys()
        except (KeyboardInterrupt, OpsError, StoreError) as error:
            if not held.lost:
                raise
            raise self._lock_lost(purpose, error) from error
        finally:
            self._locks.remove(held)
            self.forget_observed()
        if held.lost:
            raise self._lock_lost(purpose, None)

    def _warn_of_outdated_keys(self) -> None:
        if self.stack.config.get("snu:blueprint") == "foundation":
            from ops.foundation_secrets import warn_of_outdated_keys

            warn_of_outdated_keys(self.stack, self.environ)

    def _acquire(self, purpose: str, timeout: float) -> HeldLock:
        with progress_for(sys.stdout) as progress:
            return acquire(
                self.store,
                self.project,
                self.stack.name,
                purpose,
                engine=self.engine.name,
                timeout=timeout,
                on_wait=progress,
                on_lost=interrupt,
            )

    @contextmanager
    def _last_run_recorded(self, held: HeldLock, moves: bool) -> Iterator[None]:
        """Record the state at the end of the block, if we still own the lock."""
        if moves:
            yield
            return
        before = self.observed
        try:
            yield
        finally:
            if held.renew():
                with suppress(StoreError):  # the block's own error matters more
                    remember(self.store, self.project, self.stack.name, before)

    def _lock_lost(self, purpose: str, error: BaseException | None) -> OpsError:
        """The error for a run that has lost its lock. Restores a newer state if this run has overwritten it."""
        name = self.stack.name
        lines = [f"{name}: this run ({purpose}) lost its lock: the lock was removed or taken over by another run."]
        if isinstance(error, OpsError):
            lines.append(str(error))
        with suppress(OpsError, StoreError), self._acquire("restoring the state", 0.0):
            overwritten = observe(self.store, self.project, name).overwritten
            if overwritten is not None:
                copy = restore(self.store, self.project, name, overwritten)
                lines.append(
                    "This run overwrote a newer state, which has been restored. The state that this run wrote was "
                    f"copied to {copy}."
                )
                lines += [f"  only in the copy: {each}" for each in overwritten.unknown]
        lines.append(f"Compare the state with the live resources: `scripts/snu preview {name} --refresh`.")
        return OpsError("\n".join(lines), ExitCode.LOCKED)

    def require_latest(self) -> None:
        """Raises OpsError if the state is older than the one left by the last run."""
        if overwritten := self.observed.overwritten:
            raise OpsError(f"{overwritten} Nothing was changed.", ExitCode.INTERRUPTED)

    def _record_engine(self, pid: int) -> None:
        for held in self._locks:
            held.record_engine(pid)

    def require_complete(self) -> None:
        """Raises OpsError like ``require_latest``, or if the engine refuses to continue after an interrupted run."""
        self.require_latest()
        if self.engine.refuses_interrupted and (pending := pending_names(self.observed.stored)):
            text = pending_text(self.stack.name, pending)
            raise OpsError(f"{self.stack.name}: {text} Nothing was changed.", ExitCode.INTERRUPTED)

    def _next_step(self, otherwise: str = " Run the same command again to continue.") -> str:
        """The next step after an operation that did not succeed: ``snu recover`` if operations are pending."""
        with suppress(OpsError, StoreError):  # the reason why it ended matters more
            stored = checkpoints.find(self.store, self.project, self.stack.name)
            if pending := pending_names(stored):
                return f"\n{self.stack.name}: {pending_text(self.stack.name, pending)}"
        return otherwise

    def warn_pending(self, stream: TextIO) -> list[str]:
        """Show the operations that an interrupted run left pending, and return them. Raises OpsError."""
        if pending := pending_names(self.observed.stored):
            warn(f"{self.stack.name}: {pending_text(self.stack.name, pending)}", stream)
        return pending

    def warn_overwritten(self) -> None:
        """Warn on standard error if the state is older than the one left by the last run. Raises StoreError."""
        if overwritten := self.observed.overwritten:
            warn(str(overwritten), sys.stderr)

    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs, with ``[secret]`` in place of secret values. Raises OpsError."""
        from pulumi_state.stack_reader import outputs
        from pulumi_state.values import redact

        try:
            values = outputs(self.state, self.environ)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from error
        return dict(redact(values))

    def title(self, doing: str) -> str:
        """The title of an operation: ``Updating ci (engine: pulumi)``."""
        return f"{doing} {self.stack.name} (engine: {self.engine.name})"

    def _engine_environ(self) -> dict[str, str]:
        """Keep the state's compression; to change it, the CLI would delete the state before writing it again."""
        if not self.engine.converts_state:
            return self.environ
        stored = self.observed.stored
        environ = self._copy if self.reads else self.environ
        return compression.cli_environment(environ, compression.suffix_of(stored.key) if stored else "")

    @cached_property
    def _copy(self) -> dict[str, str]:
        return with_private_copy(self.environ)

    def operation(self, options: Options, on_event: OnEvent, on_cancel: Callable[[], None] = lambda: None) -> Operation:
        """An engine operation on this stack."""
        return Operation(
            project_dir=self.stack.project_dir,
            stack=self.stack.name,
            environ=self._engine_environ(),
            on_event=on_event,
            on_cancel=on_cancel,
            on_process=self._record_engine,
            parallel=options.parallel,
            refresh=options.refresh,
            targets=options.targets,
            config_file=self.stack.generated_config_file,
        )

    def run(
        self,
        work: Callable[[Operation], Result],
        options: Options,
        display: Display,
        before_result: Callable[[], None] = lambda: None,
    ) -> Result:
        """Run an operation and display its progress. Raises OpsError if it does not succeed.

        ``before_result`` is called after the operation, before its result is shown, unless it was interrupted.
        """
        try:
            with display:
                result = work(self.operation(options, display.on_event, display.on_cancel))
        except KeyboardInterrupt:
            display.finish()
            raise OpsError(f"{self.stack.name}: interrupted.{self._next_step()}", ExitCode.CANCELLED) from None
        except EngineError as error:
            before_result()
            display.finish_failed()
            raise OpsError(str(error), ExitCode.FAILED) from error
        before_result()
        display.finish()
        if display.record.canceled:
            raise OpsError(f"{self.stack.name}: cancelled before it completed.{self._next_step()}", ExitCode.CANCELLED)
        if not result.ok:
            raise OpsError(self._failure(display.record), ExitCode.FAILED)
        return result

    def _failure(self, record: OperationRecord) -> str:
        name = self.stack.name
        if not record.refusals:
            next_step = self._next_step(" Fix them and run the same command again.")
            return f"{name}: failed; see the errors above.{next_step}"
        hint = unprotect_hint(name, self.stack.file.name, record.refusals, record.parents)
        return f"{name}: refused; see above.\n{hint}{self._next_step('')}"

    def report_external_changes(
        self, record: OperationRecord, *, repaired: Collection[FindingKind] = ()
    ) -> list[Finding]:
        """Show resources that were deleted or changed outside updates, or that are in an error state.

        ``repaired``: findings that the operation itself repairs.
        """
        with spinner_for(sys.stdout, f"Checking {self.stack.name} for changes outside updates"):
            findings = external_findings(self.stack, self.environ, record)
        printer_for(sys.stdout).print(external_lines(self.stack.name, findings, repaired))
        return findings

    def refuse_infeasible(self, record: OperationRecord) -> None:
        """Raises OpsError if the previewed update would fail partway or break a stack that depends on this one.

        Also raises OpsError if a resource that the refresh reported as deleted may still exist, because an update would
        remove it from the state.
        """
        with spinner_for(sys.stderr, f"Checking whether the update of {self.stack.name} can succeed"):
            self._refuse_infeasible(record)

    def _refuse_infeasible(self, record: OperationRecord) -> None:
        for urn, error in doubtful_deletions(self.stack, self.environ, record.refreshed_on_scaleway):
            raise OpsError(f"{label(urn)} could not be read: {error}\nNothing was changed.", error.code)
        refuse_collisions(self.stack, record)
        try:
            refuse_second_owner(self.stack, record, self.store, self.project)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        refuse_removed_environments(self.stack, record, process_environment())

    def report_policies(self, record: OperationRecord) -> PolicyResult:
        """Evaluate the policies for an operation's resources, and show the result."""
        policy_result = evaluate_policies(record, self.stack)
        printer_for(sys.stdout).print(policy_lines(policy_result))
        return policy_result

    def restore_secrets(self, findings: Iterable[Finding]) -> None:
        """Restore the secrets that the findings report as scheduled for deletion. Raises OpsError."""
        scheduled = [each for each in findings if each.kind is FindingKind.SCHEDULED]
        if not scheduled:
            return
        with Client.of(self.stack, self.environ) as client:
            for each in scheduled:
                restore_secret(client, each)
                printer_for(sys.stdout).print([Line.of(f"Restored {each.name}.")])

    def _start_programs(self) -> None:
        """Start the processes that run the program for a preview and for the update that follows."""
        start_ahead(self.stack.project_dir, self.environ, 2)

    def check_update(self, options: Options) -> Previewed:
        """Check an update with a preview, of which only the changes made outside updates are shown.

        Raises OpsError if the update would violate a policy or cannot succeed.
        """
        display = SilentDisplay()
        self._start_programs()
        import_rules_ahead()
        with progress_for(sys.stdout) as progress:
            progress(f"Checking {self.stack.name}")
            try:
                result = self.run(self.engine.preview, options, display)
            except OpsError:
                printer_for(sys.stdout).print(all_diagnostic_lines(display.record))
                raise
        findings = self.report_external_changes(display.record, repaired=REPAIRED_BY_UPDATE)
        policy_result = self.report_policies(display.record)
        self.refuse_infeasible(display.record)
        refuse_to_disconnect(self.stack, display.record)
        refuse_violations(self.stack, policy_result)
        return Previewed(result, findings, display.record)

    def preview(
        self,
        options: Options,
        markdown: str | None = None,
        *,
        binding: bool = False,
        before_result: Callable[[], None] = lambda: None,
    ) -> Previewed:
        """Preview an update, and show it.

        ``markdown``: a file for the preview as Markdown, written even if the preview fails; ``-`` prints only the
        Markdown. ``binding``: an update follows, so policy violations raise OpsError instead of only being shown.
        ``before_result``: as for ``run``.
        """
        title = self.title("Previewing")
        self.warn_overwritten()
        if binding:
            self._start_programs()
        import_rules_ahead()
        if markdown == "-":
            display: Display = SilentDisplay()
        else:
            display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
        remarks: list[str] = []
        try:
            result = self.run(self.engine.preview, options, display, before_result)
            if markdown == "-":
                findings = external_findings(self.stack, self.environ, display.record)
                policy_result = evaluate_policies(display.record, self.stack)
            else:
                findings = self.report_external_changes(display.record, repaired=REPAIRED_BY_UPDATE if binding else ())
                policy_result = self.report_policies(display.record)
            pending = self.warn_pending(sys.stderr if markdown == "-" else sys.stdout)
            remarks = [
                *overwritten_markdown(self.observed),
                *pending_markdown(self.stack.name, pending),
                *external_markdown(self.stack.name, findings),
                *policy_markdown(policy_result),
            ]
        finally:
            if markdown is not None:
                write_text(plan_markdown(display.record, stack=self.stack.name, remarks=remarks), markdown)
        self.refuse_infeasible(display.record)
        if binding:
            refuse_to_disconnect(self.stack, display.record)
            refuse_violations(self.stack, policy_result)
        return Previewed(result, findings, display.record)
