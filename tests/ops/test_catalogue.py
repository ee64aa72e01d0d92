"""The catalogue of resource kinds, and how resources are found by it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.provider import KNOWN_TYPES
from ops.cost.usage import _READERS
from ops.errors import OpsError
from ops.scaleway import catalogue
from ops.scaleway.catalogue import KINDS, Billing, ResourceKind, Scope, kind_of, kind_of_terraform
from ops.scaleway.client import Client, ScalewayError
from ops.scaleway.finder import Finder
from ops.scaleway.list_call import Properties
from ops.scaleway.profile import Profile
from ops.stacks import Stack
from ops.steps import short_type
from pulumi_state import schema
from pulumi_state.interruption import CREATING, DELETING, InterruptedOperation
from tests.support.environment import ROOT
from tests.support.source_files import source_files

_SDK = "pulumiverse_scaleway"


def _declared(file: Path) -> Iterator[str]:
    """The types of the provider that a file of the program makes resources of, as ``scaleway:containers:Container``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == _SDK
        for alias in node.names
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            module, name = modules.get(node.func.value.id), node.func.attr
            if module and name[0].isupper() and not name.endswith("Args"):
                yield f"scaleway:{module}:{name}"


def test_the_catalogue_has_every_type_of_the_program() -> None:
    declared = {type_ for file in source_files(ROOT / "infra") for type_ in _declared(file)}
    assert "scaleway:containers:Container" in declared
    assert declared <= {short_type(kind.token) for kind in KINDS}


def test_the_catalogue_has_every_type_of_the_embedded_engine() -> None:
    assert {kind.token for kind in KINDS} >= KNOWN_TYPES


def test_nothing_else_of_the_command_names_a_type_or_a_path_of_the_api() -> None:
    """Types and calls are in the catalogue, and the embedded engine's own table."""
    names = [f'"{name}"' for kind in KINDS for name in (kind.token, kind.terraform)]
    for file in source_files(ROOT / "ops"):
        if file.name != "catalogue.py":
            text = file.read_text(encoding="utf-8")
            assert [name for name in names if name in text] == [], file
            assert re.findall(r"(?<!loki)/[a-z-]+/v[0-9][a-z0-9]*/", text) == [], file


def test_a_kind_is_listed_once() -> None:
    assert len({kind.token for kind in KINDS}) == len({kind.terraform for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind_of(kind.token) is kind_of_terraform(kind.terraform) is kind
    assert kind_of("scaleway:nowhere/thing:Thing") is None
    assert kind_of_terraform("aws_s3_bucket") is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.terraform)
def test_a_kind_is_complete(kind: ResourceKind) -> None:
    assert kind.identity
    assert kind.billing in {Billing.NOTHING, *_READERS}
    assert kind.is_listed is (kind.scope is not Scope.BUCKETS)
    assert bool(kind.listing.key) is (kind.scope not in (Scope.SETTING, Scope.BUCKETS))
    if kind.token in KNOWN_TYPES:
        properties = schema.outputs_of(kind.token).keys()
        named = {*kind.identity, *kind.compared, *kind.listing.query, *kind.listing.path_properties}
        assert named - properties <= {"region", "organizationId"}


def test_nouns() -> None:
    assert [catalogue.CONTAINER.noun, catalogue.API_KEY.noun, catalogue.SERVERLESS_DATABASE.noun] == [
        "container",
        "api key",
        "serverless database",
    ]


# --- ids and recognition --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "found", "properties", "id_"),
    [
        (catalogue.CONTAINER, {"id": "1"}, {}, "fr-par/1"),
        (catalogue.PROJECT, {"id": "1"}, {}, "1"),
        (catalogue.API_KEY, {"access_key": "SCW1"}, {}, "SCW1"),
        (catalogue.ZONE, {"domain": "z.fr", "subdomain": "ci"}, {}, "ci.z.fr"),
        (catalogue.ZONE, {"domain": "z.fr", "subdomain": ""}, {}, "z.fr"),
        (catalogue.RECORD, {"id": "1"}, {"dnsZone": "z.fr"}, "z.fr/1"),
        (catalogue.DATABASE_USER, {"name": "u"}, {"instanceId": "i"}, "fr-par/i/u"),
        (catalogue.SECRET_VERSION, {"revision": 3}, {"secretId": "s"}, "fr-par/s/3"),
        (catalogue.ALERT_MANAGER, {}, {"projectId": "p"}, "fr-par/p/1"),
    ],
)
def test_ids_are_the_providers(
    kind: ResourceKind, found: Mapping[str, Any], properties: Mapping[str, str], id_: str
) -> None:
    assert kind.id_of(dict(found), {"region": "fr-par", **properties}) == id_


