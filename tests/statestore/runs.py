"""A process that works on a stack again and again, until it is ended: for tests that pause and kill it.

    python -m tests.statestore.runs ADDRESS LOG

Each piece of work locks the stack, reads its state, and adds words to it. A word goes into LOG once it is written.
"""

from __future__ import annotations

import os
import sys
import uuid
from datetime import timedelta
from pathlib import Path

from ops.errors import OpsError
from ops.state import lock
from pulumi_state.errors import StateError
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store, StoreError, open_store
from tests.support.buckets import KEYS

STACK = ("snu", "dev")
WORDS = 4
"""Written in one piece of work."""


def words_of(file: StateFile) -> list[str]:
    """What the state has; reads it."""
    checkpoint = file.read()
    return list(checkpoint.latest["words"]) if checkpoint else []


def work(store: Store, log: Path) -> None:
    lost: list[None] = []
    with lock.acquire(
        store, *STACK, "a test", timeout=0, on_wait=lambda _text: None, on_lost=lambda: lost.append(None)
    ):
        file = StateFile(store, *STACK)
        words = words_of(file)
        for _ in range(WORDS):
            words.append(uuid.uuid4().hex)
            file.write_latest({"words": words})
            with log.open("a") as written:
                written.write(f"{words[-1]}\n")
            if lost:
                return


def main(address: str, log: Path) -> None:
    lock._RENEW_SECONDS = 0.02
    lock._SILENT_AFTER = timedelta(seconds=float(os.environ["SILENT_AFTER"]))
    store = open_store(address, KEYS)
    while True:
        try:
            work(store, log)
        except (OpsError, StateError, StoreError):
            # As `snu unlock` does: of a run that is paused as well.
            for each in lock.locks_of(store, *STACK):
                if each.liveness.is_stale:
                    try:
                        lock.unlock(store, each)
                    except OpsError:
                        continue


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
