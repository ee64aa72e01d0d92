"""Placeholders for values from Scaleway, secret documents and encrypted settings.

A placeholder such as ``<id of api-container>`` is always the same and stays visible in any value derived from it, so
changing a value's source also changes the value.
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
"""Key of the digest in a displayed secret; two secrets are compared by their digests."""

_PLACEHOLDER = re.compile(r"<[^<>]*>")
_MOST_NAMED = 3
_SHAPES = {
    (CONTAINER.token, "publicEndpoint"): "https://{}",
    (SERVERLESS_DATABASE.token, "endpoint"): "postgres://{}",
}
"""Formats of outputs that programs parse."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PREVIEW_NAME = "pr-0"
_IMAGES, _BUILD = "snu:images", "build"


def fill_template(text: str) -> str:
    """Fill a stack file template with valid values, such as a digest for each ``${…_digest}``."""
    return _VARIABLE.sub(lambda match: _value_of(match[1]), text)


def _value_of(name: str) -> str:
    if name == "name":
        return _PREVIEW_NAME
    return f"sha256:{_digest(name)}" if name.endswith("digest") else name.replace("_", "-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class Placeholders:
    """The placeholders for one evaluation of one stack."""

    def __init__(self) -> None:
        self._issued: set[str] = set()

    def text(self, description: str) -> str:
        """A placeholder for a string."""
        placeholder = f"<{description}>"
        self._issued.add(placeholder)
        return placeholder

    # --- configuration ----------------------------------------------------------------------------------

    def config(self, config: Mapping[str, Any], project: str) -> tuple[dict[str, str], list[str]]:
        """A stack file's ``config`` as programs receive it, and its secret keys.

        Encrypted values have different placeholders if their ciphertexts differ. Images set to `build` get a
        placeholder version and digest, because a build requires Docker and a Git repository.
        """
        values: dict[str, str] = {}
        secret_keys = []
        for short, value in _with_pinned_images(config).items():
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
        """A secret document as returned by Secret Manager, with every string in the stack's file as a key."""
        keys = {text for value in config.values() for text in _texts(value)}
        document = {key: self.text(f"key {key}") for key in sorted(keys)}
        return base64.b64encode(json.dumps(document).encode()).decode()

    def source(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a data source lookup: its arguments, plus placeholders for the type's other properties."""
        name = " ".join(str(arguments[key]) for key in ("origin", "type", "name") if arguments.get(key))
        return {
            "id": self.text(f"id of data source {name}"),
            **self.outputs(DATA_SOURCE.token, f"data source {name}", arguments),
        }

    # --- resources --------------------------------------------------------------------------------------

    def id(self, type_: str, name: str, inputs: Mapping[str, Any]) -> str:
        """A resource's ID: for a zone, its name, because programs compare it; otherwise a placeholder."""
        if type_ == ZONE.token:
            return f"{unwrap(inputs.get('subdomain'))}.{unwrap(inputs.get('domain'))}"
        return self.text(f"id of {name}")

    def outputs(self, type_: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """A provider resource's outputs: its inputs, plus placeholders for the type's other properties."""
        outputs = dict(inputs)
        for key, facts in schema.outputs_of(type_).items():
            if outputs.get(key) is None:
                value = self._value(facts["type"], f"{key} of {name}", _SHAPES.get((type_, key), "{}"))
                outputs[key] = Secret(value) if facts.get("secret") else value
        return outputs

    def _value(self, type_: Any, description: str, shape: str = "{}") -> Any:
        if type_ == "string":
            return shape.format(self.text(description))
        if isinstance(type_, str) and ":" in type_:
            fields = schema.fields_of(type_)
            return {key: self._value(facts["type"], f"{key} of {description}") for key, facts in fields.items()}
        return schema.zero_value(type_)

    # --- display ----------------------------------------------------------------------------------------

    def shown(self, value: Any) -> Any:
        """The value as publishable JSON, with secrets reduced to a digest and their placeholders."""
        if isinstance(value, Secret):
            return self._shown_secret(value.value)
        if isinstance(value, dict):
            return {key: self.shown(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [self.shown(item) for item in value]
        return UNKNOWN_TEXT if value is UNKNOWN else value

    def hidden(self, value: Any) -> Any:
        """Like ``shown``, for a value that is entirely secret."""
        return self._shown_secret(value)

    def _shown_secret(self, value: Any) -> Any:
        """Secret maps are shown key by key, because only their values are secret."""
        if isinstance(value, Secret):
            return self._shown_secret(value.value)
        if isinstance(value, dict):
            return {key: self._shown_secret(item) for key, item in value.items() if item is not None}
        text = UNKNOWN_TEXT if value is UNKNOWN else json.dumps(unwrap(value), sort_keys=True, default=str)
        issued = [each for each in dict.fromkeys(_PLACEHOLDER.findall(text)) if each in self._issued]
        names = ", ".join(each[1:-1] for each in issued[:_MOST_NAMED]) + (", …" if issued[_MOST_NAMED:] else "")
        return {SIGNATURE_KEY: SECRET_SIGNATURE, DIGEST: _digest(text)} | ({ABOUT: names} if names else {})


def _with_pinned_images(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with a placeholder version and digest for each image set to `build`."""
    images = config.get(_IMAGES)
    if images == _BUILD:
        images = dict.fromkeys(_image_names(config), _BUILD)
    if not isinstance(images, dict) or _BUILD not in images.values():
        return config
    pinned = {
        name: {"version": _BUILD, "digest": f"sha256:{_digest(f'build of {name}')}"} if image == _BUILD else image
        for name, image in images.items()
    }
    return {**config, _IMAGES: pinned}


def _image_names(config: Mapping[str, Any]) -> Iterator[str]:
    """The names of the images that apps, jobs and crash alerts run. Invalid settings are skipped."""
    for key in ("snu:apps", "snu:jobs"):
        runnables = config.get(key)
        for name, settings in runnables.items() if isinstance(runnables, dict) else ():
            image = settings.get("image", name) if isinstance(settings, dict) else name
            if isinstance(image, str):
                yield image
    alerts = config.get("snu:crashAlerts")
    if isinstance(alerts, dict):
        yield str(alerts.get("image", "crash-alerts"))


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
