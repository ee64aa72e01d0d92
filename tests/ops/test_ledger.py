"""The ledger of plans: each plan is applied once, even if a response of the store is lost."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.contents import Plan
from ops.plans.ledger import ApplyOutcome, Ledger
from pulumi_state.store import ConflictError, StoreError
from tests.support.memory_store import Fault, MemoryStore

PLAN = cast(Plan, SimpleNamespace(id="one", digest="d", author="ann"))
KEY = ".snu/ledger/snu/dev/one.json"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    return Ledger(store, "snu", "dev")


def test_a_plan_is_applied_once(ledger: Ledger) -> None:
    ledger.check(PLAN)
    begun = ledger.begin(PLAN)
    for attempt in (ledger.check, ledger.begin):
        with pytest.raises(OpsError, match=r"already applied by .* \(outcome: begun\)") as refused:
            attempt(PLAN)
        assert refused.value.code is ExitCode.REFUSED
    ledger.end(PLAN, begun, ApplyOutcome.APPLIED)
    (entry,) = ledger.entries()
    assert (entry.plan, entry.outcome) == ("one", ApplyOutcome.APPLIED)


def test_an_entry_whose_response_was_lost_counts(ledger: Ledger, store: MemoryStore) -> None:
    store.fault = Fault.ANSWER_LOST
    with pytest.raises(StoreError):
        ledger.begin(PLAN)
    with pytest.raises(OpsError, match="already applied"):
        ledger.begin(PLAN)


def test_an_end_does_not_overwrite_another_run_s_entry(ledger: Ledger, store: MemoryStore) -> None:
    begun = ledger.begin(PLAN)
    store.write(KEY, b"something else")
    with pytest.raises(ConflictError):
        ledger.end(PLAN, begun, ApplyOutcome.APPLIED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"version": 3}', "ledger format 3; this version of snu supports up to 2"),
        (b"{", "damaged entry"),
        (b"[]", "damaged entry"),
        (b'{"version": 2}', "damaged entry"),
    ],
)
def test_an_entry_of_another_version_counts_as_applied(
    ledger: Ledger, store: MemoryStore, content: bytes, said: str
) -> None:
    store.write(KEY, content)
    with pytest.raises(OpsError, match="This plan has already been applied") as refused:
        ledger.check(PLAN)
    assert said in str(refused.value)
    assert ledger.entries() == []


def test_an_entry_without_a_version(ledger: Ledger, store: MemoryStore) -> None:
    entry = {"plan": "one", "digest": "d", "author": "ann", "applied_by": "bob@host", "begun": "2026-01-02T03:04:05"}
    store.write(KEY, json.dumps(entry | {"outcome": "applied", "ended": "2026-01-02T03:05:05"}).encode())
    with pytest.raises(OpsError, match=r"by bob@host on 2026-01-02T03:04:05Z \(outcome: applied\)"):
        ledger.check(PLAN)
