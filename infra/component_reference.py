"""Generates the component reference: `python -m infra.component_reference > docs/reference/components.md`."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from infra.components.provider import ComponentPackage
from infra.settings.models import (
    App,
    CrashAlertsSettings,
    InstanceBackend,
    Job,
    ObservabilitySettings,
    Probe,
    ServerlessBackend,
)
from infra.settings.reference import allowed

_INTRODUCTION = """\
# Components

For anyone who uses the components in a Pulumi program, in any language: all arguments and outputs. This page is
generated from the components' docstrings and the settings' limits; a test checks that it is up to date. Update it with
`python -m infra.component_reference > docs/reference/components.md`.

Names are in camel case, as in TypeScript and YAML; Python uses snake case (`container_name`). [Use the
components](../how-to/components.md) shows how to add the package to a project.

The package rejects unknown arguments, values of the wrong type, and outputs where the *plain* column is checked: these
values decide which resources exist, so they must be known when the program runs. All other arguments also accept
outputs.
"""
_SETTINGS: Mapping[str, type[BaseModel]] = {
    "BackendDatabase": ServerlessBackend,
    "BackendInstance": InstanceBackend,
    "ContainerApp": App,
    "ContainerProbe": Probe,
    "CrashAlerts": CrashAlertsSettings,
    "Observability": ObservabilitySettings,
    "ScheduledJob": Job,
}
"""The settings with the same fields, which define the platform's limits, by component or type."""

_OTHER_MEANING = {"image", "variables"}
"""Arguments that differ in meaning from the setting with the same name."""


def reference() -> str:
    """The complete component reference in Markdown."""
    schema = json.loads(ComponentPackage().schema or "{}")
    sections = [_INTRODUCTION]
    for token, component in sorted(schema["resources"].items()):
        sections.append(_section(_name(token), component["description"], _arguments(token, component), component))
    sections.append("## Types\n")
    for token, described in sorted(schema["types"].items()):
        rows = _rows(_name(token), described["properties"], described.get("required", []))
        sections.append("\n".join([f"### {_name(token)}", "", described["description"], "", *rows, ""]))
    return "\n".join(sections)


def _section(name: str, description: str, arguments: list[str], component: Mapping[str, Any]) -> str:
    text = [f"## {name}", "", description, "", *arguments, ""]
    if component["properties"]:
        text += ["| output | type | meaning |", "|---|---|---|"]
        text += [
            f"| `{key}` | {_type(value)} | {_line(value['description'])} |"
            for key, value in component["properties"].items()
        ]
        text.append("")
    return "\n".join(text)


def _arguments(token: str, component: Mapping[str, Any]) -> list[str]:
    return _rows(_name(token), component["inputProperties"], component.get("requiredInputs", []))


def _rows(name: str, properties: Mapping[str, Any], required: list[str]) -> list[str]:
    rows = ["| argument | type | plain | allowed | meaning |", "|---|---|---|---|---|"]
    for key, value in properties.items():
        meaning = _line(value["description"])
        plain = "✓" if value.get("plain") else ""
        need = "**Required.** " if key in required else ""
        rows.append(f"| `{key}` | {_type(value)} | {plain} | {_limits(name, key)} | {need}{meaning} |")
    return rows


def _limits(name: str, argument: str) -> str:
    """The allowed values, if a setting has the same name."""
    if argument in _OTHER_MEANING:
        return ""
    model = _SETTINGS.get(name)
    fields = {field.alias: field for field in model.model_fields.values()} if model else {}
    field = fields.get(argument)
    text = allowed(field) if field is not None else ""
    return "" if text in ("see below", "see the description") else text


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = _name(value["$ref"])
        return f"[{name}](#{name.lower()})"
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    if value["type"] == "object":
        return f"map of {_type(value['additionalProperties'])}"
    return str(value["type"])


def _name(token: str) -> str:
    return token.rpartition(":")[2]


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    print(reference(), end="")
