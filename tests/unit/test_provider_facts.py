"""The facts of the Scaleway provider: how they are extracted and compared, and that the committed ones are current."""

from __future__ import annotations

import copy
import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.provider import KNOWN_FUNCTIONS, KNOWN_TYPES
from pulumi_state import schema
from tests.support import provider_facts
from tests.support.environment import ROOT
from tests.support.programs import needs
from tests.support.provider_facts import FACTS, PLUGIN, difference, extract, read, text_of

CONTAINER = "scaleway:containers/container:Container"
PROBE = "scaleway:containers/ContainerProbe:ContainerProbe"
GET_SECRET = "scaleway:secrets/getSecret:getSecret"


@pytest.fixture
def provider() -> dict[str, Any]:
    """A small schema, in the provider's form."""
    return {
        "name": "scaleway",
        "version": "1.0.0",
        "provider": {"inputProperties": {"apiUrl": {"type": "string"}}},
        "resources": {
            CONTAINER: {
                "inputProperties": {
                    "name": {"type": "string", "willReplaceOnChanges": True},
                    "port": {"type": "integer", "default": 8080},
                    "probe": {"$ref": f"#/types/{PROBE}"},
                    "httpOption": {"type": "string", "deprecationMessage": "Use <b x='y'> secure </b>instead"},
                    "variables": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "secret": True,
                    },
                },
                "requiredInputs": ["name"],
                "properties": {"name": {"type": "string"}, "status": {"type": "string"}},
            },
            "scaleway:other/thing:Thing": {"inputProperties": {}, "properties": {}},
        },
        "functions": {GET_SECRET: {"inputs": {"properties": {"name": {"type": "string"}}}}},
        "types": {
            PROBE: {"properties": {"paths": {"type": "array", "items": {"type": "string"}}}, "required": ["paths"]},
            "scaleway:other/Unused:Unused": {"properties": {}},
        },
    }


def test_what_the_project_uses_is_extracted(provider: dict[str, Any]) -> None:
    assert extract(provider) == {
        "config": {"apiUrl": {"type": "string"}},
        "functions": {GET_SECRET: {"inputs": {"name": {"type": "string"}}, "outputs": {}}},
        "provider": "pulumiverse scaleway 1.0.0",
        "resources": {
            CONTAINER: {
                "inputs": {
                    "httpOption": {"deprecated": "Use secure instead", "type": "string"},
                    "name": {"replaces": True, "required": True, "type": "string"},
                    "port": {"default": 8080, "type": "integer"},
                    "probe": {"type": PROBE},
                    "variables": {"secret": True, "type": {"map of": "string"}},
                },
                "outputsOnly": {"status": {"type": "string"}},
            }
        },
        "types": {PROBE: {"paths": {"required": True, "type": ["string"]}}},
    }


def test_a_difference_is_readable(provider: dict[str, Any]) -> None:
    newer = copy.deepcopy(provider)
    newer["version"] = "1.1.0"
    newer["provider"]["inputProperties"]["storageUrl"] = {"type": "string"}
    container = newer["resources"][CONTAINER]
    inputs = container["inputProperties"]
    del inputs["httpOption"], inputs["name"]["willReplaceOnChanges"], container["properties"]["status"]
    inputs["port"] = {"type": "string", "default": 80, "willReplaceOnChanges": True}
    inputs["probe"]["deprecationMessage"] = "Use probes instead"
    inputs["probes"] = {"type": "array", "items": {"$ref": f"#/types/{PROBE}"}}
    container["requiredInputs"] = ["probes"]
    newer["types"][PROBE]["required"] = []
    newer["functions"] = {}
    newer["resources"]["scaleway:secrets/secret:Secret"] = {"deprecationMessage": "Use vaults"}
    assert difference(extract(provider), extract(newer)) == (
        "pulumiverse scaleway 1.0.0 → 1.1.0\n"
        "provider configuration\n"
        "  + storageUrl: string\n"
        "scaleway:containers/container:Container, inputs\n"
        "  - httpOption\n"
        "  ~ name: no longer required; a change no longer replaces the resource\n"
        "  ~ port: integer → string; a change now replaces the resource; default 8080 → 80\n"
        "  ~ probe: now deprecated: Use probes instead\n"
        f"  + probes: list of {PROBE}, required\n"
        "scaleway:containers/container:Container, outputs\n"
        "  - status\n"
        "+ resource type scaleway:secrets/secret:Secret\n"
        f"- function {GET_SECRET}\n"
        f"{PROBE}\n"
        "  ~ paths: no longer required\n"
    )
    newer["resources"][CONTAINER]["deprecationMessage"] = "Use apps"
    said = difference(extract(provider), extract(newer))
    assert f"\n~ resource type {CONTAINER}: now deprecated: Use apps\n" in said


