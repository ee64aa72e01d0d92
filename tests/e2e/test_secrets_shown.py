"""What both engines report of secrets, and how it is shown: the SDK, the provider and the CLI mark them in other places
than a program does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from ops.report.markdown import plan_markdown
from ops.report.plain import PlainDisplay
from tests.e2e.described import STACK, Description, Lab, ref, secret
from tests.support.pulumi_cli import Run, needs_pulumi

pytestmark = needs_pulumi

_PLAIN, _SECRET = "environment_variables", "secret_environment_variables"
Variables = dict[str, Any]

_CASES: dict[str, tuple[Variables, Variables, list[str]]] = {
    "changed": ({_SECRET: {"A": "hush1"}}, {_SECRET: {"A": "hush2"}}, ["~ A: [secret] → [secret]"]),
    "marked": ({_SECRET: {"A": secret("hush1")}}, {_SECRET: {"A": secret("hush2")}}, ["~ A: [secret] → [secret]"]),
    "added": ({_SECRET: {"A": "hush1"}}, {_SECRET: {"A": "hush1", "B": "hush2"}}, ["+ B: [secret]"]),
    "removed": ({_SECRET: {"A": "hush1", "B": "hush2"}}, {_SECRET: {"A": "hush1"}}, ["- B: [secret]"]),
    "first": ({}, {_SECRET: {"A": "hush1"}}, ["+ [secret]"]),
    "whole": (
        {_SECRET: secret({"A": "hush1", "B": "hush2"})},
        {_SECRET: secret({"A": "hush3", "C": "hush4"})},
        ["~ A: [secret] → [secret]", "- B: [secret]", "+ C: [secret]"],
    ),
    "among plain ones": (
        {_PLAIN: {"A": secret("hush1"), "P": "open1"}},
        {_PLAIN: {"A": secret("hush2"), "P": "open2"}},
        ["~ A: [secret] → [secret]", '~ P: "open1" → "open2"'],
    ),
    "no longer plain": ({_PLAIN: {"A": "open1"}}, {_PLAIN: secret({"A": "hush1"})}, ['~ A: "open1" → [secret]']),
    "plain from now on": ({_PLAIN: secret({"A": "hush1"})}, {_PLAIN: {"A": "open1"}}, ['~ A: [secret] → "open1"']),
}
"""By name: variables before and after, and the lines that show the difference."""


def _program(side: int) -> Description:
    resources: dict[str, dict[str, Any]] = {
        "namespace": {"type": "containers.Namespace", "args": {"name": "e2e-secrets"}}
    }
    for number, (name, case) in enumerate(_CASES.items()):
        arguments: Variables = {"name": f"e2e-secrets-{number}", "namespace_id": ref("namespace"), "image": "nginx:1"}
        arguments |= {"cpu_limit": 256, "memory_limit_bytes": 256_000_000, "port": 8080, "privacy": "public"}
        resources[name] = {"type": "containers.Container", "args": arguments | (case[1] if side else case[0])}
    return Description(resources, outputs={"token": secret(f"hush{side}"), "count": side})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, pulumi_home: Path) -> Lab:
    return Lab.make(tmp_path_factory.mktemp("secrets") / "project", pulumi_home)


def test_secrets_read_the_same_from_both_engines(lab: Lab) -> None:
    lab.write(_program(0))
    with lab.cloud():
        made = lab.cli.up(STACK)
        assert made.ok, made.text
        lab.write(_program(1))
        for engine in (lab.cli, lab.embedded):
            planned = engine.preview(STACK)
            assert planned.ok, planned.text
            text, comment = _shown(planned)
            assert "hush" not in text + comment
            assert "null" not in text + comment
            assert _lines(text) == {name: sorted(lines) for name, (*_, lines) in _CASES.items()}, engine.name


def _shown(run: Run) -> tuple[str, str]:
    """A preview as text and as Markdown."""
    stream = io.StringIO()
    display = PlainDisplay(stream, "", preview=True)
    for event in run.events:
        display.on_event(event)
    display.finish()
    return stream.getvalue(), plan_markdown(display.record, stack=STACK)


def _lines(text: str) -> dict[str, list[str]]:
    """By resource, the lines of its variables, without the property that they are in."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if "scaleway:containers:Container " in line:
            name = line.partition("~ ")[2].partition("  scaleway")[0]
            found[name] = []
        elif "nvironmentVariables" in line:
            sign, _, rest = line.strip("│├└─ ").partition(" ")
            path, _, value = rest.partition(": ")
            key = path.partition(".")[2]
            found[name].append(f"{sign} {key}: {value}" if key else f"{sign} {value}")
    return {name: sorted(lines) for name, lines in found.items()}