NOBODY: Any = None


@pytest.mark.parametrize(
    ("found", "name", "type_", "data", "same"),
    [
        (
            {"name": "api", "type": "CNAME", "data": "X.functions.example."},
            "api.z.fr",
            "CNAME",
            "x.functions.example",
            True,
        ),
        ({"name": "", "type": "TXT", "data": '"v=spf1"'}, "@", "TXT", "v=spf1", True),
        ({"name": "", "type": "MX", "data": "10 mail.z.fr."}, "", "MX", "mail", True),
        ({"name": "api", "type": "A", "data": "192.0.2.1"}, "api", "A", "192.0.2.2", False),
        ({"name": "www", "type": "A", "data": "192.0.2.1"}, "api", "A", "192.0.2.1", False),
    ],
)
def test_records_are_compared_as_the_platform_keeps_them(
    found: dict[str, Any], name: str, type_: str, data: str, same: bool
) -> None:
    properties = Properties(dnsZone="z.fr", name=name, type=type_, data=data)
    assert catalogue.RECORD.matches(NOBODY, found, properties) is same


@pytest.mark.parametrize(
    ("kind", "found", "properties", "same"),
    [
        (catalogue.CONTAINER, {"name": "a", "namespace_id": "n"}, {"name": "a", "namespaceId": "n"}, True),
        (catalogue.CONTAINER, {"name": "a", "namespace_id": "n"}, {"name": "a", "namespaceId": "m"}, False),
        (
            catalogue.CONTAINER_DOMAIN,
            {"hostname": "h", "container_id": "c"},
            {"hostname": "h", "containerId": "d"},
            False,
        ),
        (catalogue.DATABASE, {"name": "d"}, {"name": "d", "instanceId": "i"}, True),
        (
            catalogue.DATABASE_PRIVILEGE,
            {"database_name": "d", "user_name": "u", "permission": "none"},
            {"databaseName": "d", "userName": "u", "instanceId": "i", "permission": "all"},
            False,
        ),
        (
            catalogue.API_KEY,
            {"application_id": "a", "description": "x"},
            {"applicationId": "a", "description": "x"},
            True,
        ),
        (catalogue.API_KEY, {"user_id": "u", "description": "x"}, {"applicationId": "a", "description": "x"}, False),
        (catalogue.ALERT_MANAGER, {"alert_manager_enabled": False}, {"projectId": "p"}, False),
    ],
)
def test_an_object_is_known_by_its_identity(
    kind: ResourceKind, found: dict[str, Any], properties: dict[str, str], same: bool
) -> None:
    assert kind.matches(NOBODY, found, Properties(properties)) is same


# --- the finder -----------------------------------------------------------------------------------------