def test_the_same_facts_do_not_differ(provider: dict[str, Any]) -> None:
    facts = extract(provider)
    assert difference(facts, facts).splitlines()[1:] == ["No fact that this project uses differs."]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("1.53", None, "1.53 is neither a file nor a version such as 1.53.0"),
        ("missing.json", None, "No such file"),
        ("broken.json", "{", "Expecting property name"),
        ("other.json", '{"name": "aws", "version": "1.0.0", "resources": {}}', "is neither a schema of the Scaleway"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str | None,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(sys, "argv", ["provider-facts", "diff", name])
    with pytest.raises(SystemExit) as ended:
        provider_facts.main()
    assert str(ended.value).startswith(f"error: {name}")
    assert reason in str(ended.value)


def test_an_update_refuses_a_provider_that_lacks_a_type(
    provider: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, newer = tmp_path / "facts.json", tmp_path / "newer.json"
    shutil.copy(FACTS, facts)
    newer.write_text(json.dumps(provider))
    monkeypatch.setattr(provider_facts, "FACTS", facts)
    monkeypatch.setattr(sys, "argv", ["provider-facts", "update", str(newer)])
    with pytest.raises(SystemExit, match="nothing was changed"):
        provider_facts.main()
    assert facts.read_text() == FACTS.read_text()


def test_an_update_writes_the_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = read(str(FACTS))
    newer["provider"] = "pulumiverse scaleway 99.0.0"
    del newer["config"]["zone"]
    source, facts = tmp_path / "newer.json", tmp_path / "facts.json"
    source.write_text(json.dumps(newer))
    shutil.copy(FACTS, facts)
    monkeypatch.setattr(provider_facts, "FACTS", facts)
    monkeypatch.setattr(sys, "argv", ["provider-facts", "update", str(source)])
    provider_facts.main()
    assert read(str(facts)) == newer
    assert capsys.readouterr().out.splitlines()[1:] == ["provider configuration", "  - zone"]


def test_the_committed_facts_are_those_of_the_pinned_provider() -> None:
    facts = read(str(FACTS))
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    version = facts["provider"].removeprefix("pulumiverse scaleway ")
    assert f"pulumiverse-scaleway=={version}" in dependencies, "run: scripts/provider-facts update"
    assert facts["resources"].keys() == KNOWN_TYPES
    assert facts["functions"].keys() == KNOWN_FUNCTIONS
    assert FACTS.read_text() == text_of(facts)
    assert schema.inputs_of(CONTAINER) == facts["resources"][CONTAINER]["inputs"]


@needs("pulumi", PLUGIN)
def test_the_committed_facts_are_those_of_the_plugin() -> None:
    plugin, facts = read(str(shutil.which(PLUGIN))), read(str(FACTS))
    if plugin["provider"] != facts["provider"]:
        pytest.skip(f"the plugin on PATH is {plugin['provider']}; the facts are those of {facts['provider']}")
    assert plugin == facts, "run: scripts/provider-facts update"
