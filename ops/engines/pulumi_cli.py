"""The Pulumi CLI as an engine: runs ``pulumi`` and forwards the events that it logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from localcloud.engine.errors import EngineError as EmbeddedError
from localcloud.engine.program import Program, program_for
from ops.engines.base import EngineError, EngineEvent, OnEvent, Operation, Result
from statestore import StoreError, layout
from statestore.folder import FolderStore

if TYPE_CHECKING:
    from localcloud.engine.recover import Interrupted, Lock
    from localcloud.engine.statefile import StateFile

_POLL_SECONDS = 0.05
_NO_STACK = "no stack named"
_LOST_CONNECTION = "error reading from server"
"""Start of gRPC's message when the program's process has ended."""


class PulumiCli:
    """Stacks that the backend does not know yet are made; the stack that the user has selected stays so."""

    name = "pulumi"

    def preview(self, operation: Operation) -> Result:
        saved = ["--save-plan", str(operation.save_plan)] if operation.save_plan else []
        return self._run_program(["preview", "--json", *saved, *_refresh(operation)], operation)

    def up(self, operation: Operation) -> Result:
        held = ["--plan", str(operation.plan)] if operation.plan else []
        return self._run_program(["up", *_apply(), *held, *_refresh(operation)], operation)

    def _run_program(self, arguments: list[str], operation: Operation) -> Result:
        """An operation that runs the program, which a process of ours serves: the CLI starts no language host."""
        with program_for(operation.project_dir) as program:
            try:
                address = program.address
            except EmbeddedError as error:
                raise EngineError(str(error)) from error
            return _run([*arguments, "--client", address], operation, program=program)

    def preview_destroy(self, operation: Operation) -> Result:
        return _run(["destroy", "--preview-only"], operation)

    def destroy(self, operation: Operation) -> Result:
        return _run(["destroy", *_apply()], operation)

    def refresh(self, operation: Operation) -> Result:
        return _run(["refresh", *_apply()], operation)

    def preview_refresh(self, operation: Operation) -> Result:
        return _run(["refresh", "--preview-only"], operation, makes_stack=False)

    def outputs(self, project_dir: Path, stack: str) -> Mapping[str, Any]:
        outputs: dict[str, Any] = json.loads(_stack_command(project_dir, stack, "output", "--json"))
        return outputs

    def interrupted(self, project_dir: Path, stack: str) -> Interrupted:
        from localcloud.engine import recover

        state = _state_file(project_dir, stack)
        _drop_broken_notes(state)
        locks = _locks(state)
        try:
            document = _export(project_dir, stack)
        except EngineError as error:
            if _NO_STACK not in str(error):
                raise
            document = {}
        deployment = document.get("deployment") or {}
        if not deployment.get("pending_operations"):
            return recover.Interrupted((), frozenset(), document, locks)
        clear = _export(project_dir, stack, "--show-secrets")["deployment"]
        return recover.Interrupted(recover.pending_in(clear), recover.known_ids(deployment), document, locks)

    def refuses_interrupted(self, project_dir: Path, stack: str) -> list[str]:
        """None: the CLI itself warns and goes on."""
        return []

    def recover(
        self, operation: Operation, found: Interrupted, adopted: Mapping[int, str], gone: Collection[int]
    ) -> list[str]:
        """The state is imported as it ought to be, and what is uncertain in it is refreshed by its provider."""
        from localcloud.engine import recover
        from localcloud.engine.errors import EngineError as StateProblem

        project_dir, stack = operation.project_dir, operation.stack
        _remove_dead(project_dir, stack, found.locks)
        if not found.pending:
            return []
        if _export(project_dir, stack) != found.document:
            raise EngineError("the state has changed since it was looked at; run recover again")
        try:
            deployment, to_read = recover.recovered(found.document["deployment"], adopted, gone)
        except StateProblem as error:
            raise EngineError(str(error)) from error
        _stack_command(project_dir, stack, "import", given=json.dumps({**found.document, "deployment": deployment}))
        if not to_read:
            return []
        targets = [word for urn in to_read for word in ("--target", urn)]
        if not _run(["refresh", *_apply(), *targets], operation).ok:
            raise EngineError(f"the state is recovered, but not all of it could be read: run `snu refresh {stack}`")
        left = {each["urn"] for each in _export(project_dir, stack)["deployment"].get("resources") or []}
        return [urn for urn in to_read if urn not in left]


def _stack_command(project_dir: Path, stack: str, *arguments: str, given: str = "") -> str:
    """What ``pulumi stack …`` prints; ``given`` is its standard input."""
    completed = subprocess.run(
        ["pulumi", "stack", *arguments, "--stack", stack, "--non-interactive"],
        cwd=project_dir,
        env=_environment(),
        input=given,
        capture_output=True,
        text=True,
    )
    if completed.returncode != 0:
        raise EngineError(_said(completed.stderr))
    return completed.stdout


def _export(project_dir: Path, stack: str, *arguments: str) -> dict[str, Any]:
    """The stack's state; its secrets are encrypted, unless ``--show-secrets`` is given."""
    document: dict[str, Any] = json.loads(_stack_command(project_dir, stack, "export", *arguments))
    return document


