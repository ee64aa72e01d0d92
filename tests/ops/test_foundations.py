"""An update of a foundation does not close a database instance to a run that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.foundations import refuse_to_disconnect
from ops.operation_record import OperationRecord
from ops.stacks import Stack

URN = "urn:pulumi:foundation-dev::snu::scaleway:databases/acl:Acl::dev-acl"
OFFICE = {"ip": "203.0.113.0/24", "description": "May store the Pulumi state of dev"}
RUN = {"ip": "198.51.100.2/32", "description": "snu run, until 2999-01-01T12:34Z"}
EXPIRED = {"ip": "198.51.100.3/32", "description": "snu run, until 2020-01-01T00:00Z"}


def preview(live: list[dict[str, str]], *, planned: str, refresh: bool = True) -> OperationRecord:
    def event(op: str) -> dict[str, Any]:
        state = {
            "type": "scaleway:databases/acl:Acl",
            "urn": URN,
            "id": "fr-par/1",
            "custom": True,
            "parent": "",
            "provider": "",
            "inputs": {},
            "outputs": {"aclRules": live},
        }
        common = {"urn": URN, "type": state["type"], "detailedDiff": None, "provider": ""}
        return {"metadata": {"op": op, **common, "old": state, "new": state}}

    record = OperationRecord()
    if refresh:
        record.add({"resourcePreEvent": event("refresh")})
        record.add({"resOutputsEvent": event("update")})
    record.add({"resourcePreEvent": event(planned)})
    record.add({"resOutputsEvent": event(planned)})
    return record


STACK = Stack(Path(), "foundation-dev", {}, "passphrase")


def test_a_run_in_the_database_is_not_disconnected() -> None:
    with pytest.raises(OpsError, match=r"\(198.51.100.2/32 until 12:34 UTC\).*--no-refresh") as refused:
        refuse_to_disconnect(STACK, preview([OFFICE, RUN, EXPIRED], planned="update"))
    assert refused.value.code is ExitCode.LOCKED


@pytest.mark.parametrize(
    "record",
    [
        preview([OFFICE, EXPIRED], planned="update"),
        preview([OFFICE, RUN], planned="same"),
        preview([OFFICE, RUN], planned="same", refresh=False),
    ],
    ids=["nobody there", "no update", "no refresh"],
)
def test_what_disconnects_nobody_goes_on(record: OperationRecord) -> None:
    refuse_to_disconnect(STACK, record)
