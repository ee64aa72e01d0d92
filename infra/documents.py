"""The secret document of an environment: one JSON object in Secret Manager, read key by key.

Everything in it is secret from the moment it is read. Messages name keys, never values.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumiverse_scaleway import secrets

from infra.secrecy import secret
from infra.settings import MergedVariables
from infra.settings.limits import MAX_SECRET_BYTES, MAX_VARIABLE_LENGTH

_LATEST = "latest_enabled"


class SecretDocument:
    """A document that is read while the program runs; unknown where its secret is not there yet."""

    def __init__(self, content: pulumi.Output[str], name: str) -> None:
        """`content` is the secret's data as Secret Manager answers it: JSON in base64."""
        self._name = name
        self._keys = secret(content).apply(self._parse)

    @classmethod
    def of(cls, secret_id: pulumi.Input[str], name: str) -> "SecretDocument":
        """Reads the latest enabled version of a secret by its id; `name` is for messages."""
        version = secrets.get_version_output(secret_id=secret_id, revision=_LATEST)
        return cls(version.apply(lambda version: version.data), name)

    def value(self, key: str) -> pulumi.Output[str]:
        """The value of one key, secret. `require` has made sure that it is there."""
        return self._keys.apply(lambda keys: str(keys[key]))

    def require(self, wanted: Mapping[str, MergedVariables]) -> pulumi.Output[list[pulumi.Resource]]:
        """Refuses a document that lacks what the given apps and jobs take from it.

        The output is empty and is meant for `depends_on`: what depends on it is not registered before the
        check has passed. Where the document is not known yet, there is nothing to check. It fails with
        `pulumi.RunError`, which lists every key that is missing with who takes it.
        """

        def check(keys: dict[str, Any]) -> list[pulumi.Resource]:
            problems = [
                f"  {key}: {problem}, taken by {consumer} as {variable}"
                for consumer, variables in wanted.items()
                for kind, taken in (("plain", variables.document), ("secret", variables.secret))
                for variable, key in taken.items()
                if (problem := _problem(keys.get(key), kind))
            ]
            if problems:
                heading = f"the secret document {self._name} is refused, nothing was changed:"
                raise pulumi.RunError("\n".join([heading, *sorted(problems)]))
            return []

        return pulumi.Output.unsecret(self._keys.apply(check))

    def _parse(self, content: str) -> dict[str, Any]:
        try:
            document = json.loads(base64.b64decode(content, validate=True))
        except (ValueError, binascii.Error):
            document = None
        if not isinstance(document, dict):
            raise pulumi.RunError(f"the secret document {self._name} is no JSON object")
        return document


def read_text(
    *,
    secret_id: pulumi.Input[str] | None = None,
    secret_name: str | None = None,
    project_id: str | None = None,
) -> pulumi.Output[str]:
    """The text of a secret's latest enabled version, secret: by its id, or by name and project."""
    version = secrets.get_version_output(
        secret_id=secret_id, secret_name=secret_name, project_id=project_id, revision=_LATEST
    )
    return secret(version).apply(lambda version: base64.b64decode(version.data).decode())


def _problem(value: Any, kind: str) -> str | None:
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return "not a text"
    if kind == "plain" and len(value) > MAX_VARIABLE_LENGTH:
        return f"longer than {MAX_VARIABLE_LENGTH} characters"
    if kind == "secret" and len(value.encode()) > MAX_SECRET_BYTES:
        return f"longer than {MAX_SECRET_BYTES} bytes"
    return None
