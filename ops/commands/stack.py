"""What the commands on a stack do: preview, up, destroy, refresh, outputs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.engine.program import start_ahead
from ops.commands.around import after_change, before_change
from ops.display.base import Display, SilentDisplay
from ops.display.choose import display_for, printer_for
from ops.display.files import write_text
from ops.display.markdown import plan_markdown
from ops.display.policies import policy_lines, policy_markdown
from ops.display.progress import progress_for
from ops.display.record import Record
from ops.display.text import Line
from ops.display.values import shown
from ops.engines.base import Engine, EngineError, Operation, Result
from ops.engines.select import EngineChoice, require_builder, select_engine
from ops.environment import BACKEND_URL, prepare
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.policies import refuse, verdict_on
from ops.stacks import Stack, find_stack, project_dir, project_name, settings_of
from ops.state.lock import acquire
from ops.state.place import Kind, place_of
from ops.steps import has_changes
from statestore import Store, StoreError, open_store

if TYPE_CHECKING:
    from policy.rules import Verdict


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
    if stack.is_local and (needed or place_of(stack).kind is not Kind.FILE):
        from ops.local import LocalCloud

        LocalCloud(stack).require()


@dataclass(frozen=True)
class Session:
    """A stack that may be worked on, and the engine that does it."""

    stack: Stack
    engine: Engine

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
    ) -> Session:
        """Raises OpsError before anything is changed when something is missing or wrong.

        ``validate``: whether the stack's settings matter; ``needs_cloud``: whether Scaleway does; ``runs_program``:
        whether the first that the engine is asked for is a preview or an up.
        """
        stack = find_stack(project_dir(directory), name)
        engine = select_engine(choice, stack)
        if runs_program:
            start_ahead(stack.project_dir)
        with ThreadPoolExecutor(1) as beside:
            found = beside.submit(_require_cloud, stack, needs_cloud)
            settings = settings_of(stack) if validate else None
            if settings is not None:
                require_builder(engine, stack, settings)
            found.result()
        prepare(stack, os.environ)
        return cls(stack, engine)

    @cached_property
    def project(self) -> str:
        return project_name(self.stack.project_dir)

    @cached_property
    def store(self) -> Store:
        """Where the stack's state is kept. Raises OpsError when it cannot be reached."""
        try:
            return open_store(os.environ[BACKEND_URL], os.environ)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None

    @contextmanager
    def locked(self, purpose: str, options: Options, *, moves: bool = False) -> Iterator[None]:
        """Hold the stack for the block. Raises OpsError when somebody else has it for longer than we may wait.

        ``moves``: the block moves the state away, and so is not refused where that was begun before.
        """
        with progress_for(sys.stdout) as progress:
            held = acquire(
                self.store, self.project, self.stack.name, purpose, timeout=options.lock_timeout, on_wait=progress
            )
        with held:
            if not moves:
                before_change(self)
            yield
            if not moves:
                after_change(self)

    def require_complete(self) -> None:
        """Raises OpsError when an earlier run was interrupted and the engine refuses to go on from there."""
        try:
            pending = self.engine.refuses_interrupted(self.stack.project_dir, self.stack.name)
        except EngineError as error:
            raise OpsError(str(error), ExitCode.FAILED) from error
        if pending:
            listed = "".join(f"\n  {each}" for each in pending)
            raise OpsError(
                f"{self.stack.name}: an earlier run was interrupted, and whether it has ended these is not known:"
                f"{listed}\nRun `snu recover {self.stack.name}` first; nothing was changed.",
                ExitCode.INTERRUPTED,
            )

    def title(self, doing: str) -> str:
        return f"{doing} {self.stack.name} (engine: {self.engine.name})"

    def operation(self, options: Options, display: Display) -> Operation:
        return Operation(
            project_dir=self.stack.project_dir,
            stack=self.stack.name,
            on_event=display.on_event,
            parallel=options.parallel,
            refresh=options.refresh,
        )

    def run(self, work: Callable[[Operation], Result], options: Options, display: Display) -> Result:
        """One operation with its display. Raises OpsError when it did not succeed."""
        try:
            with display:
                result = work(self.operation(options, display))
        except EngineError as error:
            display.finish_failed()
            raise OpsError(str(error), ExitCode.FAILED) from error
        display.finish()
        if display.record.canceled:
            raise OpsError(f"{self.stack.name}: cancelled before it was complete.", ExitCode.CANCELLED)
        if not result.ok:
            raise OpsError(f"{self.stack.name}: did not succeed, see above.", ExitCode.FAILED)
        return result

    def say_policies(self, record: Record) -> Verdict:
        """Show what the policies have to say of an operation's resources."""
        verdict = verdict_on(record, self.stack)
        printer_for(sys.stdout).print(policy_lines(verdict))
        return verdict

    def preview(self, options: Options, markdown: str | None = None, *, binding: bool = False) -> Result:
        """``markdown``: the file that gets it as Markdown too, however it ends; ``-`` prints that only.

        ``binding``: raises OpsError where a policy is violated, which else is shown only.
        """
        title = self.title("Previewing")
        if markdown == "-":
            display: Display = SilentDisplay()
        else:
            display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
        remarks: list[str] = []
        try:
            result = self.run(self.engine.preview, options, display)
            verdict = verdict_on(display.record, self.stack) if markdown == "-" else self.say_policies(display.record)
            remarks = policy_markdown(verdict)
        finally:
            if markdown is not None:
                write_text(plan_markdown(display.record, stack=self.stack.name, remarks=remarks), markdown)
        if binding:
            refuse(self.stack, verdict)
        return result


