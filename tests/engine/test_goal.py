"""Supported registrations; unsupported features are named in the error."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import callback_pb2, resource_pb2

from engine.goal import goal_from
from pulumi_state.aliases import Alias, Aliases
from pulumi_state.errors import UnsupportedError
from pulumi_state.provider import ProviderRequest, package_config
from pulumi_state.values import to_struct

Request = resource_pb2.RegisterResourceRequest


def request(**fields: Any) -> resource_pb2.RegisterResourceRequest:
    return Request(type="scaleway:iam/application:Application", name="a", custom=True, **fields)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "remote": ({"remote": True}, "remote components"),
    "import": ({"importId": "fr-par/1"}, "import_"),
    "timeouts": ({"customTimeouts": Request.CustomTimeouts(create="5m")}, "custom_timeouts"),
    "retain": ({"retainOnDelete": True}, "retain_on_delete"),
    "deleted with": ({"deletedWith": "urn:pulumi:a::b::c::d"}, "deleted_with"),
    "transforms": ({"transforms": [callback_pb2.Callback(target="t", token="k")]}, "transforms"),
    "error hooks": ({"hooks": Request.ResourceHooksBinding(on_error=["h"])}, "error hooks"),
    "package": ({"packageRef": "p"}, "parameterized packages"),
    "checksums": ({"pluginChecksums": {"linux": b"1"}}, "plugin checksums"),
    "provider": ({"provider": "urn:pulumi:a::b::pulumi:providers:scaleway::mine::1"}, "explicit providers"),
    "providers": ({"providers": {"scaleway": "urn::1"}}, "explicit providers"),
    "replacing": ({"replaceOnChanges": ["name"]}, "replace_on_changes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_features_are_named(case: str) -> None:
    fields, named = REFUSED[case]
    with pytest.raises(UnsupportedError, match=rf"does not support .*{named}.*\(requested by a\).*--engine pulumi"):
        goal_from(request(**fields))


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("hideDiffs", ["x"], "hide_diffs"),
        ("replace_with", ["urn"], "replace_with"),
    ],
)
def test_features_of_newer_sdks(name: str, value: Any, named: str) -> None:
    if name not in Request.DESCRIPTOR.fields_by_name:
        pytest.skip(f"this SDK has no {name}")
    with pytest.raises(UnsupportedError, match=named):
        goal_from(request(**{name: value}))


def test_an_explicit_provider_resource_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="explicit providers"):
        goal_from(Request(type="pulumi:providers:scaleway", name="mine", custom=True))


def test_hooks_have_the_kinds_of_the_state() -> None:
    bindings = Request.ResourceHooksBinding(after_create=["a", "b"], before_delete=["c"])
    assert goal_from(request(hooks=bindings)).hooks == {"AfterCreate": ["a", "b"], "BeforeDelete": ["c"]}


def test_disabled_options_do_not_request_the_feature() -> None:
    goal = goal_from(request(retainOnDelete=False, protect=False, deleteBeforeReplaceDefined=True))
    assert goal.protect is False
    assert goal.delete_before_replace is False
    assert goal_from(request()).protect is None
    assert goal_from(request()).delete_before_replace is None


def test_a_goal_contains_the_registration() -> None:
    goal = goal_from(
        request(
            object=to_struct({"name": "x", "nothing": None}),
            parent="urn:pulumi:a::b::c::p",
            dependencies=["u2", "u1"],
            propertyDependencies={"name": Request.PropertyDependencies(urns=["u2"])},
            version="1.53.0",
            ignoreChanges=["tags"],
            additionalSecretOutputs=["key"],
            aliasURNs=["urn:pulumi:a::b::c::old"],
        )
    )
    assert goal.inputs == {"name": "x"}
    assert goal.dependencies == ["u1", "u2"]
    assert goal.property_dependencies == {"name": ["u2"]}
    assert goal.provider == ProviderRequest("scaleway", "1.53.0")
    assert goal.aliases == [Alias(urn="urn:pulumi:a::b::c::old")]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (ProviderRequest("scaleway"), "default"),
        (ProviderRequest("scaleway", "1.53.0"), "default_1_53_0"),
        (
            ProviderRequest("scaleway", "1.53.0", "github://api.example.test/pulumiverse"),
            "default_1_53_0_github_/api.example.test/pulumiverse",
        ),
    ],
)
def test_default_providers_are_named_as_pulumi_names_them(asked: ProviderRequest, name: str) -> None:
    assert asked.name == name


def test_a_package_gets_its_own_settings_only() -> None:
    config = {"scaleway:region": "fr-par", "snu:zone": "z", "scaleways:x": "no"}
    assert package_config("scaleway", config) == {"region": "fr-par"}


def _resource(name: str, type_: str, parent: str, *aliases: Alias) -> tuple[str, str, str, tuple[Alias, ...]]:
    return type_, name, parent, aliases


def test_aliases_are_those_of_pulumis_step_generator() -> None:
    """Cases of ``generateAliases``: new name, type or parent, and aliases inherited from a renamed parent."""
    aliases = Aliases("dev", "p")
    root = "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"
    component = "urn:pulumi:dev::p::m:i:C::new"
    former = "urn:pulumi:dev::p::m:i:C::old"
    assert aliases.former_urns(*_resource("new", "m:i:C", root, Alias(name="old"))) == [former]
    assert aliases.former_urns(*_resource("x", "m:i:T", root, Alias(type="m:i:Old"))) == [
        "urn:pulumi:dev::p::m:i:Old::x"
    ]
    assert aliases.former_urns(*_resource("x", "m:i:T", component, Alias(no_parent=True))) == [
        "urn:pulumi:dev::p::m:i:T::x"
    ]
    assert aliases.former_urns(*_resource("x", "m:i:T", root, Alias(stack="s", project="q"))) == [
        "urn:pulumi:s::q::m:i:T::x"
    ]
    assert aliases.former_urns(*_resource("x", "m:i:T", root, Alias(parent=former))) == [
        "urn:pulumi:dev::p::m:i:C$m:i:T::x"
    ]
    aliases.record(component, former)
    assert aliases.former_urns(*_resource("new-x", "m:i:T", component)) == ["urn:pulumi:dev::p::m:i:C$m:i:T::old-x"]
    assert aliases.former_urns(*_resource("x", "m:i:T", component, Alias(name="y"))) == [
        "urn:pulumi:dev::p::m:i:C$m:i:T::y",
        "urn:pulumi:dev::p::m:i:C$m:i:T::x",
    ]
