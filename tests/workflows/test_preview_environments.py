"""A preview environment comes up and goes down as its pull request asks, whatever the order of events and jobs.

The jobs are those that the workflows start, with their conditions and groups, and run the commands' own code on an
environment in memory. They take turns: each can be overtaken wherever it asks GitHub, waits for the lock, or works.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from infra.settings.models import Previews
from ops.commands import env
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import PullRequest
from ops.previews import comment, deployment, metadata
from ops.previews.cloud import CloudObject, CloudObjects
from ops.previews.inventory import RecordedState
from ops.pull_request import CommentResult, Outcome
from ops.scaleway.catalogue import CONTAINER
from ops.session import Options
from tests.support.memory_store import MemoryStore
from tests.support.workflow import Job, started_by

NAME = "pr-7"
REPOSITORY = "octo/snu"
LABEL = "preview"
ALL = 100
"""More turns than any run needs."""
HUB = env.GitHubOptions(REPOSITORY, "https://api.github.com")


class CancelledError(BaseException):
    """Somebody cancels the run on GitHub."""


class Run:
    """A job in a thread of its own, which works only while the test waits for it."""

    def __init__(self, job: Job, world: World) -> None:
        self.job = job
        self.world = world
        self.ended_well: bool | None = None
        """None before its end."""
        self.cancelled = False
        self._error: Exception | None = None
        (self.command,) = [shlex.split(line.partition("||")[0]) for line in job.commands]
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def brings_up(self) -> bool:
        return "up" in self.command

    def turn(self) -> None:
        """Let it work as far as it gets in one turn."""
        self.world.current = self
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def pause(self) -> None:
        """Its turn is over."""
        self._back.release()
        self._go.acquire()
        if self.cancelled:
            raise CancelledError

    def _work(self) -> None:
        try:
            self.ended_well = self.world.execute(self.command)
        except CancelledError:
            self.ended_well = False
        except Exception as error:
            self._error = error
        finally:
            self._back.release()


@dataclass
class World:
    """A pull request, its environment, and GitHub's runs."""

    label: str | None
    is_open: bool = True
    labels: set[str] = field(default_factory=set)
    store: MemoryStore = field(default_factory=MemoryStore)
    things: bool = False
    """Whether anything of the environment is in the cloud."""
    complete: bool = False
    fails: bool = False
    """Whether the next deploy does."""
    owner: Run | None = None
    """Of the lock."""
    current: Run | None = None
    running: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    """Each for the one of its group that runs."""

    @property
    def wanted(self) -> bool:
        return self.is_open and (self.label is None or self.label in self.labels)

    # --- GitHub -----------------------------------------------------------------------------------------

    def event(self, action: str) -> list[Job]:
        known = {
            "github.repository": REPOSITORY,
            "github.event.number": "7",
            "github.event.pull_request.state": "open" if self.is_open else "closed",
            "github.event.pull_request.head.repo.full_name": REPOSITORY,
        }
        jobs = list(started_by("pull_request", action, known | {"github.ref": "refs/pull/7/merge"}))
        return [job for job in jobs if any("scripts/snu env" in line for line in job.commands)]

    def queue(self, job: Job) -> None:
        for other in [run for run in self.waiting if run.job.group == job.group]:
            self.waiting.remove(other)
        if job.cancels_running:
            for other in [run for run in self.running if run.job.group == job.group]:
                self.cancel(other)
        self.waiting.append(Run(job, self))
        self.start()

    def start(self) -> None:
        """What waits and may run does."""
        for run in [*self.waiting]:
            if run.job.group not in {other.job.group for other in self.running}:
                self.waiting.remove(run)
                self.running.append(run)

    def turn(self, run: Run) -> None:
        run.turn()
        if run.ended_well is not None:
            self.running.remove(run)
            self.start()

    def cancel(self, run: Run) -> None:
        run.cancelled = True
        self.turn(run) if run._thread.ident else self.running.remove(run)
        while run in self.running:
            self.turn(run)
        self.start()

    def drain(self) -> Iterator[Run]:
        """Let all runs come to their ends; gives each."""
        while self.running:
            for run in [*self.running]:
                self.turn(run)
                if run.ended_well is not None:
                    yield run

    # --- what the commands see --------------------------------------------------------------------------

    def pause(self) -> None:
        assert self.current is not None
        self.current.pause()

    def execute(self, command: list[str]) -> bool:
        """Whether the step ends well."""
        meant = env.PreviewSelector(7, None)
        assert command[:2] == ["scripts/snu", "env"]
        try:
            if command[2] == "up":
                options = Options(yes=True, lock_timeout=1)
                env.up(None, meant, HUB, EngineChoice.AUTO, env.ImageBuild(None, None, 1), options, as_json=False)
            else:
                env.down(None, meant, HUB, EngineChoice.AUTO, 1, if_unwanted="--if-unwanted" in command)
        except OpsError as error:
            return error.code is ExitCode.NOT_WANTED
        return True

    def pull_request(self, number: int) -> PullRequest:
        found = PullRequest(number, self.is_open, "feature", REPOSITORY, frozenset(self.labels), "c" * 40)
        self.pause()  # what it says may not be true any more
        return found

    def list_objects(self) -> CloudObjects:
        return CloudObjects((CloudObject(CONTAINER, f"{NAME}-api", "id", NAME),) if self.things else (), ())

    @contextmanager
    def locked(self, *_: object) -> Iterator[None]:
        run = self.current
        while self.owner is not None:
            self.pause()
        self.owner = run
        try:
            yield
        finally:
            self.owner = None


