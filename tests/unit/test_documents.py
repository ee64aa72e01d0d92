"""The secret document: read at once, checked before anything is registered, secret key by key."""

import base64
import json
from functools import partial
from typing import Any, cast

import pulumi
import pytest

from infra import program
from infra.documents import SecretDocument
from infra.settings import MergedVariables
from tests.support.environment import ROOT
from tests.support.mocks import FOUNDATION_OUTPUTS, NOWHERE, UNKNOWN, Cloud, Run, Secret, run

WANTED = {
    "app api": MergedVariables(document={"BUCKET": "BUCKET"}, secret={"MONGO_URL": "MONGO"}),
    "app admin": MergedVariables(secret={"TOKEN": "TOKEN"}),
}


class Marker(pulumi.ComponentResource):
    """Depends on the check."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("test:index:Marker", name, None, opts)


def checked(cloud: Cloud, *, preview: bool = False, secret_id: str | None = "id") -> Run:
    def program() -> None:
        known = pulumi.Output.from_input(cast(str, secret_id or pulumi.UNKNOWN))
        document = SecretDocument(known, "snu-test", WANTED)
        Marker("marker", pulumi.ResourceOptions(depends_on=document.is_valid.apply(lambda _: [])))
        pulumi.export("bucket", document.value("BUCKET"))

    return run(program, cloud=cloud, preview=preview)


COMPLETE = {"BUCKET": "s3cret-bucket", "MONGO": "s3cret-mongo", "TOKEN": "s3cret-token"}


@pytest.mark.parametrize("preview", [False, True])
def test_a_complete_document_lets_resources_pass(preview: bool) -> None:
    result = checked(Cloud(document=COMPLETE), preview=preview)
    assert [resource.name for resource in result.resources] == ["marker"]
    assert result.resources[0].dependencies == frozenset()
    assert result.outputs == {"bucket": Secret("s3cret-bucket")}


@pytest.mark.parametrize("preview", [False, True])
def test_every_missing_key_is_listed_before_anything_is_registered(preview: bool) -> None:
    cloud = Cloud(document={"BUCKET": "s3cret-bucket"})
    with pytest.raises(pulumi.RunError) as error:
        checked(cloud, preview=preview)
    assert str(error.value) == (
        "the secret document snu-test is invalid:\n"
        "  MONGO: missing (used by app api as MONGO_URL)\n"
        "  TOKEN: missing (used by app admin as TOKEN)\n"
        "Set each key with `scripts/snu secrets set test KEY`."
    )


CONFIG = {
    "snu:blueprint": "environment",
    "snu:environment": '{"name": "ci", "foundation": "foundation-ci"}',
    "snu:zone": "ci.example.org",
    "snu:images": '{"api": {"version": "1", "digest": "sha256:' + "0" * 64 + '"}}',
    "snu:apps": '{"api": {"cpu": 70, "memory": 128, "host": "api.ci.example.org", "secretVariables": ["MONGO_URL"]}}',
}
FOUNDATION = FOUNDATION_OUTPUTS | {"zone": "ci.example.org"}
DOCUMENT = {"MONGO_URL": "s3cret"}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize(
    ("document", "foundation", "message"),
    [
        ({}, FOUNDATION, r"MONGO_URL: missing \(used by app api as MONGO_URL\)"),
        (DOCUMENT, FOUNDATION | {"zone": "other.example.org"}, "found `ci.example.org`; allowed: `other.example.org`"),
        (
            DOCUMENT,
            FOUNDATION | {"registryEndpoints": {"x": ""}},
            "foundation-ci has no environment `ci`; available: x",
        ),
        (DOCUMENT, {}, r"the stack foundation-ci has no output `\w+`: update that stack first"),
    ],
)
def test_nothing_of_an_environment_is_registered_when_something_is_missing(
    document: dict[str, str], foundation: dict[str, Any], message: str, preview: bool
) -> None:
    registered: list[str] = []

    class Watched(Cloud):
        def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
            registered.append(args.typ)
            return super().new_resource(args)

    cloud = Watched(document=document, foundation=foundation)
    with pytest.raises(pulumi.RunError, match=message):
        run(partial(program.run, NOWHERE), cloud=cloud, config=CONFIG, preview=preview)
    assert registered == ["pulumi:pulumi:StackReference"]


def test_an_unknown_document_is_not_checked() -> None:
    result = checked(Cloud(document={}), preview=True, secret_id=None)
    assert [resource.name for resource in result.resources] == ["marker"]
    assert result.outputs == {"bucket": UNKNOWN}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (7, "BUCKET: not a string"),
        (None, "BUCKET: missing"),
        pytest.param("s3cret" * 11_000, "BUCKET: longer than 65536 characters", id="long"),
    ],
)
def test_values_that_the_platform_would_refuse_are_refused(value: Any, problem: str) -> None:
    with pytest.raises(pulumi.RunError, match=problem) as error:
        checked(Cloud(document=COMPLETE | {"BUCKET": value}))
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("data", ["{", "[]", '"s3cret"', "s3cret"])
def test_a_document_that_is_no_object_is_refused_without_showing_it(data: str) -> None:
    raw = base64.b64encode(data.encode()).decode()
    with pytest.raises(pulumi.RunError, match="the secret document snu-test is not a JSON object") as error:
        checked(Cloud(raw_data=raw))
    assert "s3cret" not in str(error.value)
    assert raw not in str(error.value)


def test_a_document_that_is_no_base64_is_refused_without_showing_it() -> None:
    with pytest.raises(pulumi.RunError, match="the secret document snu-test is not a JSON object") as error:
        checked(Cloud(raw_data="s3cret!"))
    assert "s3cret" not in str(error.value)


def test_the_document_s_latest_enabled_version_is_read_once() -> None:
    result = checked(Cloud(document=COMPLETE))
    assert result.calls == [
        ("scaleway:secrets/getVersion:getVersion", {"secretId": "id", "revision": "latest_enabled"})
    ]


DOCUMENTS = json.loads((ROOT / "apps/crash-alerts/test/documents.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", DOCUMENTS, ids=lambda case: case["name"])
def test_the_program_reads_what_the_crash_alerts_job_reads(case: dict[str, Any]) -> None:
    """The job is held to the same file by its own test (`settings.test.js`)."""
    wanted = {"job": MergedVariables(secret={"HOOK": "HOOK"})}

    def program() -> None:
        pulumi.export("hook", SecretDocument("id", "snu-test", wanted).value("HOOK"))

    cloud = Cloud(raw_data=case["base64"])
    if case["accepted"]:
        assert run(program, cloud=cloud).outputs == {"hook": Secret("https://hooks.slack.test/é")}
    else:
        with pytest.raises(pulumi.RunError, match="not a JSON object"):
            run(program, cloud=cloud)
