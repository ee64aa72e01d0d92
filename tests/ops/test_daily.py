"""Targets, graphs and apps' URLs, as far as they need no engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.commands import open_app
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.graph import dot_text, graph_of_state, svg_text
from ops.stacks import find_stack
from ops.targets import select
from tests.support.environment import ROOT
from tests.support.programs import needs


def urn(types: str, name: str) -> str:
    return f"urn:pulumi:local::snu::{types}::{name}"


STACK, PROVIDER = urn("pulumi:pulumi:Stack", "snu-local"), urn("pulumi:providers:scaleway", "default")
API, APP = urn("snu:index:ContainerApp", "api"), urn("snu:index:ContainerApp", "app")
NESTED = urn("snu:index:ContainerApp$snu:index:Part", "part")
API_CONTAINER = urn("snu:index:ContainerApp$scaleway:containers/container:Container", "api-container")
APP_CONTAINER = urn("snu:index:ContainerApp$scaleway:containers/container:Container", "app-container")
PART = urn("snu:index:ContainerApp$snu:index:Part$scaleway:domain/record:Record", 'a "record" \\ line')
NAMESPACE = urn("scaleway:containers/namespace:Namespace", "namespace")
PARENTS = {NAMESPACE: STACK, API: STACK, API_CONTAINER: API, NESTED: API, PART: NESTED, APP: STACK, APP_CONTAINER: APP}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["namespace"], [NAMESPACE]),
        (["api"], [API, API_CONTAINER, NESTED, PART]),
        (["part", "app"], [NESTED, PART, APP, APP_CONTAINER]),
        ([API_CONTAINER, "namespace", "namespace"], [NAMESPACE, API_CONTAINER]),
    ],
)
def test_a_target_includes_what_its_component_contains(targets: list[str], expected: list[str]) -> None:
    assert select(targets, PARENTS, "local") == expected


@pytest.mark.parametrize("target", ["nope", "", "ap", urn("scaleway:containers/namespace:Namespace", "nope")])
def test_an_unknown_target_names_the_known_ones(target: str) -> None:
    with pytest.raises(OpsError, match="include their children: api, app, namespace") as refused:
        select(["api", target], PARENTS, "local")
    assert refused.value.code == ExitCode.USAGE


# --- graph ------------------------------------------------------------------------------------------------


def state() -> dict[str, Any]:
    def resource(urn: str, *dependencies: str, **more: Any) -> dict[str, Any]:
        found = {"urn": urn, "custom": "ContainerApp::" not in urn, "parent": PARENTS.get(urn, ""), **more}
        return {**found, "dependencies": list(dependencies), "propertyDependencies": {"x": [*dependencies], "y": None}}

    return {
        "resources": [
            {"urn": STACK, "custom": False},
            {"urn": PROVIDER, "custom": True},
            resource(NAMESPACE),
            resource(API, NAMESPACE),
            resource(API_CONTAINER, NAMESPACE),
            resource(NESTED, custom=False),
            resource(PART, API_CONTAINER, NAMESPACE),
            resource(APP, NAMESPACE),
            resource(urn("scaleway:containers/container:Container", "api-container"), delete=False),
            resource(urn("scaleway:containers/container:Container", "old"), delete=True),
        ]
    }


def test_a_graph_has_names_and_is_the_same_for_every_order() -> None:
    graph = graph_of_state(state())
    shuffled = graph_of_state({"resources": state()["resources"][::-1]})
    assert (graph, dot_text(graph, "x")) == (shuffled, dot_text(shuffled, "x"))
    assert [node.id for node in graph.nodes] == [
        "Container/api-container",
        "Container/api-container (2)",
        "ContainerApp/api",
        "ContainerApp/app",
        "Namespace/namespace",
        "Part/part",
        'Record/a "record" \\ line',
    ]
    text = dot_text(graph, "local")
    assert "urn:" not in text
    assert text.count("->") == 4, "the component's own arrow is not repeated"
    assert '"ContainerApp/app" -> "Namespace/namespace";' in text
    assert '"Record/a \\"record\\" \\\\ line" -> "Container/api-container' in text


@needs("dot")
def test_an_svg_of_odd_names() -> None:
    svg = svg_text(dot_text(graph_of_state(state()), 'the "local" stack'))
    assert svg.startswith("<?xml")
    assert "a &quot;record&quot; \\ line" in svg


def test_without_graphviz_the_other_format_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match=r"`dot` is not on PATH.*--format dot"):
        svg_text("digraph {}")


# --- open -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "opens"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1"}, False),
        ({"SSH_CONNECTION": "1", "BROWSER": "w3m"}, True),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({"DISPLAY": ":0", "CI": "false"}, True),
    ],
)
def test_a_browser_is_started_only_where_it_is_seen(environ: Mapping[str, str], *, opens: bool) -> None:
    assert open_app.has_display(environ) is opens


@pytest.mark.parametrize("stack", ["local", "stage"])
def test_the_url_comes_from_the_settings(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = open_app.open_app(find_stack(ROOT, stack), "api", {}, dict, only_print=True)
    assert code == ExitCode.OK
    url = capsys.readouterr().out.strip()
    assert url.startswith("http://api.local.snu.localhost:" if stack == "local" else "https://")


@pytest.mark.parametrize("scheme", ["", "https://"])
@pytest.mark.parametrize(
    ("stack", "url"), [("local", "http://tasks.functions.test:8421"), ("stage", "https://tasks.functions.test")]
)
def test_an_app_without_a_host_has_an_endpoint_once_deployed(
    stack: str, url: str, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {"endpoints": {"tasks": f"{scheme}tasks.functions.test"}}
    assert open_app.open_app(find_stack(ROOT, stack), "tasks", {}, lambda: outputs, only_print=True) == ExitCode.OK
    assert capsys.readouterr().out == f"{url}\n"


def test_an_app_without_a_host_must_be_deployed() -> None:
    found = find_stack(ROOT, "local")
    with pytest.raises(OpsError, match="Deploy it with: scripts/snu up local"):
        open_app.open_app(found, "tasks", {}, dict, only_print=True)


@pytest.mark.parametrize(("stack", "apps"), [("local", "api, "), ("foundation-local", "none")])
def test_an_unknown_app_names_the_known_ones(stack: str, apps: str) -> None:
    with pytest.raises(OpsError, match=rf"has no app nope. Apps: .*{apps}") as refused:
        open_app.open_app(find_stack(ROOT, stack), "nope", {}, dict, only_print=True)
    assert refused.value.code == ExitCode.USAGE
