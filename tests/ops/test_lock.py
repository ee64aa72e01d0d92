"""One run at a time on a stack: who has the lock, when it is stale, and what a lost one leads to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state import lock as locks
from ops.state.history import Update, updates_of
from ops.state.lock import Liveness, acquire, locks_of, unlock
from pulumi_state.process import Process
from pulumi_state.store import ConflictError, StoreError, layout
from pulumi_state.store.folder import FolderStore
from tests.support.forks import REAL_PYTHON

KEY = f"{layout.snu_prefix('locks', 'snu', 'dev')}.json"
PULUMIS = f"{layout.locks('snu', 'dev')}some-id.json"
ELSEWHERE = Process(os.getpid(), "another boot", "another namespace", "1")
MINUTE = 60


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture(scope="module")
def ended() -> Process:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.from_pid(process.pid)
    assert found.boot
    return found


@pytest.fixture
def beside() -> Iterator[Process]:
    """A process that runs, and is not this one."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield Process.from_pid(process.pid)


class Lost:
    """Notes that a lock was lost."""

    def __init__(self) -> None:
        self.noticed = threading.Event()

    def __call__(self) -> None:
        self.noticed.set()


def take(store: FolderStore, timeout: float = 0.0, on_lost: Lost | None = None) -> locks.HeldLock:
    return acquire(
        store, "snu", "dev", "snu up", timeout=timeout, on_wait=lambda _text: None, on_lost=on_lost or Lost()
    )


def write(store: FolderStore, process: Process, *, minutes_ago: float = 0.0, **fields: Any) -> None:
    """A lock of another owner, renewed so many minutes ago."""
    record = {
        "version": 2,
        "id": "1",
        "user": "ann",
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(),
        "purpose": "snu up",
        "process": asdict(process),
        "engine": None,
        "renewals": 3,
    }
    store.write(KEY, json.dumps(record | fields).encode())
    set_back(store, KEY, minutes_ago)


def set_back(store: FolderStore, key: str, minutes: float) -> None:
    then = time.time() - minutes * MINUTE
    os.utime(store.path(key), (then, then))


def write_pulumis(store: FolderStore, pid: int, **fields: Any) -> None:
    """A lock as the Pulumi CLI writes it."""
    lock = {"pid": pid, "username": "cli", "hostname": socket.gethostname(), "timestamp": "2026-01-02T03:04:05Z"}
    store.write(PULUMIS, json.dumps(lock | fields).encode())


def liveness(store: FolderStore) -> list[Liveness]:
    return [each.liveness for each in locks_of(store, "snu", "dev")]


# --- taken, waited for, released ------------------------------------------------------------------------


def test_held_and_free_again(store: FolderStore) -> None:
    with take(store):
        (lock,) = locks_of(store, "snu", "dev")
        assert f"(pid {os.getpid()}) for snu up, since 20" in lock.owner
        with pytest.raises(OpsError, match=r"dev is locked by .*for snu up, since .*--lock-timeout") as refused:
            take(store)
        assert refused.value.code is ExitCode.LOCKED
    assert locks_of(store, "snu", "dev") == []
    with take(store):
        pass


def test_waits_and_says_for_whom(store: FolderStore) -> None:
    said: list[str] = []
    held = take(store)
    held.__enter__()

    def on_wait(text: str) -> None:
        said.append(text)
        held.__exit__()

    with acquire(store, "snu", "dev", "snu up", timeout=60.0, on_wait=on_wait, on_lost=Lost()):
        pass
    (line,) = said
    assert line.startswith("Waiting for ")
    assert f"(pid {os.getpid()}) for snu up, since" in line


def test_of_many_one_has_it(store: FolderStore) -> None:
    inside, most, failures = 0, 0, []
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        try:
            with take(store, timeout=60.0):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.01)
                with guard:
                    inside -= 1
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert most == 1


