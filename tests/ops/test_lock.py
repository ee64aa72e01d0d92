"""One at a time on a stack, on every kind of store that the machine has for nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state import lock as locks
from ops.state.lock import Holder, acquire, locks_of, unlock
from pulumi_state.store import layout, open_store
from pulumi_state.store.store import Store

_KEY = f"{layout.own('locks', 'snu', 'dev')}.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}", {})


def take(store: Store, timeout: float = 0.0) -> locks.Held:
    return acquire(store, "snu", "dev", "snu up", timeout=timeout, on_wait=lambda _text: None)


def _ended_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def holder(**fields: object) -> Holder:
    now = datetime.now(UTC).isoformat()
    made = Holder("1", "somebody", socket.gethostname(), os.getpid(), now, "snu up", renewed=now)
    return replace(made, **fields)  # type: ignore[arg-type]


def write(store: Store, held: Holder) -> None:
    store.write(_KEY, json.dumps(asdict(held)).encode())


def write_pulumis(store: Store, pid: int, host: str) -> str:
    key = f"{layout.locks('snu', 'dev')}some-id.json"
    timestamp = datetime.now(UTC).isoformat()
    store.write(key, json.dumps({"pid": pid, "username": "cli", "hostname": host, "timestamp": timestamp}).encode())
    return key


def test_held_and_free_again(store: Store) -> None:
    with take(store):
        (lock,) = locks_of(store, "snu", "dev")
        assert lock.holder.pid == os.getpid()
        with pytest.raises(OpsError, match=r"dev is held by .*for snu up, since .*--lock-timeout") as refused:
            take(store)
        assert refused.value.code is ExitCode.LOCKED
    assert locks_of(store, "snu", "dev") == []
    with take(store):
        pass


def test_the_cli_s_notes_beside_its_locks_are_no_locks(store: Store) -> None:
    """In a folder the CLI writes a second file for each, which stays when only the lock is removed."""
    key = write_pulumis(store, os.getpid(), socket.gethostname())
    store.write(f"{key}.attrs", b'{"user.content_type": "", "md5": "AAAA"}')
    (lock,) = locks_of(store, "snu", "dev")
    assert lock.key == key
    unlock(store, lock)
    with take(store):
        pass


def test_waits_and_says_for_whom(store: Store) -> None:
    said: list[str] = []
    held = take(store)
    held.__enter__()

    def on_wait(text: str) -> None:
        said.append(text)
        held.__exit__()

    with acquire(store, "snu", "dev", "snu up", timeout=60.0, on_wait=on_wait):
        pass
    (line,) = said
    assert line.startswith("Waiting for ")
    assert f"(pid {os.getpid()}) for snu up, since" in line


def test_of_many_one_has_it(store: Store) -> None:
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


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(store: Store) -> None:
    write(store, holder(pid=_ended_process()))
    with take(store):
        pass


def test_a_lock_of_another_machine_is_waited_for(store: Store) -> None:
    write(store, holder(host="elsewhere"))
    with pytest.raises(OpsError, match="somebody@elsewhere"):
        take(store)


def test_a_lock_of_pulumi_s_own_is_waited_for(store: Store) -> None:
    key = write_pulumis(store, os.getpid(), socket.gethostname())
    with pytest.raises(OpsError, match="cli@"):
        take(store)
    store.delete(key)
    with take(store):
        pass


def test_life(store: Store) -> None:
    assert holder().lives is True
    assert holder(pid=_ended_process()).lives is False
    assert holder(host="elsewhere").lives is True
    silent = (datetime.now(UTC) - timedelta(minutes=11)).isoformat()
    assert holder(host="elsewhere", renewed=silent).lives is False
    assert holder(host="elsewhere", renewed="").lives is None


def test_a_holder_says_again_that_it_lives(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_RENEW_SECONDS", 0.05)
    with take(store):
        (first,) = locks_of(store, "snu", "dev")
        deadline = time.monotonic() + 10
        while locks_of(store, "snu", "dev")[0].holder.renewed == first.holder.renewed:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert locks_of(store, "snu", "dev") == []


def test_only_the_lock_that_was_shown_is_removed(store: Store) -> None:
    write(store, holder(pid=_ended_process()))
    (shown,) = locks_of(store, "snu", "dev")
    with take(store):
        with pytest.raises(OpsError, match="is not what it was when it was shown"):
            unlock(store, shown)
        (now,) = locks_of(store, "snu", "dev")
        assert now.holder.pid == os.getpid()


def test_a_lock_that_is_removed_is_not_taken_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when it is renewed the next time, nor when its holder ends."""
    monkeypatch.setattr(locks, "_RENEW_SECONDS", 0.05)
    with take(store):
        (renewing,) = (thread for thread in threading.enumerate() if thread.name == "lock")
        _replace(store, holder(id="2", user="another"))
        renewing.join(60)
        assert not renewing.is_alive(), "the conflict was not noticed"
        (left,) = locks_of(store, "snu", "dev")
        assert left.holder.user == "another"
    (left,) = locks_of(store, "snu", "dev")
    assert left.holder.user == "another"


def _replace(store: Store, other: Holder) -> None:
    """Between two renewals, which change the lock as well."""
    while True:
        (shown,) = locks_of(store, "snu", "dev")
        with suppress(OpsError):
            unlock(store, shown)
            write(store, other)
            return


def test_a_damaged_lock_is_named(store: Store) -> None:
    store.write(_KEY, b"{")
    with pytest.raises(OpsError, match="cannot be read"):
        take(store)
