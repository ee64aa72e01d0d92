"""``--target`` on both engines, and the graph of a stack before and after its first update."""

from __future__ import annotations

import json
from typing import Any

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab
from tests.support.programs import PULUMI, missing


def memory(lab: Lab) -> dict[str, int]:
    return {each["name"]: each["memory_limit_bytes"] for each in lab.resources("containers.container")}


def test_an_update_of_one_app(lab: Lab) -> None:
    """The others stay as they are, although their settings have changed; the next update changes them."""
    foundation_only = json.loads(lab.project.snu("graph", "local", "--format", "json").stdout)
    assert foundation_only["source"] == "program"
    up = lab.up("local", "--skip-preview", "--target", "api", "--target", "namespace")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    assert [each["name"] for each in lab.resources("containers.container")] == ["local-api"]
    lab.up_ok("local")
    assert len(memory(lab)) > 1
    graph = json.loads(lab.project.snu("graph", "local", "--format", "json").stdout)
    assert graph["source"] == "state"
    assert [each["id"] for each in graph["resources"] if not each["id"].startswith("StackReference/")] == [
        each["id"] for each in foundation_only["resources"] if not each["id"].startswith("StackReference/")
    ]
    before = memory(lab)

    def larger(config: Any) -> None:
        for name in ("api", "tasks"):
            config["snu:apps"][name]["memory"] = 4096

    lab.project.change("local", larger)
    for engine in ("embedded", *(["pulumi"] if not missing(PULUMI) else [])):
        arguments = ("local", "--engine", engine, "--target", "api")
        document = json.loads(lab.project.snu("preview", *arguments, "--json").stdout)
        assert [step["urn"].rpartition("::")[2] for step in document["steps"] if step["op"] == "update"] == [
            "api-container"
        ]
    up = lab.up("local", "--target", "api")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    assert up.stderr.startswith("local: only 4 resources: api, api-container, ")
    assert {name for name, value in memory(lab).items() if value != before[name]} == {"local-api"}
    rest = lab.project.snu("preview", "local", "--engine", "embedded", "--target", "nope")
    assert rest.returncode == ExitCode.USAGE
    rest = lab.up("local")
    assert "1 updated" in rest.stdout


def test_a_target_that_needs_another_new_resource(lab: Lab, engine: str) -> None:
    refused = lab.project.snu("up", "local", "--engine", engine, "--yes", "--target", "api")
    assert refused.returncode == ExitCode.FAILED
    assert "which was was not specified in --target list" in refused.stdout + refused.stderr
    assert not lab.resources("containers.container")