# --- stale or not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes_ago", [0, 200])
def test_the_lock_of_a_process_that_has_ended_is_taken_over(
    store: FolderStore, ended: Process, minutes_ago: float
) -> None:
    write(store, ended, minutes_ago=minutes_ago)
    assert liveness(store) == [Liveness.ENDED]
    with take(store):
        pass


def test_a_process_number_that_is_used_again_is_another_process(store: FolderStore) -> None:
    """The owner has ended, and its number is now that of a process which has nothing to do with it."""
    current = Process.current()
    write(store, Process(current.pid, current.boot, current.namespace, "1"))
    with take(store):
        pass


@pytest.mark.parametrize(
    "process",
    [
        ELSEWHERE,
        Process(99_999_999, "another boot", "another namespace", "1"),
        Process(99_999_999, Process.current().boot, "another namespace", "1"),
        Process(99_999_999),
    ],
    ids=["elsewhere", "no such number here", "another container of this machine", "unknown system"],
)
def test_of_other_machines_and_containers_only_silence_is_known(store: FolderStore, process: Process) -> None:
    """Whatever they call themselves: the lock has this machine's host name."""
    write(store, process, minutes_ago=9)
    assert liveness(store) == [Liveness.RUNNING]
    with pytest.raises(OpsError, match="locked by ann@"):
        take(store)
    set_back(store, KEY, 11)
    assert liveness(store) == [Liveness.SILENT]
    with take(store):
        pass


def test_a_paused_owner_keeps_its_lock_until_somebody_unlocks(store: FolderStore, beside: Process) -> None:
    write(store, beside, minutes_ago=200)
    assert liveness(store) == [Liveness.STALLED]
    with pytest.raises(OpsError, match="locked by ann@"):
        take(store)
    (lock,) = locks_of(store, "snu", "dev")
    assert lock.liveness.is_stale
    unlock(store, lock)
    with take(store):
        pass


def test_a_container_of_this_machine_does_not_take_the_lock(store: FolderStore) -> None:
    """It has the same host name, and a process there may have the owner's number."""
    script = (
        "import sys; from pathlib import Path; from ops.state.lock import acquire; "
        "from pulumi_state.store.folder import FolderStore; "
        "acquire(FolderStore(Path(sys.argv[1])), 'snu', 'dev', 'x', timeout=0, on_wait=print, on_lost=print)"
    )
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", REAL_PYTHON, "-c", script]
    with take(store):
        ran = subprocess.run([*inside, str(store.path(""))], capture_output=True, text=True)
    if ran.stderr.startswith("unshare: "):
        pytest.skip(ran.stderr)
    assert "OpsError: dev is locked by" in ran.stderr


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_reader_with_a_wrong_clock_takes_no_lock(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    write(store, ELSEWHERE)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    with pytest.raises(OpsError, match="locked by ann@"):
        take(store)


def test_an_owner_with_a_wrong_clock_loses_no_lock(store: FolderStore) -> None:
    write(store, ELSEWHERE, since="1999-01-01T00:00:00+00:00")
    with pytest.raises(OpsError, match=r"locked by ann@.*since 1999"):
        take(store)


# --- other formats --------------------------------------------------------------------------------------

_UNDATED = json.dumps(
    {
        "version": 2,
        "id": "1",
        "user": "ann",
        "host": "h",
        "since": "some day",
        "purpose": "snu up",
        "process": asdict(ELSEWHERE),
        "engine": None,
    }
).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"version": 3}', "a newer version of snu (lock format 3; this version reads 2)"),
        (b'{"id": "1", "host": "h", "pid": 1}', "an older version of snu (lock format 1; this version reads 2)"),
        (b"{", "an unknown owner (the lock is damaged)"),
        (b"[]", "an unknown owner (the lock is damaged)"),
        (b'{"version": 2}', "an unknown owner (the lock is damaged)"),
        pytest.param(_UNDATED, "an unknown owner (the lock is damaged)", id="without a time"),
    ],
)
def test_a_lock_that_cannot_be_read_is_respected(store: FolderStore, content: bytes, said: str) -> None:
    store.write(KEY, content)
    set_back(store, KEY, 200)
    with pytest.raises(OpsError, match="is locked by") as refused:
        take(store)
    assert said in str(refused.value)
    (lock,) = locks_of(store, "snu", "dev")
    assert not lock.liveness.is_stale
    unlock(store, lock)
    with take(store):
        pass