def preview(session: Session, options: Options, markdown: str | None = None) -> ExitCode:
    changed = has_changes(session.preview(options, markdown).changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def preview_json(session: Session, options: Options) -> ExitCode:
    """Print the document of ``pulumi preview --json``."""
    from ops.preview_document import PreviewDocument

    document = PreviewDocument()
    operation = Operation(
        project_dir=session.stack.project_dir,
        stack=session.stack.name,
        on_event=document.on_event,
        parallel=options.parallel,
        refresh=options.refresh,
    )
    try:
        result = session.engine.preview(operation)
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    print(json.dumps(result.document or document.as_dict(), indent=4, ensure_ascii=False))
    if not result.ok:
        return ExitCode.FAILED
    changed = has_changes(result.changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def up(session: Session, options: Options) -> ExitCode:
    """Preview, ask, apply, and then look at the containers."""
    with session.locked("snu up", options):
        return _up(session, options)


def _up(session: Session, options: Options) -> ExitCode:
    stack = session.stack
    session.require_complete()
    if not options.skip_preview:
        changed = has_changes(session.preview(options, binding=True).changes)
        if changed and options.expect_no_changes:
            return ExitCode.CHANGES
        start_ahead(stack.project_dir)
        if changed and not options.yes:
            confirm(f"Apply these changes to {stack.name}?")
    display = display_for(sys.stdout, session.title("Updating"), preview=False, properties=options.skip_preview)
    result = session.run(session.engine.up, options, display)
    if options.skip_preview:
        session.say_policies(display.record)
    from ops.commands.check import check_containers

    check_containers(stack, display.record, options.wait_seconds, check_urls=options.check_urls)
    return ExitCode.CHANGES if options.expect_no_changes and has_changes(result.changes) else ExitCode.OK


def destroy(session: Session, options: Options) -> ExitCode:
    """Always previewed: an engine may delete the rest before it meets a protected resource."""
    with session.locked("snu destroy", options):
        return _destroy(session, options)


def _destroy(session: Session, options: Options) -> ExitCode:
    stack = session.stack
    session.require_complete()
    title = session.title("Previewing the end of")
    display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
    planned = session.run(session.engine.preview_destroy, options, display)
    if has_changes(planned.changes) and not options.yes:
        confirm_by_name(stack)
    display = display_for(sys.stdout, session.title("Destroying"), preview=False, properties=False)
    session.run(session.engine.destroy, options, display)
    return ExitCode.OK


def refresh(session: Session, options: Options) -> ExitCode:
    stack = session.stack
    if not options.yes:
        confirm(f"Write what the cloud says into the state of {stack.name}?")
    display = display_for(sys.stdout, session.title("Refreshing"), preview=False)
    with session.locked("snu refresh", options):
        result = session.run(session.engine.refresh, options, display)
    changed = has_changes(result.changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def outputs(session: Session, *, as_json: bool) -> ExitCode:
    try:
        found = session.engine.outputs(session.stack.project_dir, session.stack.name)
    except EngineError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    if as_json:
        print(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False))
        return ExitCode.OK
    printer_for(sys.stdout).print(_output_lines(found) or [Line.of(f"{session.stack.name} has no outputs.")])
    return ExitCode.OK


def _output_lines(values: object, indent: str = "") -> list[Line]:
    if not isinstance(values, dict):
        return []
    lines: list[Line] = []
    for key, value in sorted(values.items()):
        inner = _output_lines(value, indent + "  ")
        text = "" if inner else (value if isinstance(value, str) else shown(value))
        lines += [Line.of(indent, (f"{key}:", "bold"), f" {text}" if text else ""), *inner]
    return lines


def confirm(question: str) -> None:
    """Ask on the terminal. Raises OpsError when the answer is not yes, or nobody is there."""
    if _answer(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise OpsError("Not confirmed; nothing was changed.", ExitCode.CANCELLED)


def confirm_by_name(stack: Stack) -> None:
    """As ``confirm``; the name of a stack on the real Scaleway must be typed in full."""
    if stack.is_local:
        confirm(f"Destroy all of {stack.name}?")
    elif _answer(f"Type {stack.name} to destroy all of it: ") != stack.name:
        raise OpsError("Not confirmed; nothing was changed.", ExitCode.CANCELLED)


def _answer(question: str) -> str:
    if not sys.stdin.isatty():
        raise OpsError(f"{question.strip()} There is no terminal to ask on: give --yes if you mean it.", ExitCode.USAGE)
    try:
        return input(question).strip()
    except EOFError:
        return ""
