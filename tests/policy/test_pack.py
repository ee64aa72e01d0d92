"""The pack as Pulumi meets it: a process that says its port, and an analyzer that answers over gRPC."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.settings.models import PolicyRule
from policy import rules
from tests.support.environment import ROOT, clean_environment
from tests.support.policy_resources import ACL, CONTAINER, IMAGE

CONFIG = {
    "snu:blueprint": "environment",
    "snu:environment": json.dumps({"name": "test", "foundation": "foundation-test"}),
    "snu:images": "{}",
    "snu:policies": json.dumps(
        {
            "exemptions": [
                {
                    "rule": "limits",
                    "resource": "worker-container",
                    "reason": "Scaleway has raised the limit for this organization.",
                },
                {"rule": "limits", "resource": "gone", "reason": "Nobody knows any more why this was needed."},
            ]
        }
    ),
}


@contextmanager
def served(config: Mapping[str, str], project: str = "snu") -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack, started as Pulumi's language host starts it for a stack."""
    environment = clean_environment(PULUMI_PROJECT=project, PULUMI_STACK="test", PULUMI_DRY_RUN="true")
    environment.pop("PYTHONPATH")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", str(ROOT / "policy")],
        cwd=ROOT / "policy",
        env=environment | {"PULUMI_CONFIG": json.dumps(config)},
        stdout=subprocess.PIPE,
    ) as pack:
        try:
            assert pack.stdout is not None
            port = int(pack.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            pack.terminate()


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    with served(CONFIG) as stub:
        yield stub


def properties(inputs: Mapping[str, Any]) -> struct_pb2.Struct:
    def sent(value: Any) -> Any:
        if value is rules.UNKNOWN:
            return rpc.UNKNOWN
        if value is rules.SECRET:
            return {rpc._special_sig_key: rpc._special_secret_sig, "value": "hunter2"}
        if isinstance(value, dict):
            return {key: sent(item) for key, item in value.items()}
        return [sent(item) for item in value] if isinstance(value, list) else value

    return json_format.ParseDict(sent(inputs), struct_pb2.Struct())


def urn_of(name: str) -> str:
    return f"urn:pulumi:test::snu::{rules.CONTAINER}::{name}"


Analyze = Callable[..., list[Any]]


@pytest.fixture
def analyze(pack: analyzer_pb2_grpc.AnalyzerStub) -> Analyze:
    def analyze(name: str, **changed: Any) -> list[Any]:
        request = analyzer_pb2.AnalyzeRequest(
            type=rules.CONTAINER, urn=urn_of(name), name=name, properties=properties(CONTAINER | changed)
        )
        return list(pack.Analyze(request).diagnostics)

    return analyze


def test_it_says_what_it_is(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "snu"
    levels = {policy.name: policy.enforcementLevel for policy in info.policies}
    assert levels.pop("unused-exemption") == analyzer_pb2.ADVISORY
    assert sorted(levels) == sorted(get_args(PolicyRule))
    assert set(levels.values()) == {analyzer_pb2.MANDATORY}


def test_a_violation_is_mandatory_and_says_all(analyze: Analyze) -> None:
    assert analyze("api-container") == []
    (found,) = analyze("api-container", image="rg.fr-par.scw.cloud/snu-test/api:latest")
    assert found.policyName == "image-by-digest"
    assert found.enforcementLevel == analyzer_pb2.MANDATORY
    assert found.urn == urn_of("api-container")
    assert "image is rg.fr-par.scw.cloud/snu-test/api:latest" in found.message
    assert "snu:images" in found.message


def test_unknown_values_and_secrets_say_nothing(analyze: Analyze) -> None:
    assert analyze("api-container", image=rules.UNKNOWN, environmentVariables={"A": rules.UNKNOWN}) == []
    (found,) = analyze("api-container", environmentVariables={"A_TOKEN": rules.SECRET, "B": rules.UNKNOWN})
    assert found.policyName == "plain-variables"
    assert "hunter2" not in str(found)


def test_exemptions_of_the_stack_hold(analyze: Analyze) -> None:
    assert [found.policyName for found in analyze("api-container", cpuLimit=7000)] == ["limits"]
    assert analyze("worker-container", cpuLimit=7000) == []


def test_exemptions_that_fit_nothing_are_told(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    worker = analyzer_pb2.AnalyzerResource(
        type=rules.CONTAINER,
        urn=urn_of("worker-container"),
        name="worker-container",
        properties=properties(CONTAINER | {"cpuLimit": 7000, "image": IMAGE}),
    )
    (found,) = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[worker])).diagnostics
    assert found.policyName == "unused-exemption"
    assert "the exemption of gone from limits is unused" in found.message
    assert found.enforcementLevel == analyzer_pb2.ADVISORY


def test_what_only_the_whole_stack_shows(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    def named(type_: str, inputs: Mapping[str, Any]) -> analyzer_pb2.AnalyzerResource:
        urn = f"urn:pulumi:test::snu::{type_}::thing"
        return analyzer_pb2.AnalyzerResource(type=type_, urn=urn, name="thing", properties=properties(inputs))

    def found(*resources: analyzer_pb2.AnalyzerResource) -> list[str]:
        answer = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=list(resources)))
        return [each.message for each in answer.diagnostics if each.policyName == "no-public-database"]

    instance = named(rules.INSTANCE, {"encryptionAtRest": True})
    (message,) = found(instance)
    assert "any address can connect (no-public-database)" in message
    assert found(instance, named(rules.ACL, ACL)) == []
    assert len(found(instance, named(rules.ACL, {"aclRules": [{"ip": "0.0.0.0/0"}]}))) == 1


