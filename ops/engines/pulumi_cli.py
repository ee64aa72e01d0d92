"""The Pulumi CLI as an engine: runs ``pulumi`` and forwards the events that it logs.

Secrets from the CLI's environment are masked in all forwarded output, including the CLI's own messages.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ops.bound_process import bound_process
from ops.engines.base import EngineError, EngineEvent, Operation, Result
from ops.engines.masking import Mask
from ops.engines.program.process import Program, program_for
from ops.process_environment import without_own_secrets
from pulumi_state.signals import handle_signals

_POLL_SECONDS = 0.02
_GRACE_SECONDS = 30.0
"""Time between SIGINT and SIGKILL if this process exits before the CLI does."""
_NO_STACK = "no stack named"
_LOST_CONNECTION = "error reading from server"
"""Prefix of gRPC's message after the program's process has exited."""


class PulumiCli:
    """Creates stacks that do not exist in the backend yet, and leaves the user's selected stack unchanged."""

    name = "pulumi"
    converts_state = True
    refuses_interrupted = False
    """The CLI only warns about pending operations."""

    def preview(self, operation: Operation) -> Result:
        saved = ["--save-plan", str(operation.save_plan)] if operation.save_plan else []
        return self._run_program(["preview", "--json", *saved, *_refresh(operation), *_targets(operation)], operation)

    def up(self, operation: Operation) -> Result:
        plan = ["--plan", str(operation.plan)] if operation.plan else []
        return self._run_program(
            ["up", *_apply(operation), *plan, *_refresh(operation), *_targets(operation)], operation
        )

    def _run_program(self, arguments: list[str], operation: Operation) -> Result:
        """Run an operation with the program, which our own process serves instead of the CLI's language host."""
        with program_for(operation.project_dir, operation.environ) as program:
            return _run([*arguments, "--client", program.address], operation, program=program)

    def preview_destroy(self, operation: Operation) -> Result:
        return _run(["destroy", "--preview-only", *_refresh(operation)], operation)

    def destroy(self, operation: Operation) -> Result:
        return _run(["destroy", *_apply(operation), *_refresh(operation)], operation)

    def refresh(self, operation: Operation) -> Result:
        return _run(["refresh", *_apply(operation), *_targets(operation)], operation)

    def preview_refresh(self, operation: Operation) -> Result:
        return _run(["refresh", "--preview-only"], operation, creates_stack=False)


def _apply(operation: Operation) -> list[str]:
    """Options that apply changes without prompting and record the user in the stack's history."""
    from pulumi_state.history import agent

    return ["--yes", "--skip-preview", "--exec-agent", agent(operation.environ)]


def _refresh(operation: Operation) -> list[str]:
    """Always explicit, because `Pulumi.yaml` may set a different default."""
    return [f"--refresh={'true' if operation.refresh else 'false'}"]


