"""Protected resources: what engines refuse, in one message, and how an app is released."""

from __future__ import annotations

from typing import Any

import pytest

from ops.errors import OpsError
from ops.operation_record import OperationRecord
from ops.protection import Refusal, unprotect, unprotect_hint
from ops.report.base import all_diagnostic_lines

APP = "urn:pulumi:production::snu::snu:index:ContainerApp::antivirus"
CONTAINER = (
    "urn:pulumi:production::snu::snu:index:ContainerApp$scaleway:containers/container:Container::antivirus-container"
)
JOB = "urn:pulumi:production::snu::snu:index:ScheduledJob::report"
NAMESPACE = "urn:pulumi:production::snu::scaleway:containers/namespace:Namespace::namespace"
DELETE = 'resource "{}" cannot be deleted\nbecause it is protected. To unprotect the resource, either …'
REPLACE = 'unable to replace resource "{}"\nas it is currently marked for protection. To unprotect …'


def refused(*messages: str) -> OperationRecord:
    record = OperationRecord()
    for message in messages:
        record.add({"diagnosticEvent": {"severity": "error", "message": f"error: {message}"}})
    return record


def test_all_refusals_are_one_message() -> None:
    record = refused(
        DELETE.format(APP), f"Preview failed: {DELETE.format(CONTAINER)}", REPLACE.format(NAMESPACE), "preview failed"
    )
    (line,) = all_diagnostic_lines(record)
    assert line.plain == (
        "error: this update is blocked by protection: "
        "it would delete antivirus, antivirus-container and replace namespace"
    )


@pytest.mark.parametrize("message", ["quota exceeded", f'resource "{APP}" does not exist', "preview failed"])
def test_other_errors_stay_as_they_are(message: str) -> None:
    assert [line.plain for line in all_diagnostic_lines(refused(message))] == [f"error: {message}"]


def test_an_app_has_a_way_of_its_own_and_the_rest_the_stacks() -> None:
    parents = {CONTAINER: APP}
    of_app = [Refusal(APP, "delete"), Refusal(CONTAINER, "delete"), Refusal(JOB, "replace")]
    told = unprotect_hint("production", "Pulumi.production.yaml", of_app, parents)
    assert told == "To allow this: scripts/snu unprotect production antivirus report"
    told = unprotect_hint("production", "Pulumi.production.yaml", [*of_app, Refusal(NAMESPACE, "delete")], parents)
    assert "set `snu:protect: false` in Pulumi.production.yaml" in told


def state() -> dict[str, Any]:
    def resource(urn: str, parent: str = "") -> dict[str, Any]:
        return {"urn": urn, "type": urn.split("::")[-2].rpartition("$")[2], "parent": parent, "protect": True}

    other = APP.replace("antivirus", "api")
    resources = [resource(NAMESPACE), resource(APP), resource(CONTAINER, APP), resource(JOB), resource(other)]
    return {"manifest": {"time": "now"}, "resources": resources}


def test_what_is_named_is_released_and_nothing_else() -> None:
    before = state()
    released = unprotect(before, "production", ["antivirus", "report"])
    assert released.names == ("antivirus", "antivirus-container", "report")
    kept = [each["urn"] for each in released.latest["resources"] if each["protect"]]
    assert kept == [NAMESPACE, APP.replace("antivirus", "api")]
    assert before == state()
    assert unprotect(released.latest, "production", ["antivirus"]).names == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [("antivrus", "Did you mean antivirus?"), ("namespace", "Apps and jobs: antivirus, api, report.")],
)
def test_an_unknown_name_is_refused(name: str, says: str) -> None:
    with pytest.raises(OpsError, match="Nothing was changed") as refusal:
        unprotect(state(), "production", [name])
    assert says in str(refusal.value)