def test_protection_is_read_from_the_options() -> None:
    with served(CONFIG | {"snu:protect": "true"}) as pack:
        for protect in (True, False):
            request = analyzer_pb2.AnalyzeRequest(
                type=rules.CONTAINER,
                urn=urn_of("api-container"),
                properties=properties(CONTAINER),
                options=analyzer_pb2.AnalyzerResourceOptions(protect=protect),
            )
            found = [each.policyName for each in pack.Analyze(request).diagnostics]
            assert found == ([] if protect else ["protection"])


# --- stacks of other projects -------------------------------------------------------------------

Found = list[tuple[str, str]]


@contextmanager
def served_to_another_project(
    configuration: Mapping[str, Any], config: Mapping[str, str] | None = None
) -> Iterator[Callable[[str, Mapping[str, Any]], Found]]:
    """Calls with a type and inputs return the rules that are violated, with the messages."""
    with served({"acme:prefix": "acme"} if config is None else config, project="acme") as pack:
        policies = {
            rule: analyzer_pb2.PolicyConfig(
                enforcementLevel=analyzer_pb2.MANDATORY, properties=json_format.ParseDict(values, struct_pb2.Struct())
            )
            for rule, values in configuration.items()
        }
        pack.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=policies))

        def analyze(type_: str, inputs: Mapping[str, Any]) -> Found:
            request = analyzer_pb2.AnalyzeRequest(
                type=type_, urn=f"urn:pulumi:test::acme::{type_}::shop", name="shop", properties=properties(inputs)
            )
            stack = analyzer_pb2.AnalyzerResource(
                type=type_, urn=request.urn, name="shop", properties=request.properties
            )
            found = [
                *pack.Analyze(request).diagnostics,
                *pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[stack])).diagnostics,
            ]
            return [(each.policyName, each.message) for each in found]

        yield analyze


def rules_in(found: Found) -> list[str]:
    return sorted(rule for rule, _ in found)


SHOP = CONTAINER | {"image": IMAGE.replace("snu-test", "acme")}
NO_REASON_NEEDED = "The shop prints it on every page that it serves."


