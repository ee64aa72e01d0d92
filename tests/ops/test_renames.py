"""Names that are still taken when an update would give them to something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import OpsError
from ops.operation_record import OperationRecord
from ops.renames import refuse_collisions
from ops.scaleway import catalogue
from ops.scaleway.catalogue import ResourceKind
from ops.stacks import Stack
from ops.steps import Step

STACK = Stack(Path("/"), "stage", {}, "passphrase")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_APP = "urn:pulumi:stage::snu::snu:index:ContainerApp::"


def step(op: str, app: str, kind: ResourceKind, old: dict[str, Any], new: dict[str, Any]) -> Step:
    def state(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"inputs": inputs, "custom": True, "parent": _APP + app} if inputs else {}

    noun = kind.token.rpartition(":")[2].lower()
    urn = f"urn:pulumi:stage::snu::snu:index:ContainerApp${kind.token}::{app}-{noun}"
    return Step(op, urn, kind.token, state(old), state(new), (), (), None)


def removed(app: str) -> Step:
    """The component of an app that the program no longer has."""
    return Step("delete", _APP + app, "snu:index:ContainerApp", {"custom": False}, {}, (), (), None)


def host(name: str) -> dict[str, Any]:
    return {"hostname": name, "containerId": "fr-par/1"}


def record(name: str, zone: str = "z.dev") -> dict[str, Any]:
    return {"dnsZone": zone, "name": name, "type": "CNAME", "data": "x."}


def refusal(*steps: Step) -> str:
    with pytest.raises(OpsError, match="Nothing was changed") as refused:
        refuse_collisions(STACK, OperationRecord.of(steps))
    return str(refused.value)


def test_a_rename_is_recognized() -> None:
    said = refusal(
        step("create", "console", catalogue.RECORD, {}, record("admin")),
        step("create", "console", catalogue.CONTAINER_DOMAIN, {}, host("admin.z.dev")),
        step("delete", "admin", catalogue.RECORD, record("admin"), {}),
        step("delete", "admin", catalogue.CONTAINER_DOMAIN, host("admin.z.dev"), {}),
        removed("admin"),
    )
    assert "console-record would use the record admin.z.dev, which admin-record still uses" in said
    assert said.count("set `renamedFrom: admin` under snu:apps.console in Pulumi.stage.yaml") == 1


@pytest.mark.parametrize("op", ["create", "replace"])
def test_a_host_that_moves_or_is_exchanged_is_refused(op: str) -> None:
    moved = refusal(
        step("delete", "a", catalogue.CONTAINER_DOMAIN, host("a.z"), {}),
        step(op, "b", catalogue.CONTAINER_DOMAIN, host("b.z"), host("a.z")),
    )
    assert "Remove the name from a-domain in one update, then give it to b-domain in the next." in moved
    exchanged = refusal(
        step("replace", "a", catalogue.CONTAINER_DOMAIN, host("a.z"), host("b.z")),
        step("replace", "b", catalogue.CONTAINER_DOMAIN, host("b.z"), host("a.z")),
    )
    assert exchanged.count("would use the domain") == 2


def test_what_is_not_known_yet_is_no_collision() -> None:
    container = {"name": "stage-a", "namespaceId": "fr-par/1"}
    refuse_collisions(
        STACK,
        OperationRecord.of(
            [
                step("delete", "a", catalogue.CONTAINER, container, {}),
                step("create", "b", catalogue.CONTAINER, {}, {**container, "namespaceId": UNKNOWN}),
                step("replace", "c", catalogue.CONTAINER_DOMAIN, host("c.z"), host("c.z")),
            ]
        ),
    )


_KEYS = st.sampled_from("abcde")
_HOSTS = st.dictionaries(_KEYS, _KEYS, max_size=5).filter(lambda hosts: len({*hosts.values()}) == len(hosts))


@given(_HOSTS, _HOSTS)
def test_an_update_is_refused_just_where_a_host_goes_from_one_app_to_another(
    before: dict[str, str], after: dict[str, str]
) -> None:
    def op(app: str) -> str:
        if app not in after:
            return "delete"
        if app not in before:
            return "create"
        return "same" if before[app] == after[app] else "replace"

    steps = [
        step(
            op(app),
            app,
            catalogue.CONTAINER_DOMAIN,
            host(before[app]) if app in before else {},
            host(after[app]) if app in after else {},
        )
        for app in before.keys() | after.keys()
    ]
    owners = {name: app for app, name in before.items()}
    if any(owners.get(name, app) != app for app, name in after.items()):
        refusal(*steps)
    else:
        refuse_collisions(STACK, OperationRecord.of(steps))