def _state_file(project_dir: Path, stack: str) -> StateFile:
    """The stack's state in its backend, for what the CLI has no command for. Raises EngineError."""
    from localcloud.engine.errors import EngineError as StateProblem
    from localcloud.engine.project import project_name
    from localcloud.engine.statefile import StateFile

    try:
        return StateFile(os.environ["PULUMI_BACKEND_URL"], project_name(project_dir), stack)
    except KeyError:
        raise EngineError("no backend for the stack's state: set PULUMI_BACKEND_URL") from None
    except StateProblem as error:
        raise EngineError(str(error)) from error


def _drop_broken_notes(state: StateFile) -> None:
    """A CLI that was killed while it wrote one could not read the state any more. Raises EngineError."""
    if isinstance(state.store, FolderStore):
        try:
            state.store.drop_broken_notes(state.key, layout.history(state.project, state.stack))
        except StoreError as error:
            raise EngineError(str(error)) from error


def _locks(state: StateFile) -> tuple[Lock, ...]:
    """Who holds the stack, whatever the backend. Raises EngineError."""
    from localcloud.engine import recover
    from localcloud.engine.errors import EngineError as StateProblem

    try:
        return recover.locks_of(state)
    except StateProblem as error:
        raise EngineError(str(error)) from error


def _remove_dead(project_dir: Path, stack: str, locks: Collection[Lock]) -> None:
    from localcloud.engine import recover
    from localcloud.engine.errors import EngineError as StateProblem

    try:
        recover.remove_dead(_state_file(project_dir, stack), locks)
    except StateProblem as error:
        raise EngineError(str(error)) from error


def _apply() -> list[str]:
    """Without questions; the stack's history says who it was."""
    from localcloud.engine.history import agent

    return ["--yes", "--skip-preview", "--exec-agent", agent(os.environ)]


def _refresh(operation: Operation) -> list[str]:
    return ["--refresh"] if operation.refresh else []