def test_an_older_version_cannot_read_the_lock(store: FolderStore) -> None:
    """It made a dataclass of exactly these fields, and refused the stack where that failed."""
    older = {"id", "user", "host", "pid", "since", "purpose", "renewed"}
    with take(store):
        item = store.read(KEY)
        assert item is not None
        assert not set(json.loads(item.content)) <= older


# --- Pulumi's own locks ---------------------------------------------------------------------------------


def test_a_lock_of_the_cli_is_never_taken_for_stale(store: FolderStore, ended: Process) -> None:
    """It says no more than a number and a host name, which may be those of another machine."""
    for pid in (os.getpid(), ended.pid):
        write_pulumis(store, pid)
        assert liveness(store) == [Liveness.UNKNOWN]
        with pytest.raises(OpsError, match=r"locked by cli@.*\(pid \d+\) for pulumi, since 2026-01-02T03:04:05Z"):
            take(store)
    assert [each.liveness for each in locks_of(store, "snu", "dev")] == [Liveness.UNKNOWN], "snu's lock was left"
    store.delete(PULUMIS)
    with take(store):
        pass


@pytest.mark.parametrize(
    "timestamp", ["2026-01-02T03:04:05.123456789Z", "2026-01-02T04:04:05+01:00", "2026-01-02T03:04:05Z"]
)
def test_both_kinds_of_locks_read_alike(store: FolderStore, beside: Process, timestamp: str) -> None:
    write(store, beside, since="2026-01-02T03:04:05.678901+00:00")
    write_pulumis(store, beside.pid, timestamp=timestamp)
    host, pid = socket.gethostname(), beside.pid
    assert [each.owner for each in locks_of(store, "snu", "dev")] == [
        f"ann@{host} (pid {pid}) for snu up, since 2026-01-02T03:04:05Z",
        f"cli@{host} (pid {pid}) for pulumi, since 2026-01-02T03:04:05Z",
    ]


def test_the_lock_of_the_cli_of_a_run_that_ended_is_known(store: FolderStore, ended: Process, beside: Process) -> None:
    write(store, ended, engine=asdict(beside))
    write_pulumis(store, beside.pid)
    with pytest.raises(OpsError, match="locked by cli@"):
        take(store)
    assert liveness(store) == [Liveness.ENDED, Liveness.RUNNING]
    write(store, ended, engine=asdict(ended))
    write_pulumis(store, ended.pid)
    with take(store):
        assert liveness(store) == [Liveness.RUNNING, Liveness.ENDED], "known to the next owner as well"


def test_a_run_notes_the_cli_that_works_for_it(store: FolderStore, beside: Process) -> None:
    with take(store) as held:
        write_pulumis(store, beside.pid)
        assert liveness(store) == [Liveness.RUNNING, Liveness.UNKNOWN]
        held.record_engine(beside.pid)
        assert liveness(store) == [Liveness.RUNNING, Liveness.RUNNING]


def test_the_lock_of_a_killed_cli_is_known_though_its_run_ended(store: FolderStore) -> None:
    """Only the CLI was killed, for want of memory perhaps: the run reports that and releases its own lock."""
    with suppress(ZeroDivisionError), take(store) as held, subprocess.Popen(["sleep", "60"]) as killed:
        held.record_engine(killed.pid)
        write_pulumis(store, killed.pid, hostname=socket.gethostname())
        killed.kill()
        killed.wait()
        raise ZeroDivisionError
    assert liveness(store) == [Liveness.ENDED]
    with take(store):
        assert liveness(store) == [Liveness.RUNNING, Liveness.ENDED]
    assert liveness(store) == [Liveness.ENDED], "known until it is removed"
    (lock,) = locks_of(store, "snu", "dev")
    unlock(store, lock)
    with take(store):
        pass
    write_pulumis(store, killed.pid)
    assert liveness(store) == [Liveness.UNKNOWN], "the number says nothing"


