"""Parts of an adoption that need no cloud: reading, mapping, accepting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.provider import KNOWN_TYPES
from ops.adopt.acceptance import Acceptance, as_list, judge, read_accepted
from ops.adopt.mapping import MappedResource, identity_of, match
from ops.adopt.other_stacks import owners
from ops.adopt.properties import properties_of, with_secrets
from ops.adopt.terraform import TerraformResource, read_states
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import KINDS
from ops.stacks import find_stack
from ops.steps import Step
from pulumi_state import schema
from pulumi_state.values import Secret, contains_secret, unwrap
from tests.adoption.record import ENVIRONMENTS, FOLDER
from tests.support.environment import ROOT
from tests.support.postgres import Database, Server, database, postgres_server

__all__ = ["database", "postgres_server"]

_CONTAINER = "scaleway:containers/container:Container"
_DOMAIN = "scaleway:containers/domain:Domain"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def _recorded(name: str) -> list[TerraformResource]:
    return read_states([str(FOLDER / f"{name}.tfstate")])


def _step(type_: str, resource: str = "x", op: str = "create", **inputs: Any) -> Step:
    urn = f"urn:pulumi:production::snu::{type_}::{resource}"
    return Step(op, urn, type_, {}, {"custom": True, "inputs": inputs}, (), (), None)


def _update(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Step:
    urn = f"urn:pulumi:production::snu::{_CONTAINER}::{name}"
    before, after = ({"custom": True, "inputs": inputs} for inputs in (old, new))
    return Step("update", urn, _CONTAINER, before, after, (), (), None)


# --- Terraform's states -----------------------------------------------------------------------------------


def test_a_recorded_state() -> None:
    live = _recorded("production")
    assert len(live) == 21
    assert len({each.key for each in live}) == 21
    assert not [each for each in live if each.address.startswith("data.")]
    assert 'scaleway_container_domain.main["api"]' in {each.address for each in live}


def _document(**instance: Any) -> dict[str, Any]:
    found = {"attributes": {"id": "fr-par/1"}, **instance}
    resource = {"mode": "managed", "type": "scaleway_container", "name": "api", "instances": [found]}
    return {"version": 4, "resources": [{"module": "module.apps", **resource}]}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"version": 3}, "version 4"),
        ([], "version 4"),
        (_document(status="tainted"), "module.apps.scaleway_container.api as tainted"),
        (_document(deposed="b1946ac9"), "as deposed"),
        (_document(attributes={"id": ""}), "without an id"),
        (_document(attributes=None), "contains an invalid resource"),
        ({"version": 4, "resources": [{"mode": "managed"}]}, "contains an invalid resource"),
    ],
)
def test_invalid_states(document: object, says: str, tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text(json.dumps(document))
    with pytest.raises(OpsError, match="Nothing was changed") as refused:
        read_states([str(file)])
    assert says in str(refused.value)


def test_a_state_in_postgresql(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    text = (FOLDER / "production.tfstate").read_text()
    with psycopg.connect(database.url) as connection:
        connection.execute("CREATE SCHEMA production")
        connection.execute("CREATE TABLE production.states (id bigserial PRIMARY KEY, name text UNIQUE, data text)")
        connection.execute("INSERT INTO production.states (name, data) VALUES ('default', %s)", [text])
    source = f"postgres://{database.user}@{database.address}?sslmode=disable&schema_name=production"
    monkeypatch.setenv("PGPASSWORD", database.password)
    assert read_states([source]) == _recorded("production")
    for wrong, says in (
        (f"{source}&workspace=other", "workspace other) contains no state"),
        (source.replace("production", "elsewhere"), "cannot be read"),
        (database.url, "Set PGPASSWORD"),
    ):
        with pytest.raises(OpsError) as refused:
            read_states([wrong])
        assert says in str(refused.value)
        assert database.password not in str(refused.value)
    monkeypatch.setenv("PGPASSWORD", "another")
    with pytest.raises(OpsError, match="cannot be read"):
        read_states([source])


def test_a_role_that_may_only_read_the_table_is_enough(
    database: Database, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    text = (FOLDER / "production.tfstate").read_text()
    with psycopg.connect(database.url) as connection:
        connection.execute("CREATE SCHEMA production")
        connection.execute("CREATE TABLE production.states (id bigserial PRIMARY KEY, name text UNIQUE, data text)")
        connection.execute("INSERT INTO production.states (name, data) VALUES ('default', %s)", [text])
        connection.execute("CREATE TABLE production.other (id bigserial)")
    role = f"reader_of_{database.name}"
    postgres_server.run(f"CREATE ROLE {role} LOGIN PASSWORD 'fake'")
    try:
        with psycopg.connect(database.url) as connection:
            connection.execute(f"GRANT CONNECT ON DATABASE {database.name} TO {role}")
            connection.execute(f"GRANT USAGE ON SCHEMA production TO {role}")
            connection.execute(f"GRANT SELECT ON production.states TO {role}")
        monkeypatch.setenv("PGPASSWORD", "fake")
        source = f"postgres://{role}@{database.address}?sslmode=disable&schema_name=production"
        assert read_states([source]) == _recorded("production")
    finally:
        postgres_server.run(f"DROP OWNED BY {role}", database=database.name)
        postgres_server.run(f"DROP ROLE {role}")


# --- properties and identity ------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_properties_are_those_of_the_pulumi_type(environment: str) -> None:
    """All values of Terraform are converted to the shape of the type."""

    def check(type_: Any, value: Any) -> None:
        if isinstance(type_, list):
            assert isinstance(value, list)
            for item in value:
                check(type_[0], item)
        elif isinstance(type_, dict):
            assert isinstance(value, dict)
        elif ":" in type_:
            fields = schema.fields_of(type_)
            assert value.keys() <= fields.keys()
            for name, item in value.items():
                check(fields[name]["type"], item)
        else:
            assert isinstance(value, {"string": str, "integer": int, "number": int, "boolean": bool}[type_])

    for live in _recorded(environment):
        candidate = MappedResource.of(live)
        assert candidate is not None
        token = candidate.type
        found = properties_of(token, live.attributes)
        for name, value in found.items():
            check(schema.outputs_of(token)[name]["type"], value)
        required = {name for name, facts in schema.inputs_of(token).items() if facts.get("required")}
        assert required <= found.keys(), live.address
    container = next(live for live in _recorded("production") if live.address == "scaleway_container.api")
    found = properties_of(_CONTAINER, container.attributes)
    assert found["scalingOptions"][0]["concurrentRequestsThreshold"] == 25
    assert found["livenessProbe"]["failureThreshold"]
    assert found["environmentVariables"]["APP_NAME"] == "api"


_NAMES = st.text("ABC_", min_size=1, max_size=4)


@given(st.dictionaries(_NAMES, st.text(max_size=3)), st.dictionaries(_NAMES, st.sampled_from(["plain", "[secret]"])))
def test_only_variables_that_the_program_sets_in_clear_are_clear(live: dict[str, str], desired: dict[str, str]) -> None:
    found = with_secrets(_CONTAINER, {"environmentVariables": live, "name": "x"}, {"environmentVariables": desired})
    assert unwrap(found) == {"environmentVariables": live, "name": "x"}
    clear = {key for key, value in found["environmentVariables"].items() if not isinstance(value, Secret)}
    assert clear == {key for key in live if desired.get(key) == "plain"}


def test_secrets_of_the_schema_are_marked_as_a_whole() -> None:
    found = with_secrets(_CONTAINER, {"secretEnvironmentVariables": {"A": "b"}, "port": 1}, {})
    assert contains_secret(found["secretEnvironmentVariables"])
    assert found["port"] == 1


def _candidate(type_: str, id_: str = "fr-par/1", **attributes: Any) -> MappedResource:
    found = MappedResource.of(TerraformResource(f"{type_}.{id_}", type_, {"id": id_, **attributes}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("step", "candidate", "same"),
    [
        (_step(_CONTAINER, name="api", namespaceId="fr-par/1"), ("scaleway_container", "api", "fr-par/1"), True),
        (_step(_CONTAINER, name="api", namespaceId="1"), ("scaleway_container", "api", "fr-par/1"), True),
        (_step(_CONTAINER, name="api", namespaceId="fr-par/2"), ("scaleway_container", "api", "fr-par/1"), False),
        (_step(_CONTAINER, name="app", namespaceId="fr-par/1"), ("scaleway_container", "api", "fr-par/1"), False),
        (_step(_CONTAINER, name="api", namespaceId=_UNKNOWN), ("scaleway_container", "api", "fr-par/1"), False),
        (_step(_CONTAINER, namespaceId="fr-par/1"), ("scaleway_container", "api", "fr-par/1"), False),
    ],
)
def test_a_container_is_matched_by_name_and_namespace(step: Step, candidate: tuple[str, str, str], same: bool) -> None:
    type_, name, namespace = candidate
    assert bool(match([step], [_candidate(type_, name=name, namespace_id=namespace)])) is same


@pytest.mark.parametrize("name", ["api", "api.ci.beta-snu.dev", "api.ci.beta-snu.dev."])
def test_a_record_is_matched_in_all_spellings(name: str) -> None:
    step = _step("scaleway:domain/record:Record", dnsZone="ci.beta-snu.dev", name=name, type="CNAME", data="x.")
    live = _candidate("scaleway_domain_record", name="api", dns_zone="ci.beta-snu.dev", type="CNAME", data="y.")
    assert match([step], [live]) == {step.urn: live}


def test_a_domain_waits_until_its_container_is_known() -> None:
    """Adopted earlier, it would seem to need a replacement."""
    live = _candidate("scaleway_container_domain", hostname="api.snu.gouv.fr", container_id="fr-par/1")
    assert not match([_step(_DOMAIN, hostname="api.snu.gouv.fr", containerId=_UNKNOWN)], [live])
    assert match([_step(_DOMAIN, hostname="api.snu.gouv.fr", containerId="fr-par/9")], [live])


def test_every_type_of_the_program_is_adopted_or_recreated() -> None:
    adopted = {kind.token for kind in KINDS if identity_of(kind.token)}
    assert adopted == {kind.token for kind in KINDS if not kind.only_once}
    assert {kind.token for kind in KINDS} >= KNOWN_TYPES


def test_ambiguous_matches_are_rejected() -> None:
    step = _step(_CONTAINER, name="api", namespaceId="fr-par/1")
    live = [_candidate("scaleway_container", f"fr-par/{id_}", name="api", namespace_id="fr-par/1") for id_ in "78"]
    with pytest.raises(OpsError) as refused:
        match([step], live)
    assert "scaleway_container.fr-par/7, scaleway_container.fr-par/8" in str(refused.value)
    assert match([step], [live[0], live[0]])  # the same object, in two states


def test_the_other_stacks_are_named() -> None:
    rest = [*_recorded("production"), *_recorded("staging"), *_recorded("ci")]
    found = owners(find_stack(ROOT, "production"), rest)
    by_stack = {stack: {key[0] for key, owner in found.items() if owner == stack} for stack in set(found.values())}
    assert by_stack.keys() == {"stage", "ci", "foundation-ci", "foundation-stage", "foundation-production"}
    assert "scaleway_domain_record" in by_stack["ci"]
    assert "scaleway_domain_zone" in by_stack["foundation-ci"]
    assert {live.address for live in rest if live.key not in found} >= {"scaleway_job_definition.anonymize_db"}


# --- acceptance -------------------------------------------------------------------------------------------


def _accept(resource: str, *changes: str) -> Acceptance:
    return Acceptance(resource=resource, changes=list(changes), reason="decided")


def test_each_difference_needs_its_entry() -> None:
    steps = [
        _step(_CONTAINER, "new"),
        _update("api", {"image": "a", "port": 1, "v": {"A": "1"}}, {"image": "b", "port": 2, "v": {"A": "2"}}),
    ]
    verdict = judge(steps, [_accept("api", "image", "v")])
    assert verdict.open == {"new": ["create"], "api": ["port"]}
    assert not verdict.unused
    verdict = judge(steps, [_accept("api", "image", "v", "port"), _accept("new", "create")])
    assert not verdict.open
    assert judge(steps, [_accept("api", "protocol"), _accept("other", "create")]).unused == [
        "api: protocol",
        "other: create",
    ]


@pytest.mark.parametrize("op", ["replace", "delete", "create-replacement", "delete-replaced"])
def test_no_entry_can_accept_a_replacement(op: str) -> None:
    verdict = judge([_step(_CONTAINER, "api", op)], [_accept("api", op, "create")])
    assert verdict.never == [f"api (scaleway:containers:Container): {op}"]


_PATHS = st.lists(st.sampled_from(["image", "imageTag", "env", "A", "AB"]), min_size=1, max_size=3).map(".".join)


@given(_PATHS, _PATHS)
def test_a_path_covers_everything_below_it(wanted: str, change: str) -> None:
    parts, whole = wanted.split("."), change.split(".")
    assert Acceptance.matches(wanted, change) is (whole[: len(parts)] == parts)


def test_a_generated_list_is_accepted_once_it_has_reasons(tmp_path: Path) -> None:
    file = tmp_path / "accept.yaml"
    undecided = {"api-container": ["image", 'environmentVariables["A-B"]'], "new": ["create"]}
    file.write_text(as_list(undecided))
    with pytest.raises(OpsError, match="the reason is missing for api-container, new"):
        read_accepted(file)
    file.write_text(file.read_text().replace("why?", "digests"))
    assert {entry.resource: entry.changes for entry in read_accepted(file)} == undecided


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: b", "the file"),
        ("- resource: a\n  changes: [b]", "0.reason"),
        ("- resource: a\n  changes: [b]\n  reason: '  '", "0.reason"),
        ("- resource: a\n  changes: []\n  reason: c", "0.changes"),
        ("- resource: a\n  changes: [b]\n  reason: c\n  because: d", "0.because"),
        ("- [", "is not valid YAML"),
    ],
)
def test_invalid_lists(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "accept.yaml"
    file.write_text(text)
    with pytest.raises(OpsError) as refused:
        read_accepted(file)
    assert refused.value.code == ExitCode.USAGE
    assert says in str(refused.value)
