"""What is said where the cloud, a secret document or an encrypted value would answer: always the same, and telling.

A stand-in reads ``<id of api-container>``. It shows through in whatever the program makes of it, so that a change of
where a value comes from is a change of the value.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ops.report.values import ABOUT
from ops.scaleway.catalogue import CONTAINER, DATA_SOURCE, SERVERLESS_DATABASE, ZONE
from pulumi_state import schema
from pulumi_state.stack_file import as_text, full_key, is_secure
from pulumi_state.values import SECRET_SIGNATURE, SIGNATURE_KEY, UNKNOWN, UNKNOWN_TEXT, Secret, unwrap

GET_SECRET = "scaleway:secrets/getSecret:getSecret"  # noqa: S105 - a type token
GET_SOURCE = "scaleway:observability/getSource:getSource"
GET_VERSION = "scaleway:secrets/getVersion:getVersion"
DIGEST = "digest"
"""In a shown secret: tells whether two are the same."""

_STAND_IN = re.compile(r"<[^<>]*>")
_MOST_NAMED = 3
_SHAPES = {
    (CONTAINER.token, "publicEndpoint"): "https://{}",
    (SERVERLESS_DATABASE.token, "endpoint"): "postgres://{}",
}
"""Outputs that programs take apart, in the form that they have."""
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PREVIEW_NAME = "pr-0"


def fill_template(text: str) -> str:
    """A stack file's template, filled so that its settings are valid: a digest for each ``${…_digest}``, and so on."""
    return _PLACEHOLDER.sub(lambda found: _filling(found[1]), text)


def _filling(name: str) -> str:
    if name == "name":
        return _PREVIEW_NAME
    return f"sha256:{_digest(name)}" if name.endswith("digest") else name.replace("_", "-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class Placeholders:
    """The stand-ins of one evaluation of one stack."""

    def __init__(self) -> None:
        self._issued: set[str] = set()

    def text(self, what: str) -> str:
        found = f"<{what}>"
        self._issued.add(found)
        return found

    # --- configuration ----------------------------------------------------------------------------------

    def config(self, config: Mapping[str, Any], project: str) -> tuple[dict[str, str], list[str]]:
        """A stack file's ``config`` as programs get it, and which of its keys are secret.

        Encrypted values, which nobody here can read, differ when their ciphertexts do.
        """
        values: dict[str, str] = {}
        secret_keys = []
        for short, value in config.items():
            key, clear = full_key(short, project), self._readable(value)
            values[key] = as_text(clear)
            if clear != value:
                secret_keys.append(key)
        return values, secret_keys

    def _readable(self, value: Any) -> Any:
        if is_secure(value):
            return self.text(f"encrypted value {_digest(str(value['secure']))[:8]}")
        if isinstance(value, dict):
            return {key: self._readable(item) for key, item in value.items()}
        return [self._readable(item) for item in value] if isinstance(value, list) else value

    def document(self, config: Mapping[str, Any]) -> str:
        """A secret document, as Secret Manager hands it over: every name in the stack's file is a key of it."""
        keys = {text for value in config.values() for text in _texts(value)}
        document = {key: self.text(f"key {key}") for key in sorted(keys)}
        return base64.b64encode(json.dumps(document).encode()).decode()

    def source(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A data source that is looked up: it has what is asked for, and what else its type has."""
        name = " ".join(str(asked[key]) for key in ("origin", "type", "name") if asked.get(key))
        return {
            "id": self.text(f"id of data source {name}"),
            **self.outputs(DATA_SOURCE.token, f"data source {name}", asked),
        }

    # --- resources --------------------------------------------------------------------------------------

    def id(self, type_: str, name: str, inputs: Mapping[str, Any]) -> str:
        """The id of a zone is its name, which programs compare; any other id says nothing."""
        if type_ == ZONE.token:
            return f"{unwrap(inputs.get('subdomain'))}.{unwrap(inputs.get('domain'))}"
        return self.text(f"id of {name}")

    def outputs(self, type_: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What a resource of the provider's has once it exists: its inputs, and what else its type has."""
        outputs = dict(inputs)
        for key, facts in schema.outputs_of(type_).items():
            if outputs.get(key) is None:
                value = self._value(facts["type"], f"{key} of {name}", _SHAPES.get((type_, key), "{}"))
                outputs[key] = Secret(value) if facts.get("secret") else value
        return outputs

    def _value(self, type_: Any, what: str, shape: str = "{}") -> Any:
        if type_ == "string":
            return shape.format(self.text(what))
        if isinstance(type_, str) and ":" in type_:
            fields = schema.fields_of(type_)
            return {key: self._value(facts["type"], f"{key} of {what}") for key, facts in fields.items()}
        return schema.zero_value(type_)

    # --- what may be shown ------------------------------------------------------------------------------

    def shown(self, value: Any) -> Any:
        """The value as JSON that may be told to anybody; secrets become a digest and the stand-ins in them."""
        if isinstance(value, Secret):
            return self._shown_secret(value.value)
        if isinstance(value, dict):
            return {key: self.shown(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [self.shown(item) for item in value]
        return UNKNOWN_TEXT if value is UNKNOWN else value

    def hidden(self, value: Any) -> Any:
        """A value that may not be told, as ``shown``."""
        return self._shown_secret(value)

    def _shown_secret(self, value: Any) -> Any:
        """A secret map is shown key by key: only its values are secret."""
        if isinstance(value, Secret):
            return self._shown_secret(value.value)
        if isinstance(value, dict):
            return {key: self._shown_secret(item) for key, item in value.items() if item is not None}
        text = UNKNOWN_TEXT if value is UNKNOWN else json.dumps(unwrap(value), sort_keys=True, default=str)
        named = [found for found in dict.fromkeys(_STAND_IN.findall(text)) if found in self._issued]
        about = ", ".join(found[1:-1] for found in named[:_MOST_NAMED]) + (", …" if named[_MOST_NAMED:] else "")
        return {SIGNATURE_KEY: SECRET_SIGNATURE, DIGEST: _digest(text)} | ({ABOUT: about} if about else {})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
