"""Runs on two machines work on one stack. Whatever is paused, killed, lost or unlocked: no write is overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ops.errors import OpsError
from ops.state import lock as locks
from ops.state.lock import HeldLock, acquire, locks_of, unlock
from pulumi_state.errors import OverwrittenError, StateError
from pulumi_state.process import Process
from pulumi_state.state_file import StateFile
from pulumi_state.store import StoreError, layout
from tests.support.memory_store import Fault, MemoryStore

STACK = ("snu", "dev")
LOCK = f"{layout.snu_prefix('locks', *STACK)}.json"
SILENCE = timedelta(minutes=10)
RUNS = st.integers(0, 3)
FAULTS = st.lists(st.sampled_from(Fault), min_size=1, max_size=3)


@dataclass
class Run:
    """A process that works on the stack, or may. It is paused whenever no rule chooses it."""

    process: Process
    skew: timedelta
    """How far its machine's clock is from the store's."""
    held: HeldLock | None = None
    file: StateFile | None = None
    written: list[str] = field(default_factory=list)
    """The state as it believes it to be."""


class Locking(RuleBasedStateMachine):
    """Two runs on each of two machines. What a run writes is a list with one more word of its own."""

    @initialize(skews=st.lists(st.integers(-300, 300), min_size=2, max_size=2))
    def begin(self, skews: list[int]) -> None:
        self.store = MemoryStore()
        self.started = 0
        self.certain: list[str] = []
        self.doubtful: set[str] = set()
        self.alive: set[str] = set()
        self.runs = [Run(self._process(number), timedelta(minutes=skews[number % 2])) for number in range(4)]

    def _process(self, number: int) -> Process:
        self.started += 1
        self.alive.add(str(self.started))
        return Process(100 + number, f"boot {number % 2}", "namespace", str(self.started))

    @contextmanager
    def _as(self, run: Run) -> Iterator[None]:
        """What the code under test sees in this run's process: who it is, who runs beside it, and its clock."""

        def runs(process: Process) -> bool | None:
            return process.started in self.alive if process.boot == run.process.boot else None

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return self.store.now + run.skew

        with (
            patch.object(Process, "is_running", property(runs)),
            patch.object(Process, "current", lambda: run.process),
            patch.object(locks, "datetime", Clock),
        ):
            yield

    def _end(self, number: int) -> None:
        """The process ends, and another one may be started in its place."""
        run = self.runs[number]
        self.alive.discard(run.process.started)
        self.runs[number] = Run(self._process(number), run.skew)

    def _state(self) -> list[str]:
        item = self.store.read(layout.checkpoint(*STACK))
        return json.loads(item.content)["checkpoint"]["latest"]["words"] if item else []

    def _owner(self) -> Process | None:
        item = self.store.read(LOCK)
        found = json.loads(item.content) if item else {}
        return Process.parse(found["process"]) if "process" in found else None

    # --- what a run does --------------------------------------------------------------------------------

    @rule(number=RUNS)
    def take(self, number: int) -> None:
        run, before, age = self.runs[number], self._owner(), self.store.age(LOCK)
        if run.held is not None:
            return
        try:
            with self._as(run):
                run.held = acquire(
                    self.store, *STACK, "up", timeout=0, on_wait=lambda _text: None, on_lost=lambda: None
                )
        except OpsError:
            assert before is not None, "refused though nobody has it"
            return
        except StoreError:
            self._end(number)
            return
        if before is not None:
            ended = before.started not in self.alive and before.boot == run.process.boot
            silent = before.boot != run.process.boot and age is not None and age >= SILENCE
            assert ended or silent, f"taken from {before}, renewed {age} ago"
        run.file = StateFile(self.store, *STACK)
        run.file.read()
        run.written = self._state()

    @rule(number=RUNS, faults=FAULTS)
    def write(self, number: int, faults: list[Fault]) -> None:
        for fault in faults:
            self.store.fault = fault
            self._write(self.runs[number])

    def _write(self, run: Run) -> None:
        if run.file is None:
            return
        self.started += 1
        mine = f"{run.process.started}:"
        word = f"{mine}{self.started}"
        latest = {"version": 3, "checkpoint": {"latest": {"words": [*run.written, word]}}}
        try:
            run.file.write(json.dumps(latest))
        except OverwrittenError:
            assert any(not each.startswith(mine) for each in set(self._state()) ^ set(run.written)), "nobody else wrote"
            run.file = None
        except StateError:
            self.doubtful.add(word)
        else:
            run.written.append(word)
            self.certain.append(word)

    @rule(number=RUNS, faults=FAULTS)
    def renew(self, number: int, faults: list[Fault]) -> None:
        run = self.runs[number]
        for fault in faults:
            if run.held is None:
                return
            self.store.fault = fault
            mine = self._owner() == run.process
            with self._as(run):
                run.held.renew()
            assert not (run.held.lost and mine), "lost though nobody has taken it"
            assert run.held.lost or mine or fault is not Fault.NONE, "a lost lock was not noticed"
            if run.held.lost:
                run.held = run.file = None

    @rule(number=RUNS)
    def finish(self, number: int) -> None:
        run = self.runs[number]
        if run.held is not None:
            mine, answered = self._owner() == run.process, self.store.fault is Fault.NONE
            run.held._write(locks._released())
            assert run.held.lost is not mine or not answered
        self._end(number)

    @rule(number=RUNS)
    def kill(self, number: int) -> None:
        self._end(number)

    # --- what happens around it -------------------------------------------------------------------------

    @rule(number=RUNS)
    def unlock_what_is_stale(self, number: int) -> None:
        """What is silent or whose owner has ended can always be removed, and nothing else is."""
        owner, age, run = self._owner(), self.store.age(LOCK), self.runs[number]
        with self._as(run), suppress(StoreError):
            for each in locks_of(self.store, *STACK):
                if each.liveness.is_stale:
                    unlock(self.store, each)
        if owner is None or age is None:
            return
        stale = age >= SILENCE or (owner.boot == run.process.boot and owner.started not in self.alive)
        assert not (self._owner() is None and not stale), f"removed from {owner}, renewed {age} ago"

    @rule(number=RUNS)
    def unlock_by_force(self, number: int) -> None:
        with self._as(self.runs[number]), suppress(StoreError):
            for each in locks_of(self.store, *STACK):
                unlock(self.store, each)

    @rule(minutes=st.sampled_from([1, 9, 11, 200]))
    def time_passes(self, minutes: int) -> None:
        self.store.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.store.fault is Fault.NONE)
    @rule(fault=st.sampled_from([Fault.REQUEST_LOST, Fault.ANSWER_LOST]))
    def connection_breaks(self, fault: Fault) -> None:
        self.store.fault = fault

    # --- what holds -------------------------------------------------------------------------------------

    @invariant()
    def no_write_is_lost_doubled_or_overwritten(self) -> None:
        state = self._state()
        assert len(set(state)) == len(state)
        assert [word for word in state if word not in self.doubtful] == [
            word for word in self.certain if word not in self.doubtful
        ]
        assert set(self.certain) <= set(state)


TestLocking = Locking.TestCase
TestLocking.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
