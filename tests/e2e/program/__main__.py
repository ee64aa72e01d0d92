"""A Pulumi program that registers what ``resources.json`` says: see ``tests/e2e/described.py``."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumiverse_scaleway

_OPTIONS = ("protect", "delete_before_replace", "ignore_changes", "additional_secret_outputs")
_made: dict[str, pulumi.Resource] = {}


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("described:index:Group", name, None, opts)
        self.register_outputs({"name": name})


def _value(described: Any) -> Any:
    """References, secrets and settings are objects with one key that starts with ``$``."""
    match described:
        case {"$ref": [name, output]}:
            return getattr(_made[name], output)
        case {"$host": url}:
            return _value(url).apply(lambda found: urlsplit(found).hostname)
        case {"$secret": value}:
            return pulumi.Output.secret(_value(value))
        case {"$config": key}:
            return pulumi.Config().require(key)
        case {"$secret_config": key}:
            return pulumi.Config().require_secret(key)
        case {"$join": parts}:
            return pulumi.Output.concat(*(_value(part) for part in parts))
        case dict():
            return {key: _value(item) for key, item in described.items()}
        case list():
            return [_value(item) for item in described]
        case _:
            return described


def _alias(described: Any) -> Any:
    if isinstance(described, str):
        return pulumi.Alias(name=described)
    if described.get("parent", "") is None:
        return pulumi.Alias(**{**described, "parent": pulumi.ROOT_STACK_RESOURCE})
    if "parent" in described:
        return pulumi.Alias(**{**described, "parent": _made[described["parent"]]})
    return pulumi.Alias(**described)


def _register(name: str, described: dict[str, Any]) -> pulumi.Resource:
    opts = pulumi.ResourceOptions(
        parent=_made[described["parent"]] if described.get("parent") else None,
        depends_on=[_made[other] for other in described.get("depends_on", [])],
        aliases=[_alias(alias) for alias in described.get("aliases", [])],
        **{option: described[option] for option in _OPTIONS if option in described},
    )
    if described["type"] == "group":
        return Group(name, opts)
    module, _, class_name = described["type"].partition(".")
    resource_class = getattr(getattr(pulumiverse_scaleway, module), class_name)
    arguments = {key: _value(value) for key, value in described.get("args", {}).items()}
    resource: pulumi.Resource = resource_class(name, **arguments, opts=opts)
    return resource


_document = json.loads(Path("resources.json").read_text())
for _name, _described in _document["resources"].items():
    _made[_name] = _register(_name, _described)
for _name, _described in _document.get("outputs", {}).items():
    pulumi.export(_name, _value(_described))
