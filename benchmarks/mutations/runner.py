"""Applies mutations to a copy of a checkout, and runs the tests that execute what was changed."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.coverage import Copy, Module, package_of
from benchmarks.mutations.mutants import Mutation, function_lines

_SLOWER = 2.0
"""How much longer than when they were measured tests may take until they count as hanging."""


class Outcome(enum.StrEnum):
    CAUGHT = "caught"
    TIME_LIMIT = "caught by the time limit"
    SURVIVED = "survived"
    NOT_EXECUTED = "executed by no test"


@dataclass(frozen=True)
class Result:
    """What became of one mutation."""

    mutation: Mutation
    outcome: Outcome
    ran: Sequence[str] = ()
    test: str = ""
    """The test that caught it."""

    @property
    def caught(self) -> bool:
        return self.outcome in (Outcome.CAUGHT, Outcome.TIME_LIMIT)

    @property
    def package(self) -> str:
        return package_of(self.mutation.path)

    def __str__(self) -> str:
        mutation = self.mutation
        return f"{mutation.id}  {mutation.path}:{mutation.line}  {mutation.kind}  {self.outcome}  {self.test}".rstrip()

    def report(self) -> str:
        """With the change, and the test modules that were run."""
        mutation = self.mutation
        lines = [f"{mutation.id}  {mutation.path}:{mutation.line}  {self.outcome}"]
        lines += [f"  - {mutation.before}", f"  + {mutation.after}"]
        return "\n".join([*lines, *([f"  ran: {' '.join(self.ran)}"] if self.ran else [])])


@dataclass
class Runner:
    """Runs tests of a copy of ``checkout``, in which the test modules were measured."""

    copy: Copy
    checkout: Path
    modules: Sequence[Module]
    most_modules: int
    seconds: float
    _stamp: int = field(default_factory=lambda: int(time.time()))

    def run(self, mutation: Mutation) -> Result:
        """Of a mutation of the checkout."""
        modules = self._executing(mutation)
        if not modules:
            return Result(mutation, Outcome.NOT_EXECUTED)
        names = [module.name for module in modules]
        with self._applied(mutation):
            ended = self.copy.run_pytest(["-x", *names], max(self.seconds, _limit(modules)))
        if ended.status is None:
            return Result(mutation, Outcome.TIME_LIMIT, names)
        if ended.status == 0:
            return Result(mutation, Outcome.SURVIVED, names)
        return Result(mutation, Outcome.CAUGHT, names, next(iter(ended.failing), f"exit code {ended.status}"))

    def _executing(self, mutation: Mutation) -> list[Module]:
        """The quickest modules that execute the statement and pass without the mutation.

        What an import executes is executed by many modules that use nothing of the file: those that do are preferred.
        """
        lines, path = mutation.statement_lines, mutation.path
        executing = [m for m in self.modules if m.passed and not lines.isdisjoint(m.lines.get(path, ()))]
        if not mutation.in_function:
            inside = function_lines((self.checkout / path).read_bytes())
            executing = [m for m in executing if not inside.isdisjoint(m.lines[path])] or executing
        chosen: list[Module] = []
        for module in sorted(executing, key=lambda module: module.seconds):
            if len(chosen) == self.most_modules or (chosen and _limit([*chosen, module]) > self.seconds):
                break
            chosen.append(module)
        return chosen

    @contextmanager
    def _applied(self, mutation: Mutation) -> Iterator[None]:
        path = self.copy.folder / mutation.path
        source = path.read_bytes()
        self._write(path, mutation.apply(source))
        try:
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, content: bytes) -> None:
        """With a time of change of its own, in whole seconds: compiled code is known by that and by the size."""
        path.write_bytes(content)
        self._stamp += 1
        os.utime(path, (self._stamp, self._stamp))


def _limit(modules: Iterable[Module]) -> float:
    """Seconds that these modules may take together."""
    return _SLOWER * sum(module.seconds for module in modules)
