"""Reads an environment's secret document: a JSON object in Secret Manager.

All values read from it are secret outputs. Messages contain keys, never values.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumiverse_scaleway import secrets

from infra.components.secret_output import secret
from infra.settings import MergedVariables
from scaleway_facts.limits import SECRET_VARIABLE_VALUE, VARIABLE_VALUE

_LATEST = "latest_enabled"


class SecretDocument:
    """The secret document. Its values are unknown until the secret exists.

    The document is validated before any value is used: if it lacks keys that apps or jobs require, all its outputs fail
    with a `pulumi.RunError` that lists each missing key and its consumers.
    """

    def __init__(self, secret_id: pulumi.Input[str], name: str, required: Mapping[str, MergedVariables]) -> None:
        """Reads the latest enabled version of a secret.

        `required` maps each consumer to its variables. `name` and the consumers' names appear in messages.
        """
        version = secrets.get_version_output(secret_id=secret_id, revision=_LATEST)
        content = secret(version.apply(lambda version: version.data))
        self._values = pulumi.Output.all(secret_id, content).apply(
            lambda known: _validated(known[1], _Location(name, known[0]), required)
        )

    @property
    def is_valid(self) -> pulumi.Output[bool]:
        """True once the document has been validated; unknown while the document is unknown."""
        return pulumi.Output.unsecret(self._values.apply(lambda _: True))

    def value(self, key: str) -> pulumi.Output[str]:
        """The value of a required key, as a secret output."""
        return self._values.apply(lambda values: values[key])


def read_text(
    *,
    secret_id: pulumi.Input[str] | None = None,
    secret_name: str | None = None,
    project_id: str | None = None,
) -> pulumi.Output[str]:
    """The content of a secret's latest enabled version, as a secret output. Requires an id, or a name and project."""
    version = secrets.get_version_output(
        secret_id=secret_id, secret_name=secret_name, project_id=project_id, revision=_LATEST
    )
    return secret(version).apply(lambda version: base64.b64decode(version.data).decode())


@dataclass(frozen=True)
class _Location:
    """Where a secret document is stored."""

    name: str
    secret_id: str

    def error(self, problem: str, details: Iterable[str] = ()) -> pulumi.RunError:
        """The error for an invalid document."""
        location = f"It is the secret {self.name} in Secret Manager, with the id {self.secret_id}."
        remedy = 'To show or edit it, see docs/how-to/add-an-app.md, section "The secret document"'
        return pulumi.RunError(
            "\n".join([f"the secret document {self.name} is {problem}", *details, f"{location} {remedy}"])
        )


def _parsed(content: str, location: _Location) -> dict[str, Any]:
    """Parses the base64-encoded JSON object: UTF-8, with or without a byte order mark.

    The crash alerts job parses it the same way (`apps/crash-alerts/src/settings.js`).
    """
    try:
        text = base64.b64decode(content, validate=True).decode("utf-8-sig")
        document = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError, binascii.Error):
        document = None
    if not isinstance(document, dict):
        raise location.error("not a JSON object")
    return document


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _validated(content: str, location: _Location, required: Mapping[str, MergedVariables]) -> dict[str, str]:
    values = _parsed(content, location)
    problems = [
        f"  {key}: {problem} (used by {consumer} as {variable})"
        for consumer, variables in required.items()
        for kind, keys in (("plain", variables.document), ("secret", variables.secret))
        for variable, key in keys.items()
        if (problem := _problem(values.get(key), kind))
    ]
    if problems:
        raise location.error("invalid:", sorted(problems))
    return values


def _problem(value: Any, kind: str) -> str | None:
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return "not a string"
    if kind == "plain" and not VARIABLE_VALUE.allows(len(value)):
        return f"longer than {VARIABLE_VALUE.most} characters"
    if kind == "secret" and not SECRET_VARIABLE_VALUE.allows(len(value.encode())):
        return f"longer than {SECRET_VARIABLE_VALUE.most} bytes"
    return None