def _targets(operation: Operation) -> list[str]:
    return [word for urn in operation.targets for word in ("--target", urn)]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The CLI's environment: reduced output, no secrets that only this command needs, and our ``uv`` on PATH.

    If uv is on PATH, Pulumi's language host uses it to list the installed packages, which is much faster than using
    pip.
    """
    path = os.pathsep.join([environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return {
        **without_own_secrets(environ),
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
    arguments: list[str], operation: Operation, *, creates_stack: bool = True, program: Program | None = None
) -> Result:
    watch = _Watch(operation, program)
    ended = _execute(arguments, operation, watch)
    if creates_stack and ended.status != 0 and _NO_STACK in ended.stderr and not watch.events:
        _create_stack(operation, watch.mask)
        ended = _execute(arguments, operation, watch)
    watch.finish()
    if ended.status != 0 and not watch.failure_reported and not watch.interrupted:
        raise EngineError(_error_message(ended.stderr or ended.stdout, watch.mask))
    return Result(ended.status == 0, watch.changes, watch.mask.value(_document(arguments, ended, watch.added)))


def _create_stack(operation: Operation, mask: Mask) -> None:
    completed = subprocess.run(
        ["pulumi", "stack", "init", operation.stack, "--no-select", "--non-interactive"],
        cwd=operation.project_dir,
        env=_environment(operation.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if completed.returncode != 0:
        raise EngineError(_error_message(completed.stderr, mask))


def _execute(arguments: list[str], operation: Operation, watch: _Watch) -> _Ended:
    with tempfile.TemporaryDirectory(prefix="snu-") as folder:
        log, stdout, stderr = (Path(folder) / name for name in ("events", "stdout", "stderr"))
        command = ["pulumi", *arguments, "--stack", operation.stack, "--non-interactive"]
        command += ["--parallel", str(operation.parallel), "--event-log", str(log)]
        if operation.config_file is not None:
            command += ["--config-file", str(operation.config_file)]
        with stdout.open("wb") as output, stderr.open("wb") as errors:
            running = bound_process(
                command,
                grace=_GRACE_SECONDS,
                cwd=operation.project_dir,
                env=_environment(operation.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
            # The CLI has its own session, so that every signal reaches it exactly once, through us.
            with running as process, watch.signals_forwarded(process):
                operation.on_process(process.pid)
                watch.follow(log, process)
                status = process.wait()
        return _Ended(status, *(each.read_text(encoding="utf-8", errors="replace") for each in (stdout, stderr)))


class _Watch:
    """Reads the event log as it is written, and the program's output."""

    def __init__(self, operation: Operation, program: Program | None = None) -> None:
        self._on_event = operation.on_event
        self._on_cancel = operation.on_cancel
        self._program = program
        self.mask = Mask(operation.environ)
        self.events = 0
        """Number of events so far."""
        self.failure_reported = False
        """Whether an event has reported why the operation did not succeed."""
        self.changes: Mapping[str, int] = {}
        self.interrupted = False
        self._cancel_reported = False
        self.added: list[Mapping[str, Any]] = []
        """Diagnostics that we add to the CLI's: the program's output, and its exit status if it exited early."""
        self._summary_seen = False

    def signals_forwarded(self, process: subprocess.Popen[Any]) -> AbstractContextManager[None]:
        """Forward signals to the CLI, which cancels at the first signal and stops immediately at the second Ctrl-C."""

        def interrupt() -> None:
            self.interrupted = True
            process.send_signal(signal.SIGINT)

        return handle_signals(interrupt, interrupt)

    def finish(self) -> None:
        """Read the remaining output, and add a summary if an interrupted CLI exited without one."""
        self._take_output(ended=True)
        if self.interrupted and not self._summary_seen:
            self._take({"summaryEvent": {"resourceChanges": {}}})

    def follow(self, path: Path, process: subprocess.Popen[Any]) -> None:
        while not path.exists():
            if _has_ended(process, _POLL_SECONDS) and not path.exists():
                return
        with path.open(encoding="utf-8") as log:
            for line in _lines(log, process, self._on_poll):
                event = json.loads(line)
                if "summaryEvent" in event:
                    self._take_output(ended=True)
                    self._take_exit_status()
                if not self._is_lost_connection(event):
                    self._take(event)

    def _on_poll(self) -> None:
        self._take_output()
        if self.interrupted and not self._cancel_reported:
            self._cancel_reported = True
            self._on_cancel()

    def _take_output(self, *, ended: bool = False) -> None:
        """Forward the program's output between the first event and the summary."""
        if self._program is None or not (self.events or ended):
            return
        for severity, line in self._program.output(ended=ended):
            self._diagnose(severity, line)

    def _take_exit_status(self) -> None:
        """Report the exit status if the program has exited, because the CLI reports only the lost connection."""
        status = None if self._program is None else self._program.exit_status()
        if status is not None:
            self._diagnose("error", f"the program exited with status {status}")

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
        self.events += 1
        if summary := event.get("summaryEvent"):
            self.changes = summary.get("resourceChanges") or {}
            self._summary_seen = True
            if self.interrupted:
                summary["result"] = "canceled"
        if (event.get("diagnosticEvent") or {}).get("severity") == "error" or "resOpFailedEvent" in event:
            self.failure_reported = True
        self._on_event(self.mask.value(event))


def _lines(log: TextIO, process: subprocess.Popen[Any], on_poll: Callable[[], None]) -> Iterator[str]:
    """Complete lines until the process has exited and all output is read; ``on_poll`` is called after each read."""
    rest, ended = "", False
    while True:
        rest += log.read()
        *complete, rest = rest.split("\n")
        yield from (line for line in complete if line.strip())
        on_poll()
        if ended:
            return
        ended = _has_ended(process, _POLL_SECONDS)


def _has_ended(process: subprocess.Popen[Any], within: float) -> bool:
    """Whether a process ends within so many seconds."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(within)
    return process.returncode is not None


def _document(arguments: list[str], ended: _Ended, added: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The CLI's JSON output, with our additional diagnostics."""
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


def _error_message(text: str, mask: Mask) -> str:
    """The CLI's error message."""
    return mask.text(text).strip().removeprefix("error: ") or "the Pulumi CLI failed without an error message"
