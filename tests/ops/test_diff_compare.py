"""Comparison of two evaluations of a stack, and placeholders for values from the cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.settings.checks import images_in_use
from ops.diff.compare import compare
from ops.operation_record import OperationRecord
from ops.program.evaluate import Evaluated, Resource
from ops.program.placeholders import Placeholders, fill_template
from ops.report.values import SECRET, shown
from pulumi_state.values import UNKNOWN, UNKNOWN_TEXT, Secret

ROOT = "urn:pulumi:stage::snu::pulumi:pulumi:Stack::snu-stage"
NAMESPACE = "scaleway:containers/namespace:Namespace"
VERSION = "scaleway:secrets/version:Version"


def resource(name: str, inputs: Mapping[str, Any], type_: str = NAMESPACE, **more: Any) -> Resource:
    urn = f"urn:pulumi:stage::snu::{type_}::{name}"
    return Resource(urn, type_, name, ROOT, True, False, inputs, **more)


def stack(*resources: Resource, **more: Any) -> Evaluated:
    return Evaluated(urn=ROOT, project="snu", resources=resources, **more)


def operations(record: OperationRecord) -> dict[str, str]:
    return {step.name: step.op for step in (item.step for item in record.steps.values()) if step.is_change}


def test_replacements_follow_the_schema() -> None:
    base, head = stack(resource("a", {"name": "x", "description": "x"})), stack(resource("a", {"name": "y"}))
    (step,) = [item.step for item in compare(base, head).steps.values() if item.step.is_change]
    assert (step.op, step.replace_keys, step.diff_keys) == ("replace", ("name",), ("description", "name"))


def test_ignored_changes_and_requested_replacements() -> None:
    base = stack(resource("v", {"data": "1"}, VERSION), resource("n", {"description": "1"}))
    ignored, wanted = frozenset({"data"}), frozenset({"description"})
    head = stack(
        resource("v", {"data": "2"}, VERSION, ignored=ignored), resource("n", {"description": "2"}, replacing=wanted)
    )
    assert operations(compare(base, head)) == {"n": "replace"}


def test_a_rename_with_an_alias_is_not_a_change() -> None:
    base = stack(resource("old", {"name": "x"}))
    aliased = resource("new", {"name": "x"}, aliases=[{"name": "old"}])
    assert operations(compare(base, stack(aliased))) == {}
    assert operations(compare(base, stack(resource("new", {"name": "x"})))) == {"new": "create", "old": "delete"}


def test_users_of_a_replaced_resource_change_with_it() -> None:
    users = [resource(f"u{number}", {"name": f"<id of {'u0' if number else 'a'}>"}) for number in range(2)]
    base, head = stack(resource("a", {"name": "x"}), *users), stack(resource("a", {"name": "y"}), *users)
    assert operations(compare(base, head)) == {"a": "replace", "u0": "replace", "u1": "replace"}


def test_a_stack_at_one_revision_only_is_created_or_deleted() -> None:
    one = stack(resource("a", {}))
    assert operations(compare(None, one)) == {"snu-stage": "create", "a": "create"}
    assert operations(compare(one, None)) == {"snu-stage": "delete", "a": "delete"}


def test_secrets_are_compared_but_never_shown() -> None:
    placeholders = Placeholders()
    key = placeholders.text("key A")
    first, second = placeholders.shown({"s": Secret("hunter2")}), placeholders.shown({"s": Secret("hunter3")})
    assert first != second
    assert shown(first["s"]) == SECRET
    assert "hunter" not in str(first)
    assert (
        shown(placeholders.shown({"m": Secret({"K": f"postgres://{key}@<not issued>"})})["m"]["K"]) == "[secret: key A]"
    )
    assert placeholders.shown([UNKNOWN, None, 1]) == [UNKNOWN_TEXT, None, 1]


def test_encrypted_values_differ_when_their_ciphertexts_do() -> None:
    def config(ciphertext: str) -> tuple[dict[str, str], list[str]]:
        return Placeholders().config({"snu:p": {"a": {"secure": ciphertext}}, "zone": "z"}, "snu")

    values, secret_keys = config("v1:x")
    assert secret_keys == ["snu:p"]
    assert values["snu:zone"] == "z"
    assert "v1:x" not in values["snu:p"]
    assert values == config("v1:x")[0]
    assert values != config("v1:y")[0]


def test_images_that_pulumi_builds_are_pinned() -> None:
    """An evaluation has neither Docker nor a repository; `infra` reads `snu:images: build` in the same way."""
    runs = {"apps": {"api": {}, "tasks": {"image": "api"}}, "jobs": {"report": {"image": "b"}}, "crashAlerts": {}}
    config = {f"snu:{key}": value for key, value in runs.items()}

    def images(value: Any) -> dict[str, Any]:
        values, _ = Placeholders().config({**config, "snu:images": value}, "snu")
        found: dict[str, Any] = json.loads(values["snu:images"])
        return found

    built = images("build")
    assert sorted(built) == images_in_use(runs)
    assert len({image["digest"] for image in built.values()}) == len(built)
    given = {"version": "1", "digest": f"sha256:{'0' * 64}"}
    assert images({"api": "build", "b": given}) == {"api": built["api"], "b": given}
    assert images({"b": given}) == {"b": given}


def test_outputs_have_the_types_of_the_schema() -> None:
    outputs = Placeholders().outputs("scaleway:databases/instance:Instance", "db", {"name": "x"})
    assert outputs["name"] == "x"
    assert outputs["loadBalancer"]["ip"] == "<ip of loadBalancer of db>"
    assert outputs["upgradableVersions"] == []
    key = Placeholders().outputs("scaleway:iam/apiKey:ApiKey", "k", {})
    assert key["secretKey"] == Secret("<secretKey of k>")
    assert Placeholders().outputs("other:thing:Thing", "t", {"a": 1}) == {"a": 1}


def test_a_template_is_filled_with_what_is_valid() -> None:
    filled = fill_template("name: ${name}\nv: ${api_version}\nd: ${api_digest}\ne: ${app_digest}")
    assert filled.startswith("name: pr-0\nv: api-version\nd: sha256:")
    first, second = filled.splitlines()[2:]
    assert first[3:] != second[3:]