def test_a_stack_without_settings_is_checked_by_the_rules_that_need_none() -> None:
    bad = {"image": "docker.io/acme/shop:1", "cpuLimit": 7000, "environmentVariables": {"MAIL_TOKEN": "hunter2"}}
    with served_to_another_project({}) as analyze:
        assert analyze(rules.CONTAINER, SHOP) == []
        found = analyze(rules.CONTAINER, SHOP | bad)
        assert rules_in(found) == ["image-by-digest", "limits", "plain-variables"]
        assert "snu" not in str(found)
        assert rules_in(analyze(rules.REGISTRY, {"name": "acme", "isPublic": True})) == ["private-registry"]
        assert rules_in(analyze(rules.INSTANCE, {})) == ["encryption-at-rest", "no-public-database"]
        full_access = {"name": "deploy", "rules": [{"projectIds": ["p"], "permissionSetNames": ["IAMManager"]}]}
        assert rules_in(analyze(rules.POLICY, full_access)) == ["least-privilege"]


def test_the_configuration_sets_what_settings_would() -> None:
    configuration = {
        "protection": {"protect": True},
        "private-registry": {"namespaces": ["acme"]},
        "least-privilege": {"permissionSets": {"deploy": ["IAMManager"]}},
        "plain-variables": {"exemptions": [{"resource": "shop", "reason": NO_REASON_NEEDED}]},
        "no-public-database": {"exemptions": [{"resource": "shop", "reason": NO_REASON_NEEDED}]},
    }
    with served_to_another_project(configuration) as analyze:
        found = analyze(rules.CONTAINER, SHOP | {"environmentVariables": {"MAIL_TOKEN": "hunter2"}})
        unused = "the exemption of shop from no-public-database is unused: remove it from the policy pack's"
        assert rules_in(found) == ["protection", "unused-exemption"]
        assert unused in dict(found)["unused-exemption"]
        found = analyze(rules.CONTAINER, CONTAINER)
        assert "which is not in rg.<region>.scw.cloud/acme " in dict(found)["private-registry"]
        found = analyze(rules.INSTANCE, {"encryptionAtRest": True})
        assert "no-public-database" not in rules_in(found)
        access = {"name": "deploy", "rules": [{"projectIds": ["p"], "permissionSetNames": ["IAMManager"]}]}
        assert "least-privilege" not in rules_in(analyze(rules.POLICY, access))
        assert "least-privilege" in rules_in(analyze(rules.POLICY, access | {"name": "other"}))


def test_settings_take_precedence_over_the_configuration() -> None:
    configuration = {
        "protection": {"protect": True},
        "limits": {"exemptions": [{"resource": "shop", "reason": NO_REASON_NEEDED}]},
    }
    with served_to_another_project(configuration, CONFIG) as analyze:
        found = analyze(rules.CONTAINER, CONTAINER | {"cpuLimit": 7000})
        assert rules_in(found) == ["limits", "unused-exemption", "unused-exemption"]


def test_an_unknown_key_of_the_configuration_is_refused_once() -> None:
    """Pulumi's own check of the configuration lets it pass."""
    with served_to_another_project({"protection": {"protected": True}}) as analyze:
        ((rule, message),) = analyze(rules.CONTAINER, SHOP)
        assert rule == "protection"
        assert message.endswith("configuration of protection: protected: found an unknown key; did you mean `protect`?")
        assert analyze(rules.CONTAINER, SHOP) == []


def test_the_schema_of_each_rule_has_exemptions(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    keys = {policy.name: sorted(policy.configSchema.properties.keys()) for policy in info.policies}
    assert keys.pop("unused-exemption") == []
    own = {
        "least-privilege": ["permissionSets"],
        "private-registry": ["namespaces"],
        "protection": ["protect"],
    }
    assert keys == {rule: ["exemptions", *own.get(rule, [])] for rule in get_args(PolicyRule)}
    assert "$ref" not in str(info)