def _environment() -> dict[str, str]:
    """Quiet, with event logs switched on, and with this environment's ``uv`` at hand.

    With uv on PATH Pulumi's language host asks it for the installed packages, which is much faster than pip.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return os.environ | {
        "PATH": path,
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "NO_COLOR": "1",
    }


@dataclass(frozen=True)
class _Ended:
    status: int
    stdout: str
    stderr: str


def _run(
    arguments: list[str], operation: Operation, *, makes_stack: bool = True, program: Program | None = None
) -> Result:
    watch = _Watch(operation.on_event, program)
    ended = _execute(arguments, operation, watch)
    if makes_stack and ended.status != 0 and _NO_STACK in ended.stderr and not watch.seen:
        _make_stack(operation)
        ended = _execute(arguments, operation, watch)
    watch.finish()
    if ended.status != 0 and not watch.failure_seen and not watch.interrupted:
        raise EngineError(_said(ended.stderr or ended.stdout))
    return Result(ended.status == 0, watch.changes, _document(arguments, ended, watch.added))


def _make_stack(operation: Operation) -> None:
    completed = subprocess.run(
        ["pulumi", "stack", "init", operation.stack, "--no-select", "--non-interactive"],
        cwd=operation.project_dir,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if completed.returncode != 0:
        raise EngineError(_said(completed.stderr))


def _execute(arguments: list[str], operation: Operation, watch: _Watch) -> _Ended:
    with tempfile.TemporaryDirectory(prefix="snu-") as folder:
        log, stdout, stderr = (Path(folder) / name for name in ("events", "stdout", "stderr"))
        command = ["pulumi", *arguments, "--stack", operation.stack, "--non-interactive"]
        command += ["--parallel", str(operation.parallel), "--event-log", str(log)]
        with stdout.open("wb") as output, stderr.open("wb") as errors:
            # A session of its own: Ctrl-C reaches the CLI once, through us, however we got it.
            process = subprocess.Popen(
                command,
                cwd=operation.project_dir,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        with _interrupts_forwarded(process, watch):
            watch.follow(log, process)
            status = process.wait()
        return _Ended(status, stdout.read_text(), stderr.read_text())


@contextmanager
def _interrupts_forwarded(process: subprocess.Popen[bytes], watch: _Watch) -> Iterator[None]:
    """Give SIGINT to the CLI, which then cancels; a second one makes it end at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(_number: int, _frame: FrameType | None) -> None:
        watch.interrupted = True
        process.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Watch:
    """Reads the event log while it grows, and what the program prints."""

    def __init__(self, on_event: OnEvent, program: Program | None = None) -> None:
        self._on_event = on_event
        self._program = program
        self.seen = 0
        self.failure_seen = False
        """Whether the events already say why the operation did not succeed."""
        self.changes: Mapping[str, int] = {}
        self.interrupted = False
        self.added: list[Mapping[str, Any]] = []
        """Diagnostics that are not the CLI's: what the program has printed, and its exit status if it ended early."""
        self._summary_seen = False

    def finish(self) -> None:
        """An interrupted CLI may end without a summary."""
        self._take_output(ended=True)
        if self.interrupted and not self._summary_seen:
            self._take({"summaryEvent": {"resourceChanges": {}}})

    def follow(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        while not path.exists():
            if process.poll() is not None:
                return
            time.sleep(_POLL_SECONDS)
        with path.open() as log:
            for line in _lines(log, process, self._take_output):
                event = json.loads(line)
                if "summaryEvent" in event:
                    self._take_output(ended=True)
                    self._take_exit_status()
                if not self._is_lost_connection(event):
                    self._take(event)

    def _take_output(self, *, ended: bool = False) -> None:
        """What the program has printed; no more comes before the first event, nor after the summary."""
        if self._program is None or not (self.seen or ended):
            return
        for severity, line in self._program.output(ended=ended):
            self._diagnose(severity, line)

    def _take_exit_status(self) -> None:
        """A program that ends its process breaks the CLI's connection, which is all that the CLI can report."""
        status = None if self._program is None else self._program.exit_status()
        if status is not None:
            self._diagnose("error", f"the program ended with exit status {status}")

    def _is_lost_connection(self, event: EngineEvent) -> bool:
        message = str((event.get("diagnosticEvent") or {}).get("message", ""))
        return (
            message.startswith(_LOST_CONNECTION)
            and self._program is not None
            and self._program.exit_status() is not None
        )

    def _diagnose(self, severity: str, message: str) -> None:
        diagnostic = {"severity": severity, "message": message, "color": "never"}
        self.added.append(diagnostic)
        self._take({"sequence": 0, "timestamp": int(time.time()), "diagnosticEvent": diagnostic})

    def _take(self, event: EngineEvent) -> None:
        self.seen += 1
        if summary := event.get("summaryEvent"):
            self.changes = summary.get("resourceChanges") or {}
            self._summary_seen = True
            if self.interrupted:
                summary["result"] = "canceled"
        if (event.get("diagnosticEvent") or {}).get("severity") == "error" or "resOpFailedEvent" in event:
            self.failure_seen = True
        self._on_event(event)


def _lines(log: TextIO, process: subprocess.Popen[bytes], on_poll: Callable[[], None]) -> Iterator[str]:
    """Complete lines, until the process has ended and all are read; ``on_poll`` is called after each look."""
    rest = ""
    while True:
        ended = process.poll() is not None
        rest += log.read()
        *complete, rest = rest.split("\n")
        yield from (line for line in complete if line.strip())
        on_poll()
        if ended:
            return
        time.sleep(_POLL_SECONDS)


def _document(arguments: list[str], ended: _Ended, added: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What the CLI printed, with diagnostics that are not its own."""
    if "--json" not in arguments:
        return None
    try:
        document: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        return None
    if added:
        lines = [{"message": f"{line['message']}\n", "severity": line["severity"]} for line in added]
        document["diagnostics"] = [*(document.get("diagnostics") or []), *lines]
    return document


def _said(text: str) -> str:
    """The CLI's own message."""
    return text.strip().removeprefix("error: ") or "the Pulumi CLI failed and said nothing"