class Stack:
    """Stands for `PreviewStack`."""

    world: ClassVar[World]

    def __init__(self) -> None:
        self.name = NAME
        self.session = SimpleNamespace(locked=self.world.locked)

    @classmethod
    def open(cls, *_: object, **__: object) -> Stack:
        return cls()

    @property
    def state(self) -> RecordedState | None:
        from datetime import UTC, datetime

        return RecordedState(datetime.now(UTC), 1, {}, None) if self.world.things else None

    def recover(self) -> None:
        self.world.pause()

    def warn_of_missing_keys(self) -> None:
        """Reads the secret document, which the world does not have."""

    def up(self, _options: Options) -> None:
        self.world.things, self.world.complete = True, False
        self.world.pause()
        if self.world.fails:
            self.world.fails = False
            raise OpsError("a container is in error", ExitCode.CONTAINERS)
        self.world.complete = True
        self.world.pause()

    def destroy(self, _options: Options) -> None:
        self.world.complete = False
        self.world.pause()
        self.world.things = False

    def forget(self) -> None:
        metadata.remove(self.world.store, "snu", NAME)


def plant(patch: pytest.MonkeyPatch, world: World) -> None:
    """Put the world where the commands look."""
    Stack.world = world
    parent = SimpleNamespace(
        template=SimpleNamespace(parent="ci", longest_name=20),
        rules=Previews.model_validate({"expireAfter": 24, "label": world.label}),
        store=world.store,
        project="snu",
        project_dir=Path(),
    )
    github = SimpleNamespace(repository=SimpleNamespace(name=REPOSITORY), pull_request=world.pull_request)
    cloud = SimpleNamespace(
        list_objects=world.list_objects,
        stop_runs=lambda _name: None,
        wait_until_gone=lambda *_: world.list_objects().objects,
    )

    def stacks(*_: object) -> dict[str, Any]:
        return {NAME: world.store.now} if world.things else {}

    for name, value in {
        "ops.commands.env.Parent": SimpleNamespace(find=lambda *_: parent),
        "ops.commands.env.Cloud": lambda _parent: cloud,
        "ops.commands.env.GitHubOptions.connect": lambda *_: github,
        "ops.commands.env.project_dir": lambda _folder: Path(),
        "ops.previews.up.builds.build": lambda *_, **__: world.pause(),
        "ops.previews.up.write_file": lambda *_: None,
        "ops.previews.up._report": lambda *_: SimpleNamespace(markdown=str),
        "ops.previews.up._result": lambda _stack: SimpleNamespace(name=NAME, urls={}),
        "ops.previews.down.remove_files": lambda *_: None,
        "ops.previews.inventory.stacks_in": stacks,
        "ops.previews.inventory.state_of": lambda *_: Stack().state,
        "ops.previews.sweep.stacks_in": stacks,
        **{f"ops.previews.{module}.PreviewStack": Stack for module in ("up", "down", "sweep")},
    }.items():
        patch.setattr(name, value)
    patch.setattr(comment, "write", lambda *_, **__: CommentResult(Outcome.EDITED, "", 0))
    patch.setattr(comment, "redacted", lambda *_: "")
    patch.setattr(deployment, "report", lambda *_: None)
    patch.setattr(deployment, "end", lambda *_: None)


