"""The seed: from a file or by default; invalid files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.api.seed import DEFAULT, SeedError, parse_seed
from tests.api.test_server import run
from tests.support.environment import ROOT
from tests.support.local_scaleway import HTTP, Server
from tests.support.seed import DOCUMENT, SEED

ORGANIZATION = "0e000000-0000-4000-8000-000000000001"
SECRET = "0e000000-0000-4000-8000-000000000003"
SECRET_KEY = "0e000000-0000-4000-8000-00000000beef"
FILE = f"""
[organization]
id = "{ORGANIZATION}"

[owner]
id = "0e000000-0000-4000-8000-000000000002"
email = "me@example.test"
access_key = "SCWFAKEFAKEFAKE00000"
secret_key = "{SECRET_KEY}"

[[dns_zones]]
domain = "Example.test"
subdomain = "sub"

[[secrets]]
id = "{SECRET}"
name = "document"
path = "/there"
region = "nl-ams"
document = {{ KEY = "välue" }}

[[commands]]
command = "make <all>"
description = "brings everything up"
"""
SECRETS = "/secret-manager/v1beta1/regions/nl-ams/secrets"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "seed.toml"
    path.write_text(FILE)
    return path


def found(server: Server) -> dict[str, list[dict[str, Any]]]:
    resources: dict[str, list[dict[str, Any]]] = server.client(SECRET_KEY)("GET", "/_local/resources")
    return resources


def test_the_seed_survives_a_reset_and_a_restart(tmp_path: Path, file: Path) -> None:
    with Server(tmp_path / "data", seed=file) as server:
        api = server.client(SECRET_KEY)
        before = found(server)
        (project,), (zone,) = before["account.project"], before["domain.zone"]
        assert (project["id"], project["organization_id"], project["name"]) == (ORGANIZATION, ORGANIZATION, "default")
        assert (zone["domain"], zone["subdomain"], zone["project_id"]) == ("example.test", "sub", ORGANIZATION)
        ((key,), (user,)) = before["iam.api_key"], before["iam.user"]
        assert (key["access_key"], key["user_id"], user["email"], user["type"]) == (
            *("SCWFAKEFAKEFAKE00000", user["id"]),
            *("me@example.test", "owner"),
        )
        value = api("GET", f"{SECRETS}/{SECRET}/versions/latest/access")["data"]
        assert json.loads(base64.b64decode(value)) == {"KEY": "välue"}
        assert api("GET", f"{SECRETS}?path=/there")["secrets"][0]["version_count"] == 1
        assert "make &lt;all&gt;" in HTTP.get(server.url).text
        assert api("GET", "/_local/resources?seed=false") == {}

        made = api.create("/account/v3/projects", name="more", organization_id=ORGANIZATION)
        assert made["organization_id"] == ORGANIZATION
        server.stop()
        file.write_text(FILE.replace("me@", "you@"))
        server.start()
        assert [each["id"] for each in found(server)["account.project"]] == [ORGANIZATION, made["id"]]
        assert [each["email"] for each in found(server)["iam.user"]] == ["me@example.test"]
        api = server.client(SECRET_KEY)
        api("POST", "/_local/reset")
        after = found(server)
        assert [each["email"] for each in after["iam.user"]] == ["you@example.test"]
        assert after.keys() == before.keys()
        assert [each["id"] for kind in after.values() for each in kind if "id" in each] == [
            each["id"] for kind in before.values() for each in kind if "id" in each
        ]


def test_the_default_seed_is_an_organization_and_its_owner(tmp_path: Path) -> None:
    with Server(tmp_path / "data", seed=None) as server:
        api = server.client(DEFAULT.owner.secret_key)
        resources = api("GET", "/_local/resources")
        assert {kind: len(each) for kind, each in resources.items()} == {
            "account.project": 1,
            "iam.api_key": 1,
            "iam.user": 1,
        }
        assert "Commands" not in HTTP.get(server.url).text


def test_omitted_keys_have_defaults() -> None:
    seed = parse_seed({"owner": {"email": "somebody@example.test"}})
    assert seed.owner.email == "somebody@example.test"
    assert (seed.organization_id, seed.owner.id) == (DEFAULT.organization_id, DEFAULT.owner.id)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"organisation": {}}, "organisation is unknown (expected: organization, owner, "),
        ({"organization": {"id": "1"}}, "organization.id must be a UUID"),
        ({"organization": "x"}, "organization must be a table, [organization]"),
        ({"owner": {"name": "x"}}, "owner.name is unknown (expected: id, email, access_key, secret_key)"),
        ({"owner": {"access_key": "AKIA"}}, "owner.access_key must be SCW followed by 17 capital letters or digits"),
        ({"owner": {"email": 1}}, "owner.email must be a string"),
        ({"dns_zones": ["example.test"]}, "dns_zones must be an array of tables, [[dns_zones]]"),
        ({"dns_zones": {"domain": "x"}}, "dns_zones must be an array of tables"),
        ({"dns_zones": [{"domain": "a b"}]}, "dns_zones[0].domain must be a domain name"),
        ({"dns_zones": [{"domain": "a.test"}, {"domain": "A.test"}]}, "dns_zones[1] duplicates dns_zones[0]"),
        ({"secrets": [{}]}, "secrets[0].id is required; secrets[0].document is required; secrets[0].name is required"),
        ({"secrets": [{"id": SECRET, "name": "a b", "document": {}}]}, "secrets[0].name must contain only letters"),
        ({"secrets": [{"id": SECRET, "name": "a", "document": {"A": 1}}]}, "secrets[0].document must be an object"),
        ({"secrets": [{"id": SECRET, "name": "a", "document": {"A": "x" * 70_000}}]}, "must be at most 65536 bytes"),
        (
            {"secrets": [{"id": SECRET, "name": name, "document": {}} for name in ("a", "b")]},
            "secrets[1] duplicates secrets[0]",
        ),
        ({"secrets": [{"id": SECRET, "region": "mars", "name": "a", "document": {}}]}, "must be one of fr-par, nl-ams"),
        ({"commands": [{"command": "make"}]}, "commands[0].description is required"),
    ],
)
def test_an_invalid_file_is_rejected_by_key(document: dict[str, Any], says: str) -> None:
    with pytest.raises(SeedError) as refused:
        parse_seed(document)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"[organization", "is not valid TOML: "),
        (b"\xff", "is not valid TOML: "),
        (b"[owner]\nsecret_key = 'not-to-be-shown'\n", "is not valid: owner.secret_key must be a UUID"),
    ],
)
def test_the_server_does_not_start_with_an_invalid_file(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "seed.toml"
    if content is not None:
        path.write_bytes(content)
    ended = run("--data", str(tmp_path / "data"), "--port", "0", "--seed", str(path))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: The seed file {path} {says}")
    assert ended.stderr.count("\n") == 1
    assert "not-to-be-shown" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_data_of_another_organization_are_rejected_and_kept(tmp_path: Path, file: Path) -> None:
    with Server(tmp_path / "data", seed=None):
        pass
    ended = run("--data", str(tmp_path / "data"), "--port", "0", "--seed", str(file))
    assert ended.returncode == 1
    assert f"The data in {tmp_path}/data does not belong to the seed's organization" in ended.stderr
    with Server(tmp_path / "data", seed=None) as server:
        assert server.client(DEFAULT.owner.secret_key)("GET", "/_local/health")["resources"]["account.project"] == 1


# --- the project's own file --------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["local", "foundation-local"])
def test_the_local_stacks_match_the_seed(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    assert config["scaleway:organizationId"] == config["scaleway:projectId"] == SEED.organization_id
    assert config["scaleway:accessKey"] == SEED.owner.access_key
    assert config["scaleway:secretKey"] == SEED.owner.secret_key
    assert any(config["snu:zone"].endswith(f".{zone['domain']}") for zone in SEED.dns_zones)


def test_the_secret_document_has_every_key_that_apps_use() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]
    wanted = {config["snu:crashAlerts"]["webhook"]}
    for app in config["snu:apps"].values():
        for each in (*app.get("documentVariables", ()), *app.get("secretVariables", ())):
            wanted |= set(each.values()) if isinstance(each, dict) else {each}
    assert wanted <= DOCUMENT.keys()
    initial = yaml.safe_load((ROOT / "Pulumi.foundation-local.yaml").read_text())["config"]["snu:environments"]
    assert [secret.values["name"] for secret in SEED.secrets] == [initial["local"]["secret"]["initial"]["secret"]]
