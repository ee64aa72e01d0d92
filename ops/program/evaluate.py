"""Runs ``evaluator`` on several project folders concurrently and reads its results."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ops.bound_process import bound_process
from ops.engines.program.environment import program_environment
from ops.process_environment import process_environment
from ops.report.text import safe
from ops.stacks import CHECKOUT

_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_REFUSAL = 20_000


@dataclass(frozen=True)
class Resource:
    """A resource as registered by a program, with placeholders and without secrets."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    protect: bool
    inputs: Mapping[str, Any]
    ignored: frozenset[str] = frozenset()
    """Inputs whose changes are ignored (``ignoreChanges``)."""
    replacing: frozenset[str] = frozenset()
    """Inputs whose changes trigger a replacement (``replaceOnChanges``)."""
    aliases: Sequence[Mapping[str, Any]] = ()
    """Former identities, in the form used by ``pulumi_state.aliases.Alias``."""
    dependencies: Sequence[str] = ()
    """URNs of the resources that it depends on."""


@dataclass(frozen=True)
class Evaluated:
    """The result of evaluating a stack."""

    refused: str | None = None
    """Why it could not be evaluated."""
    urn: str = ""
    project: str = ""
    resources: Sequence[Resource] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    provider: Mapping[str, Any] = field(default_factory=dict)
    """The provider's configuration."""


Stacks = dict[str, Evaluated]
Layout = Callable[[Path], Path]
"""Receives an empty folder for a project's files; returns the project's folder, which may be elsewhere."""


def evaluate(project: Path, timeout: float = 60.0) -> Stacks:
    """Evaluate all stacks of a project; ``timeout`` is in seconds."""
    with Evaluator() as evaluator:
        (stacks,) = evaluator.evaluate([lambda _folder: project], timeout)
    return stacks


class Evaluator:
    """A process that evaluates projects; its files are deleted when the ``with`` block exits."""

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="snu-diff-", ignore_cleanup_errors=True)
        self._place = Path(self._temporary.name).resolve()
        self._errors = self._place / "errors"
        self._running = ExitStack()
        home = {"HOME": str(self._place), "XDG_CONFIG_HOME": str(self._place)}
        with self._errors.open("wb") as errors:
            running = bound_process(
                [sys.executable, "-P", "-m", "ops.program.evaluator"],
                cwd=self._place,
                env=program_environment(process_environment()) | home | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                grace=0.0,
            )
            self._process = self._running.enter_context(running)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the process and everything started by a program."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._running.close()
        self._temporary.cleanup()

    def evaluate(self, layouts: Sequence[Layout], timeout: float) -> list[Stacks]:
        """Evaluate all stacks of each project; ``timeout`` is the total in seconds. Layouts may raise."""
        for number, lay_out in enumerate(layouts):
            folder = self._place / f"files-{number}"
            folder.mkdir()
            self._ask(number, lay_out(folder))
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        late = None
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = f"the program did not finish within {timeout:g} seconds"
        found = [self._answer(number, late) for number in range(len(layouts))]
        names = {name for side in found for name in side if name != _EVERY}
        return [_of_each(side, names) for side in found]

    def _ask(self, number: int, directory: Path) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        request = {"directory": str(directory), "answer": str(self._file("answer", number))}
        with suppress(BrokenPipeError):
            pipe.write(json.dumps(request | {"errors": str(self._file("errors", number))}).encode() + b"\n")
            pipe.flush()

    def _file(self, kind: str, number: int) -> Path:
        return self._place / f"{kind}-{number}"

    def _answer(self, number: int, late: str | None) -> Stacks:
        found = None
        with suppress(OSError), self._file("answer", number).open("rb") as answer:
            found = _parsed(answer)
        if found is not None:
            return found
        return {_EVERY: Evaluated(refused=late or safe(f"its evaluation failed: {self._last_error(number)}"))}

    def _last_error(self, number: int) -> str:
        for file in (self._file("errors", number), self._errors):
            with suppress(OSError):
                if text := file.read_text(encoding="utf-8", errors="replace").strip():
                    return text.splitlines()[-1]
        return "no error message"


_EVERY = ""
"""Used instead of a stack name for a result that applies to every stack."""


def _of_each(found: Stacks, names: Iterable[str]) -> Stacks:
    """A revision's results by stack; a single result may apply to every stack."""
    if _EVERY in found:
        return dict.fromkeys(names, found[_EVERY]) or found
    return found


# --- the answer, which the program may have forged ------------------------------------------------------------------


def _parsed(output: IO[bytes]) -> Stacks | None:
    """The results, or None if they are invalid."""
    text = output.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        return None
    try:
        return {safe(name): _stack(found) for name, found in json.loads(text)["stacks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _stack(found: Mapping[str, Any]) -> Evaluated:
    if "refused" in found:
        lines = str(found["refused"])[:_LONGEST_REFUSAL].splitlines()
        return Evaluated(refused="\n".join(safe(line) for line in lines) or "no reason given")
    return Evaluated(
        urn=safe(str(found["urn"])),
        project=safe(str(found["project"])),
        resources=[_resource(item) for item in found["resources"]],
        outputs=dict(found["outputs"]),
        provider=dict(found["provider"]),
    )


def _resource(found: Mapping[str, Any]) -> Resource:
    return Resource(
        **{key: safe(str(found[key])) for key in ("urn", "type", "name", "parent")},
        custom=bool(found["custom"]),
        protect=bool(found["protect"]),
        inputs=dict(found["inputs"]),
        ignored=frozenset(map(str, found["ignoreChanges"])),
        replacing=frozenset(map(str, found["replaceOnChanges"])),
        aliases=[dict(alias) for alias in found["aliases"]],
        dependencies=[safe(str(urn)) for urn in found["dependencies"]],
    )
