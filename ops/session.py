"""A stack that may be worked on: found, checked, reachable, with its engine."""

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
    outside_findings,
    outside_lines,
    outside_markdown,
)
from ops.findings import Finding, FindingKind, restore_secret
from ops.foundations import refuse_removed_environments, refuse_to_disconnect
from ops.operation_record import OperationRecord
from ops.policies import refuse, verdict_on
from ops.process_environment import process_environment
from ops.protection import way_out
from ops.renames import refuse_collisions, refuse_second_owner
from ops.report.base import Display, SilentDisplay, said_lines
from ops.report.factory import display_for, printer_for, warn
from ops.report.files import write_text
from ops.report.markdown import plan_markdown
from ops.report.policies import policy_lines, policy_markdown
from ops.report.progress import progress_for
from ops.report.text import Line
from ops.scaleway.client import Client
from ops.stacks import Stack, find_stack, project_dir, project_name, settings_of
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_environment import completed
from ops.state.change_guard import after_change, before_change
from ops.state.interrupted import overwritten_markdown, pending_markdown, pending_names, pending_text
from ops.state.last_run import Observed, observe, remember, restore
from ops.state.lock import HeldLock, acquire, interrupt
from ops.state.private_copy import on_a_copy
from ops.steps import label
from pulumi_state import compression
from pulumi_state.errors import PulumiError
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store, StoreError, checkpoints, open_store
from pulumi_state.variables import BACKEND_URL

if TYPE_CHECKING:
    from policy.rules import PolicyResult


@dataclass(frozen=True)
class Options:
    """How an operation is done."""

    yes: bool = False
    skip_preview: bool = False
    refresh: bool = False
    parallel: int = 16
    expect_no_changes: bool = False
    details: bool = False
    wait_seconds: float = 600.0
    check_urls: bool = False
    lock_timeout: float = 0.0
    """Seconds to wait for a stack that somebody else holds."""


def _require_cloud(stack: Stack, needed: bool) -> None:
    """Raises OpsError where the stack is local and its local Scaleway, or that of its state, does not run."""
    if stack.is_local and (needed or backend_of(stack).kind is not BackendKind.FILE):
        from ops.local import LocalCloud

        LocalCloud(stack).require()


class Previewed(NamedTuple):
    """What a preview has found."""

    result: Result
    outside: list[Finding]
    """What no update has done."""