@pytest.mark.parametrize("before", range(10))
@pytest.mark.parametrize(
    "changes",
    [
        ("closed", "labeled another"),  # what waits to take it down must not be driven out
        ("unlabeled preview",),
        ("closed", "reopened", "closed"),
        ("closed", "reopened"),
        ("unlabeled preview", "labeled preview", "synchronize"),
    ],
)
def test_changes_while_it_comes_up(changes: tuple[str, ...], before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``before``: so many turns of the first run."""
    world = World(LABEL, labels={LABEL})
    plant(monkeypatch, world)
    for job in world.event("opened"):
        world.queue(job)
    (run,) = world.running
    for _ in range(before):
        if run.ended_well is None:
            world.turn(run)
    for change in changes:
        action, _, label = change.partition(" ")
        world.is_open = {"closed": False, "reopened": True}.get(action, world.is_open)
        world.labels ^= {label} - {""}
        for job in world.event(action):
            world.queue(job)
    assert all(run.ended_well for run in world.drain())
    assert (world.complete, world.things) == (world.wanted, world.wanted)


class PullRequestMachine(RuleBasedStateMachine):
    """Events in any order, and jobs at any pace."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.undelivered: list[list[Job]] = []
        self.down_cancelled = False
        self.last_up_ended_well = True

    @initialize(label=st.sampled_from([None, LABEL]), calm=st.booleans())
    def opened(self, label: str | None, calm: bool) -> None:
        """`calm`: no deploy fails, and nobody cancels a run."""
        self.calm = calm
        self.world = World(label, labels={LABEL})
        plant(self.patch, self.world)
        self.happened("opened", late=False)

    def happened(self, action: str, *, late: bool) -> None:
        self.undelivered.append(self.world.event(action))
        if not late:
            self.deliver(-1)

    def deliver(self, index: int) -> None:
        for job in self.undelivered.pop(index):
            self.world.queue(job)

    @rule(late=st.booleans())
    def pushed(self, late: bool) -> None:
        if self.world.is_open:
            self.happened("synchronize", late=late)

    @rule(late=st.booleans())
    def closed_or_reopened(self, late: bool) -> None:
        self.world.is_open = not self.world.is_open
        self.happened("reopened" if self.world.is_open else "closed", late=late)

    @rule(label=st.sampled_from([LABEL, "another"]), late=st.booleans())
    def labelled_or_unlabelled(self, label: str, late: bool) -> None:
        """Also where it is closed."""
        self.world.labels ^= {label}
        self.happened("labeled" if label in self.world.labels else "unlabeled", late=late)

    @precondition(lambda self: self.undelivered)
    @rule(data=st.data())
    def delivered(self, data: st.DataObject) -> None:
        """GitHub starts the runs of an earlier event, not always in the events' order."""
        self.deliver(data.draw(st.integers(0, len(self.undelivered) - 1)))

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), turns=st.sampled_from([1, 2, 3, 5, 8, ALL]))
    def worked(self, data: st.DataObject, turns: int) -> None:
        run = data.draw(st.sampled_from(self.world.running))
        for _ in range(turns):
            if run.ended_well is None:
                self.world.turn(run)
        self.note(run)

    @precondition(lambda self: self.world.running and not self.calm)
    @rule(data=st.data())
    def cancelled(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.world.running))
        self.world.cancel(run)
        run.ended_well = False
        self.note(run)

    @precondition(lambda self: not self.calm)
    @rule()
    def will_fail(self) -> None:
        self.world.fails = True

    def note(self, run: Run) -> None:
        if run.ended_well is None:
            return
        if run.brings_up:
            self.last_up_ended_well = run.ended_well
        elif not run.ended_well:
            self.down_cancelled = True

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.settle()
        finally:
            self.patch.undo()

    def settle(self) -> None:
        """All is delivered, and every run comes to its end."""
        world = self.world
        world.fails = False
        for jobs in self.undelivered:
            for job in jobs:
                world.queue(job)
        for run in world.drain():
            self.note(run)
        assert world.owner is None
        if world.wanted:
            assert world.complete or not self.last_up_ended_well
            return
        if self.down_cancelled:
            world.pause = lambda: None  # type: ignore[method-assign]  # a double
            env.sweep(None, HUB, EngineChoice.AUTO, yes=True, as_json=False)
        assert not world.things
        assert not world.store.objects


TestPullRequest: Any = PullRequestMachine.TestCase
TestPullRequest.settings = settings(
    max_examples=100, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
