"""One look at a stack's state serves a whole command: its form, what is pending, and whether it was overwritten."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.commands import stack as commands
from ops.commands import state as state_commands
from ops.commands.unlock import unlock_stack
from ops.engines.base import Operation, Result
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.report.base import SilentDisplay
from ops.session import Options, Session
from ops.stacks import Stack
from ops.state.last_run import Observed, remember
from pulumi_state import passphrase
from pulumi_state.compression import compress
from pulumi_state.passphrase import Crypter
from pulumi_state.process import Process
from pulumi_state.store import ABSENT, Entry, Item, layout
from tests.support.memory_store import MemoryStore
from tests.support.settings import ENVIRONMENT, FOUNDATION

PROJECT, STACK = "snu", "dev"
KEY = layout.checkpoint(PROJECT, STACK)
PENDING = {"type": "creating", "resource": {"urn": "urn:pulumi:dev::snu::t::thing"}}


@dataclass
class CountingStore(MemoryStore):
    """Counts what is asked of the state and of what the last run has left."""

    asked: Counter[str] = field(default_factory=Counter)

    def read(self, key: str) -> Item | None:
        self._count("read", key)
        return super().read(key)

    def entries(self, prefix: str) -> list[Entry]:
        self._count("list", prefix)
        return super().entries(prefix)

    def _count(self, request: str, key: str) -> None:
        if key.startswith((KEY, ".snu/last-run/", layout.history(PROJECT, STACK))):
            self.asked[f"{request} {key.split('/')[1]}"] += 1


@dataclass
class Engine:
    """Does nothing, and notes what it was given."""

    converts_state: bool
    name: str = "pulumi"
    refuses_interrupted: bool = True
    given: list[Operation] = field(default_factory=list)

    def preview(self, operation: Operation) -> Result:
        self.given.append(operation)
        operation.on_event({"summaryEvent": {"resourceChanges": {}}})
        return Result(True, {})

    up = preview_destroy = destroy = refresh = preview_refresh = preview


@pytest.fixture(params=[False, True], ids=["embedded", "pulumi"])
def session(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": ENVIRONMENT}))
    (tmp_path / "Pulumi.foundation-test.yaml").write_text(json.dumps({"config": FOUNDATION}))
    monkeypatch.setattr(passphrase, "_ITERATIONS", 10)  # to derive a key takes a while
    monkeypatch.setattr(commands, "start_warning", lambda *_: lambda: None)  # there is no Scaleway to ask
    environ = {"PULUMI_BACKEND_URL": "memory", "PULUMI_CONFIG_PASSPHRASE": "fake-passphrase"}
    found = Session(Stack(tmp_path, STACK, ENVIRONMENT, "passphrase"), Engine(request.param), environ)
    vars(found)["store"] = CountingStore()
    return found


def counts(session: Session) -> Counter[str]:
    assert isinstance(session.store, CountingStore)
    return session.store.asked


def resource(name: str) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:dev::snu::t::{name}", "type": "t", "custom": True, "id": f"id-of-{name}"}


def write_state(session: Session, *resources: dict[str, Any], suffix: str = "", **latest: Any) -> None:
    salt = {"type": "passphrase", "state": {"salt": Crypter.new("fake-passphrase").salt}}
    latest = {"resources": list(resources), "secrets_providers": salt, **latest}
    document = {"version": 3, "checkpoint": {"latest": latest}}
    session.store.write(f"{KEY}{suffix}", compress(json.dumps(document).encode(), suffix))


def overwrite(session: Session) -> None:
    """As a run does that began before the last one."""
    write_state(session, resource("new"))
    began = datetime(2026, 6, 1, 12, tzinfo=UTC)
    remember(session.store, PROJECT, STACK, Observed(began, None, ABSENT, None))
    record = {"kind": "update", "startTime": 1, "endTime": 2, "result": "succeeded"}
    session.store.write(f"{layout.history(PROJECT, STACK)}dev-1.history.json", json.dumps(record).encode())
    write_state(session, resource("old"))
    counts(session).clear()


WARNING = "warning: dev: the state is older than the one left by the run at 2026-06-01 12:00 UTC"


def test_a_preview_looks_once(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(session, pending_operations=[PENDING])
    counts(session).clear()
    commands.preview_json(session, Options())
    assert "creating thing" in capsys.readouterr().err
    assert counts(session) == {"list stacks": 1, "read stacks": 1, "read last-run": 1}


def test_a_run_looks_once_between_taking_the_lock_and_the_end(session: Session) -> None:
    write_state(session, suffix=".gz")
    with session.locked("snu up", Options()):
        before = Counter(counts(session))
        session.require_complete()
        commands.preview_json(session, Options())
        session.run(session.engine.up, Options(), SilentDisplay())
        assert counts(session) == before
    assert isinstance(session.engine, Engine)
    for operation in session.engine.given:
        assert operation.environ.get("PULUMI_DIY_BACKEND_GZIP") == ("true" if session.engine.converts_state else None)


def test_each_lock_looks_again(session: Session) -> None:
    with session.locked("snu up", Options()):
        write_state(session, pending_operations=[PENDING])
        session.require_complete()
    with session.locked("snu up", Options()), pytest.raises(OpsError, match="creating thing"):
        session.require_complete()


READERS: dict[str, Callable[[Session], object]] = {
    "preview": lambda session: session.preview(Options()),
    "preview --json": lambda session: commands.preview_json(session, Options()),
    "preview --markdown -": lambda session: session.preview(Options(), "-"),
    "outputs": lambda session: commands.outputs(session, as_json=True),
    "state show": state_commands.show,
    "state history": lambda session: state_commands.history(session, 5, as_json=True),
    "state backup": lambda session: state_commands.backup(session, None),
}


@pytest.mark.parametrize("command", READERS)
def test_reading_commands_warn_of_an_overwritten_state(
    session: Session, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    overwrite(session)
    READERS[command](session)
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith(WARNING)]
    assert line.endswith("Run `scripts/snu recover dev` to restore the newer state.")
    assert ("**Warning:** dev: the state is older" in said.out) == (command == "preview --markdown -")


@pytest.mark.parametrize("command", READERS)
def test_they_say_nothing_else(session: Session, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(session)
    READERS[command](session)
    assert "warning" not in capsys.readouterr().err


def test_a_killed_run_is_in_the_history_before_and_after_it_is_recorded(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then it is known by its lock; whoever removes that records it."""
    with monkeypatch.context() as patched:
        patched.setattr(Process, "current", lambda: Process(99_999_999, "another boot", "", "1"))
        session._acquire("snu destroy", 0.0)
    assert isinstance(session.store, CountingStore)
    session.store.now += timedelta(minutes=11)

    def shown() -> dict[str, Any]:
        capsys.readouterr()
        state_commands.history(session, 5, as_json=True)
        (killed,) = json.loads(capsys.readouterr().out)["updates"]
        return dict(killed)

    before = shown()
    assert (before["kind"], before["result"], before["message"]) == ("destroy", "interrupted", "snu destroy")
    assert unlock_stack(session, yes=True, force=False) is ExitCode.OK
    assert {**shown(), "seconds": 0} == {**before, "seconds": 0}
    state_commands.history(session, 5, as_json=False)
    assert "interrupted (snu destroy), last seen after" in capsys.readouterr().out


def test_what_runs_may_be_older(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """For status, promotion and clean-up, which run no engine."""
    overwrite(session)
    environment = StackImages.of(session.stack, {})
    vars(environment).update(store=session.store, project=PROJECT)
    assert environment.running == {}
    assert environment.observed.overwritten is not None
    assert capsys.readouterr().err.startswith(WARNING)
    assert counts(session)["read stacks"] == 1