@dataclass(frozen=True)
class Session:
    """A stack that may be worked on, and the engine that does it."""

    stack: Stack
    engine: Engine
    environ: dict[str, str] = field(repr=False)
    """What the stack's state is reached with."""
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
        """Raises OpsError before anything is changed when something is missing or wrong.

        ``reads``: the state is only read.
        ``validate``: whether the stack's settings matter; ``needs_cloud``: whether Scaleway does; ``runs_program``:
        whether the first that the engine is asked for is a preview or an up; ``environ``: this process's, by default.
        """
        environ = process_environment() if environ is None else environ
        stack = find_stack(project_dir(directory), name)
        engine = select_engine(choice, stack)
        if runs_program:
            start_ahead(stack.project_dir, environ)
        with ThreadPoolExecutor(1) as beside:
            found = beside.submit(_require_cloud, stack, needs_cloud)
            settings = settings_of(stack) if validate else None
            if settings is not None:
                require_builder(engine, stack, settings)
            found.result()
        return cls(stack, engine, completed(stack, environ, reads=reads), reads)

    @cached_property
    def project(self) -> str:
        return project_name(self.stack.project_dir)

    @cached_property
    def store(self) -> Store:
        """Where the stack's state is kept. Raises OpsError when it cannot be reached."""
        try:
            return open_store(self.environ[BACKEND_URL], self.environ)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None

    @property
    def state(self) -> StateFile:
        """The stack's state there. Raises OpsError when it cannot be reached."""
        return StateFile(self.store, self.project, self.stack.name)

    @cached_property
    def observed(self) -> Observed:
        """The state at the first look, or when the lock was taken: what previews, refusals and warnings go by.

        What writes the state other than as the last step calls ``forget_observed``. Raises StoreError.
        """
        return observe(self.store, self.project, self.stack.name)

    def forget_observed(self) -> None:
        """Let the state be read again."""
        vars(self).pop("observed", None)

    @contextmanager
    def locked(self, purpose: str, options: Options, *, moves: bool = False) -> Iterator[None]:
        """Lock the stack for the block.

        ``moves``: the block moves the state away, and so is not refused where that was begun before. Raises OpsError
        when somebody else has the stack for longer than we may wait, and when the lock was lost meanwhile, which
        cancels the block as Ctrl-C does.
        """
        held = self._acquire(purpose, options.lock_timeout)
        self._locks.append(held)
        self.forget_observed()
        try:
            with held:
                if not moves:
                    before_change(self.stack, self.store)
                with self._remembered(held, moves):
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
    def _remembered(self, held: HeldLock, moves: bool) -> Iterator[None]:
        """Notes at the end what the block has left, where we still have the lock then."""
        if moves:
            yield
            return
        begin = self.observed
        try:
            yield
        finally:
            if held.renew():
                with suppress(StoreError):  # what the block has to say is worth more
                    remember(self.store, self.project, self.stack.name, begin)

    def _lock_lost(self, purpose: str, error: BaseException | None) -> OpsError:
        """What is said after a run has lost its lock; the newer state is restored where this run has overwritten it."""
        name = self.stack.name
        lines = [f"{name}: this run ({purpose}) lost its lock: somebody removed it, or another run took it over."]
        if isinstance(error, OpsError):
            lines.append(str(error))
        with suppress(OpsError, StoreError), self._acquire("restoring the state", 0.0):
            found = observe(self.store, self.project, name).overwritten
            if found is not None:
                kept = restore(self.store, self.project, name, found)
                lines.append(f"It had overwritten the newer state, which is restored. What it wrote is kept as {kept}.")
                lines += [f"  only in what it wrote: {each}" for each in found.unknown]
        lines.append(f"Compare with the live resources: `scripts/snu preview {name} --refresh`.")
        return OpsError("\n".join(lines), ExitCode.LOCKED)

    def require_latest(self) -> None:
        """Raises OpsError when the state is older than what the last run left."""
        if found := self.observed.overwritten:
            raise OpsError(f"{found} Nothing was changed.", ExitCode.INTERRUPTED)

    def _record_engine(self, pid: int) -> None:
        for held in self._locks:
            held.record_engine(pid)

    def require_complete(self) -> None:
        """Raises OpsError when an earlier run was interrupted and the engine refuses to go on from there, and as
        ``require_latest``."""
        self.require_latest()
        if self.engine.refuses_interrupted and (pending := pending_names(self.observed.stored)):
            text = pending_text(self.stack.name, pending)
            raise OpsError(f"{self.stack.name}: {text} Nothing was changed.", ExitCode.INTERRUPTED)

    def _left_pending(self) -> str:
        """What this run has left pending, below why it ended."""
        with suppress(OpsError, StoreError):  # why it ended is worth more
            stored = checkpoints.find(self.store, self.project, self.stack.name)
            if pending := pending_names(stored):
                return f"\n{self.stack.name}: {pending_text(self.stack.name, pending)}"
        return ""

    def warn_pending(self, stream: TextIO) -> list[str]:
        """Show what an interrupted run has left pending, and return it. Raises OpsError."""
        if pending := pending_names(self.observed.stored):
            warn(f"{self.stack.name}: {pending_text(self.stack.name, pending)}", stream)
        return pending

    def warn_overwritten(self) -> None:
        """Show on standard error that the state is older than what the last run left. Raises StoreError."""
        if found := self.observed.overwritten:
            warn(str(found), sys.stderr)

    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs; secret values are replaced by the text ``[secret]``. Raises OpsError."""
        from pulumi_state.stack_reader import outputs
        from pulumi_state.values import redact

        try:
            found = outputs(self.state, self.environ)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from error
        return dict(redact(found))

    def title(self, doing: str) -> str:
        return f"{doing} {self.stack.name} (engine: {self.engine.name})"

    def _engine_environ(self) -> dict[str, str]:
        """Keeps the state in the form that it has: to convert it, the CLI removes it before it writes it again."""
        if not self.engine.converts_state:
            return self.environ
        stored = self.observed.stored
        environ = self._copy if self.reads else self.environ
        return compression.cli_environment(environ, compression.suffix_of(stored.key) if stored else "")

    @cached_property
    def _copy(self) -> dict[str, str]:
        return on_a_copy(self.environ)

    def operation(self, options: Options, on_event: OnEvent, on_cancel: Callable[[], None] = lambda: None) -> Operation:
        return Operation(
            project_dir=self.stack.project_dir,
            stack=self.stack.name,
            environ=self._engine_environ(),
            on_event=on_event,
            on_cancel=on_cancel,
            on_process=self._record_engine,
            parallel=options.parallel,
            refresh=options.refresh,
        )

    def run(self, work: Callable[[Operation], Result], options: Options, display: Display) -> Result:
        """One operation with its display. Raises OpsError when it did not succeed."""
        try:
            with display:
                result = work(self.operation(options, display.on_event, display.on_cancel))
        except KeyboardInterrupt:
            display.finish()
            raise OpsError(f"{self.stack.name}: interrupted.{self._left_pending()}", ExitCode.CANCELLED) from None
        except EngineError as error:
            display.finish_failed()
            raise OpsError(str(error), ExitCode.FAILED) from error
        display.finish()
        if display.record.canceled:
            raise OpsError(
                f"{self.stack.name}: cancelled before it was complete.{self._left_pending()}", ExitCode.CANCELLED
            )
        if not result.ok:
            raise OpsError(f"{self._failure(display.record)}{self._left_pending()}", ExitCode.FAILED)
        return result

    def _failure(self, record: OperationRecord) -> str:
        name = self.stack.name
        if not record.refusals:
            return f"{name}: did not succeed, see above."
        return f"{name}: refused, see above.\n{way_out(name, self.stack.file.name, record.refusals, record.parents)}"

    def say_outside(self, record: OperationRecord, *, repaired: Collection[FindingKind] = ()) -> list[Finding]:
        """Show what no update has done: resources deleted, changed or in error on Scaleway.

        ``repaired``: what the operation itself puts right.
        """
        findings = outside_findings(self.stack, self.environ, record)
        printer_for(sys.stdout).print(outside_lines(self.stack.name, findings, repaired))
        return findings

    def refuse_impossible(self, record: OperationRecord) -> None:
        """Raises OpsError for a preview whose update would fail half way, or break a stack that runs on this one.

        Also where the refresh took for deleted what may be there: an update would lose it from the state.
        """
        for urn, error in doubtful_deletions(self.stack, self.environ, record.refreshed_on_scaleway):
            raise OpsError(f"{label(urn)} could not be read: {error}\nNothing was changed.", error.code)
        refuse_collisions(self.stack, record)
        try:
            refuse_second_owner(self.stack, record, self.store, self.project)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        refuse_removed_environments(self.stack, record, process_environment())

    def say_policies(self, record: OperationRecord) -> PolicyResult:
        """Show what the policies have to say of an operation's resources."""
        verdict = verdict_on(record, self.stack)
        printer_for(sys.stdout).print(policy_lines(verdict))
        return verdict

    def restore_secrets(self, findings: Iterable[Finding]) -> None:
        """Take back the deletion of the secrets among the findings. Raises OpsError."""
        scheduled = [each for each in findings if each.kind is FindingKind.SCHEDULED]
        if not scheduled:
            return
        with Client.of(self.stack, self.environ) as client:
            for each in scheduled:
                restore_secret(client, each)
                printer_for(sys.stdout).print([Line.of(f"Restored {each.name}.")])

    def require_sound(self, options: Options) -> list[Finding]:
        """What no update has done, of an update that nobody previews.

        Raises OpsError where the update would violate a policy, or could not succeed.
        """
        display = SilentDisplay()
        with progress_for(sys.stdout) as progress:
            progress(f"Checking {self.stack.name}")
            try:
                self.run(self.engine.preview, options, display)
            except OpsError:
                printer_for(sys.stdout).print(said_lines(display.record))
                raise
        outside = self.say_outside(display.record, repaired=REPAIRED_BY_UPDATE)
        verdict = self.say_policies(display.record)
        self.refuse_impossible(display.record)
        refuse_to_disconnect(self.stack, display.record)
        refuse(self.stack, verdict)
        return outside

    def preview(self, options: Options, markdown: str | None = None, *, binding: bool = False) -> Previewed:
        """``markdown``: the file that gets it as Markdown too, however it ends; ``-`` prints that only.

        ``binding``: raises OpsError where a policy is violated, which else is shown only.
        """
        title = self.title("Previewing")
        self.warn_overwritten()
        if markdown == "-":
            display: Display = SilentDisplay()
        else:
            display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
        remarks: list[str] = []
        try:
            result = self.run(self.engine.preview, options, display)
            if markdown == "-":
                outside = outside_findings(self.stack, self.environ, display.record)
                verdict = verdict_on(display.record, self.stack)
            else:
                outside = self.say_outside(display.record, repaired=REPAIRED_BY_UPDATE if binding else ())
                verdict = self.say_policies(display.record)
            pending = self.warn_pending(sys.stderr if markdown == "-" else sys.stdout)
            remarks = [
                *overwritten_markdown(self.observed),
                *pending_markdown(self.stack.name, pending),
                *outside_markdown(self.stack.name, outside),
                *policy_markdown(verdict),
            ]
        finally:
            if markdown is not None:
                write_text(plan_markdown(display.record, stack=self.stack.name, remarks=remarks), markdown)
        self.refuse_impossible(display.record)
        if binding:
            refuse_to_disconnect(self.stack, display.record)
            refuse(self.stack, verdict)
        return Previewed(result, outside)
