"""Reads an environment's secret document: a JSON object in Secret Manager.

All values read from it are secret outputs. Messages contain keys, never values.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumiverse_scaleway import secrets

from infra.components.secret_output import secret
from infra.secret_document import parse, problems
from infra.settings import MergedVariables

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
        self._values = secret(version.apply(lambda version: version.data)).apply(
            lambda content: _validated(_parsed(content, name), name, required)
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


def _parsed(content: str, name: str) -> dict[str, Any]:
    """Parses the base64-encoded document."""
    try:
        document = parse(base64.b64decode(content, validate=True))
    except binascii.Error:
        document = None
    if document is None:
        raise pulumi.RunError(f"the secret document {name} is not a JSON object")
    return document


def _validated(values: dict[str, Any], name: str, required: Mapping[str, MergedVariables]) -> dict[str, str]:
    if found := problems(values, required):
        command = f"Set each key with `scripts/snu secrets set {pulumi.get_stack()} KEY`."
        raise pulumi.RunError(
            "\n".join([f"the secret document {name} is invalid:", *(f"  {each}" for each in found), command])
        )
    return values