def test_a_silent_run_leaves_no_lock_of_the_embedded_engine(store: FolderStore) -> None:
    write(store, ELSEWHERE, minutes_ago=11)
    write_pulumis(store, ELSEWHERE.pid, snuProcess=asdict(ELSEWHERE))
    assert liveness(store) == [Liveness.SILENT, Liveness.SILENT]
    with take(store):
        assert liveness(store) == [Liveness.RUNNING]


def test_the_cli_s_notes_beside_its_locks_are_no_locks(store: FolderStore) -> None:
    """In a folder the CLI writes a second file for each, which stays when only the lock is removed."""
    write_pulumis(store, os.getpid())
    store.write(f"{PULUMIS}.attrs", b'{"user.content_type": "", "md5": "AAAA"}')
    (lock,) = locks_of(store, "snu", "dev")
    unlock(store, lock)
    with take(store):
        pass


# --- renewed, lost --------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_RENEW_SECONDS", 0.01)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("quick")
def test_a_lock_is_renewed(store: FolderStore) -> None:
    def renewals() -> int:
        item = store.read(KEY)
        return int(json.loads(item.content)["renewals"]) if item else 0

    with take(store):
        until(lambda: renewals() >= 3)
    assert locks_of(store, "snu", "dev") == []


class Unreliable(FolderStore):
    """Loses requests before they are carried out, or their answers, in turn."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.writes = 0

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        self.writes += 1
        if self.writes % 3 == 0:
            raise StoreError("no connection")
        tag = super().write(key, content, expected)
        if self.writes % 3 == 1:
            raise StoreError("the answer was lost")
        return tag


@pytest.mark.usefixtures("quick")
def test_a_lock_survives_lost_requests_and_lost_answers(tmp_path: Path) -> None:
    store = Unreliable(tmp_path)
    store.writes = 1  # the lock itself is taken
    lost = Lost()
    with take(store, on_lost=lost) as held:
        until(lambda: store.writes > 20)
        assert not held.lost
    assert not lost.noticed.is_set()


@pytest.mark.usefixtures("quick")
def test_a_lost_lock_is_noticed_and_not_taken_back(store: FolderStore) -> None:
    lost = Lost()
    with take(store, on_lost=lost) as held:
        write(store, ELSEWHERE)
        assert lost.noticed.wait(60)
        assert held.lost
    (left,) = locks_of(store, "snu", "dev")
    assert left.owner.startswith("ann@")


def test_a_lock_that_was_lost_is_noticed_at_the_end(store: FolderStore) -> None:
    with take(store) as held:
        write(store, ELSEWHERE)
    assert held.lost
    (left,) = locks_of(store, "snu", "dev")
    assert left.owner.startswith("ann@")


def test_only_the_lock_that_was_shown_is_removed(store: FolderStore, ended: Process) -> None:
    write(store, ended)
    (shown,) = locks_of(store, "snu", "dev")
    with take(store):
        with pytest.raises(OpsError, match="has changed since it was read"):
            unlock(store, shown)
        (now,) = locks_of(store, "snu", "dev")
        assert f"(pid {os.getpid()})" in now.owner


def test_a_store_without_an_answer_takes_nobody_s_lock(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(*_arguments: object) -> str:
        raise ConflictError("somebody was faster")

    monkeypatch.setattr(store, "write", conflict)
    with pytest.raises(OpsError, match="dev is locked by another run"):
        take(store)


# --- runs that never ended ------------------------------------------------------------------------------


def interrupted(store: FolderStore) -> list[Update]:
    return [each for each in updates_of(store, "snu", "dev", 10) if each.is_interrupted]


def add_record(store: FolderStore, who: str, begun: datetime) -> None:
    """As an engine does at the end of a run of a second."""
    start = int(begun.timestamp())
    environment = {"exec.kind": "cli", "exec.agent": f"snu/{who}"}
    record = {"kind": "update", "result": "failed", "startTime": start, "endTime": start + 1}
    key = f"{layout.history('snu', 'dev')}dev-{start + 1}000000000.history.json"
    store.write(key, json.dumps(record | {"environment": environment}).encode())


BEGUN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WHO = f"ann@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("command", "kind"), [("snu up", "update"), ("snu destroy", "destroy"), ("snu apply of plan 1a", "update")]
)
def test_a_run_that_was_killed_is_recorded_once(store: FolderStore, ended: Process, command: str, kind: str) -> None:
    write(store, ended, purpose=command, since=BEGUN.isoformat(), engine_name="embedded", minutes_ago=3)
    for _ in range(2):
        with take(store):
            (found,) = interrupted(store)
            assert (found.kind, found.who, found.engine, found.message) == (kind, WHO, "embedded", command)
            assert found.begun == BEGUN.replace(microsecond=0)
            assert found.begun + timedelta(seconds=found.seconds) < datetime.now(UTC) - timedelta(minutes=2)
            assert found.changes == {}


def test_a_silent_run_is_recorded(store: FolderStore) -> None:
    write(store, ELSEWHERE, minutes_ago=11)
    with take(store):
        assert [each.who for each in interrupted(store)] == [WHO]


@pytest.mark.parametrize("blocked", ["running", "cli"])
def test_a_run_that_may_go_on_is_not_recorded(
    store: FolderStore, ended: Process, beside: Process, blocked: str
) -> None:
    """Its Pulumi CLI may still write its own record."""
    if blocked == "running":
        write(store, beside)
    else:
        write(store, ended, engine=asdict(beside))
        write_pulumis(store, beside.pid)
    with pytest.raises(OpsError):
        take(store)
    assert interrupted(store) == []


@pytest.mark.parametrize(
    ("who", "later", "expected"),
    [(WHO, 0, 0), (WHO, 5, 0), (WHO, -5, 1), ("bob@elsewhere", 5, 1)],
    ids=["its own", "its own, later", "of an earlier run", "of somebody else's"],
)
def test_a_run_with_a_record_of_its_own_has_ended(
    store: FolderStore, ended: Process, who: str, later: int, expected: int
) -> None:
    write(store, ended, since=BEGUN.isoformat())
    add_record(store, who, BEGUN + timedelta(seconds=later))
    with take(store):
        assert len(interrupted(store)) == expected


def test_two_that_find_it_record_it_once(store: FolderStore, ended: Process) -> None:
    write(store, ended, since=BEGUN.isoformat())
    (lock,) = locks_of(store, "snu", "dev")
    assert lock.interrupted is not None
    threads = [threading.Thread(target=lock.interrupted.record, args=(store, "snu", "dev")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with take(store):
        assert len(interrupted(store)) == 1


def test_whoever_cannot_record_it_leaves_the_lock(
    store: FolderStore, ended: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, ended, since=BEGUN.isoformat())
    before = store.read(KEY)
    with monkeypatch.context() as patched:
        patched.setattr(store, "write", _raise)
        with pytest.raises(StoreError):
            take(store)
    assert store.read(KEY) == before
    with take(store):
        assert len(interrupted(store)) == 1


def _raise(*_arguments: object) -> str:
    raise StoreError("no connection")


def test_a_lock_says_whose_it_is_in_ci(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner's user and machine say nothing."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    with take(store):
        (lock,) = locks_of(store, "snu", "dev")
    assert lock.owner.startswith("ann@github (pid ")
