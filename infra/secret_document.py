"""The format of an environment's secret document: a JSON object, and what its consumers require of it.

Does not import Pulumi, so `snu` checks a document in the same way as the program. Messages contain keys, never values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import MergedVariables
from scaleway_facts.limits import SECRET_VARIABLE_VALUE, VARIABLE_VALUE


def parse(content: bytes) -> dict[str, Any] | None:
    """The JSON object in a document: UTF-8, with or without a byte order mark; None if it is anything else.

    The crash alerts job parses it the same way (`apps/crash-alerts/src/settings.js`).
    """
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


@dataclass(frozen=True, order=True)
class DocumentProblem:
    """A required key that is missing, or whose value its consumer cannot take."""

    key: str
    problem: str
    consumer: str
    variable: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem} (used by {self.consumer} as {self.variable})"


def problems(values: Mapping[str, Any], required: Mapping[str, MergedVariables]) -> list[DocumentProblem]:
    """Everything in the document that prevents a deployment, sorted by key. `required`: variables by consumer."""
    return sorted(
        DocumentProblem(key, problem, consumer, variable)
        for consumer, variables in required.items()
        for kind, keys in (("plain", variables.document), ("secret", variables.secret))
        for variable, key in keys.items()
        if (problem := _problem(values.get(key), kind))
    )


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _problem(value: Any, kind: str) -> str | None:
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return "not a string"
    if kind == "plain" and not VARIABLE_VALUE.allows(len(value)):
        return f"longer than {VARIABLE_VALUE.most} characters"
    if kind == "secret" and not SECRET_VARIABLE_VALUE.allows(len(value.encode(errors="surrogatepass"))):
        return f"longer than {SECRET_VARIABLE_VALUE.most} bytes"
    return None