def finder(answers: Mapping[str, httpx.Response], asked: list[httpx.Request] | None = None) -> Finder:
    """By path; whatever else is asked for is not there."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return answers.get(request.url.path, httpx.Response(404, json={"message": "resource is not found"}))

    stack = Stack(Path(), "ci", {}, "passphrase")
    environ = {"SCW_SECRET_KEY": "k", "SCW_DEFAULT_PROJECT_ID": "p"}
    return Finder(Client(Profile.of(stack, environ), transport=httpx.MockTransport(answer)))


def listed(key: str, *objects: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={key: objects, "total_count": len(objects)})


def pending(kind: ResourceKind, operation: str = CREATING, id_: str = "", **inputs: Any) -> InterruptedOperation:
    return InterruptedOperation(operation, f"urn:pulumi:ci::snu::{kind.token}::thing", kind.token, True, id_, inputs)


CONTAINERS = "/containers/v1/regions/fr-par/containers"


def test_what_was_created_is_found_by_what_it_is() -> None:
    asked: list[httpx.Request] = []
    one, other = ({"id": id_, "name": name, "namespace_id": "n"} for id_, name in (("1", "api"), ("2", "app")))
    gone = {"id": "3", "name": "api", "namespace_id": "n", "status": "deleting"}
    found = finder({CONTAINERS: listed("containers", one, other, gone)}, asked)
    assert found.find(pending(catalogue.CONTAINER, name="api", namespaceId="fr-par/n")) == ["fr-par/1"]
    assert asked[0].url.params["namespace_id"] == "n"


def test_the_region_is_that_of_the_ids() -> None:
    asked: list[httpx.Request] = []
    assert finder({}, asked).find(pending(catalogue.CONTAINER, name="api", namespaceId="nl-ams/n")) == []
    assert asked[0].url.path == "/containers/v1/regions/nl-ams/containers"


def test_what_was_deleted_is_there_as_long_as_it_is_listed() -> None:
    found = finder({CONTAINERS: listed("containers", {"id": "1", "name": "renamed", "namespace_id": "n"})})
    one = pending(catalogue.CONTAINER, DELETING, "fr-par/1", name="api", namespaceId="n")
    assert found.is_there(one)
    assert not found.is_there(pending(catalogue.CONTAINER, DELETING, "fr-par/2", name="api", namespaceId="n"))
    assert not finder({}).is_there(one)


def test_a_version_is_known_by_its_content() -> None:
    versions = "/secret-manager/v1beta1/regions/fr-par/secrets/s/versions"
    content = {1: "b2xk", 2: "bmV3"}
    revisions = [{"revision": each, "status": "enabled"} for each in content] + [{"revision": 3, "status": "disabled"}]
    answers = {f"{versions}/{each}/access": httpx.Response(200, json={"data": data}) for each, data in content.items()}
    found = finder({versions: listed("versions", *revisions), **answers})
    assert found.find(pending(catalogue.SECRET_VERSION, secretId="fr-par/s", data="new")) == ["fr-par/s/2"]


def test_what_cannot_be_looked_up_is_said() -> None:
    with pytest.raises(OpsError, match="thing cannot be looked up: its namespaceId is unknown"):
        finder({}).find(pending(catalogue.CONTAINER, name="api"))
    with pytest.raises(OpsError, match="thing cannot be looked up: its instanceId is unknown"):
        finder({}).find(pending(catalogue.DATABASE, name="api"))
    with pytest.raises(OpsError, match="scaleway:object/bucket:Bucket cannot be listed"):
        finder({}).is_there(pending(catalogue.BUCKET, DELETING, "b"))


def test_a_list_that_is_refused_is_an_error() -> None:
    refused = httpx.Response(403, json={"message": "insufficient permissions"})
    with pytest.raises(ScalewayError, match=r"403 for GET .*: insufficient permissions"):
        finder({CONTAINERS: refused}).find(pending(catalogue.CONTAINER, name="api", namespaceId="n"))


@pytest.mark.parametrize(
    ("kind", "id_", "path"),
    [
        (catalogue.API_KEY, "SCW1", "/iam/v1alpha1/api-keys/SCW1"),
        (catalogue.COCKPIT_TOKEN, "fr-par/1", "/cockpit/v1/regions/fr-par/tokens/1"),
    ],
)
def test_what_is_of_no_use_is_removed(kind: ResourceKind, id_: str, path: str) -> None:
    asked: list[httpx.Request] = []
    finder({}, asked).remove(kind, id_)
    assert [(request.method, request.url.path) for request in asked] == [("DELETE", path)]
