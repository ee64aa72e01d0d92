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

from infra.secret_output import secret
from infra.settings import MergedVariables
from scaleway_facts.limits import SECRET_VARIABLE_VALUE, VARIABLE_VALUE

_LATEST = "latest_enabled"


class SecretDocument:
    """A document that is read while the program runs; unknown where its secret is not there yet.

    Nothing of it is handed out before it has proved to hold what the apps and jobs take: a document that
    does not fails with `pulumi.RunError`, which lists every key that is missing with who takes it.
    """

    def __init__(self, secret_id: pulumi.Input[str], name: str, wanted: Mapping[str, MergedVariables]) -> None:
        """Reads the latest enabled version of a secret. `name` and the keys of `wanted` are for messages."""
        version = secrets.get_version_output(secret_id=secret_id, revision=_LATEST)
        self._keys = secret(version.apply(lambda version: version.data)).apply(
            lambda content: _checked(_parsed(content, name), name, wanted)
        )

    @property
    def passed(self) -> pulumi.Output[bool]:
        """True, once the document has passed; unknown as long as the document is."""
        return pulumi.Output.unsecret(self._keys.apply(lambda _: True))

    def value(self, key: str) -> pulumi.Output[str]:
        """The value of one of the wanted keys, secret."""
        return self._keys.apply(lambda keys: keys[key])


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


def is_written(secret_id: pulumi.Input[str]) -> pulumi.Output[bool]:
    """Whether a secret has a version that can be read. Needs no right to its values."""
    found = secrets.get_secret_output(secret_id=secret_id)
    return found.apply(lambda found: any(version.status == "enabled" for version in found.versions))


def _parsed(content: str, name: str) -> dict[str, Any]:
    """The JSON object that Secret Manager hands over in base64: UTF-8, with or without a byte order mark.

    The crash-alerts job reads it by the same rule (`apps/crash-alerts/src/settings.js`).
    """
    try:
        text = base64.b64decode(content, validate=True).decode("utf-8-sig")
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError, binascii.Error):
        document = None
    if not isinstance(document, dict):
        raise pulumi.RunError(f"the secret document {name} is no JSON object")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _checked(keys: dict[str, Any], name: str, wanted: Mapping[str, MergedVariables]) -> dict[str, str]:
    problems = [
        f"  {key}: {problem}, taken by {consumer} as {variable}"
        for consumer, variables in wanted.items()
        for kind, taken in (("plain", variables.document), ("secret", variables.secret))
        for variable, key in taken.items()
        if (problem := _problem(keys.get(key), kind))
    ]
    if problems:
        raise pulumi.RunError("\n".join([f"the secret document {name} is refused:", *sorted(problems)]))
    return keys


def _problem(value: Any, kind: str) -> str | None:
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return "not a text"
    if kind == "plain" and not VARIABLE_VALUE.allows(len(value)):
        return f"longer than {VARIABLE_VALUE.most} characters"
    if kind == "secret" and not SECRET_VARIABLE_VALUE.allows(len(value.encode())):
        return f"longer than {SECRET_VARIABLE_VALUE.most} bytes"
    return None
