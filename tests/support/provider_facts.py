"""The facts of the Scaleway provider that this project relies on: extracts them, and compares two versions.

``scripts/provider-facts`` runs this. The facts are in ``pulumi_state/schema.json``: the resource types and functions
that the embedded engine supports (which are those of the program), the object types of their properties, and the
provider's own configuration.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.provider import KNOWN_FUNCTIONS, KNOWN_TYPES
from tests.support.environment import ROOT, clean_environment

FACTS = ROOT / "pulumi_state" / "schema.json"
PLUGIN = "pulumi-resource-scaleway"

Facts = dict[str, Any]
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_MARKUP = re.compile(r"<[^>]+>")
_REFERENCE = "#/types/"
_FLAGS = {"secret": "secret", "willReplaceOnChanges": "replaces"}
"""Names in the provider's schema with those in the facts."""


class SourceError(Exception):
    """A source of facts that cannot be read. The text says why."""


# --- extraction -----------------------------------------------------------------------------------------


def extract(schema: Mapping[str, Any]) -> Facts:
    """Return the facts of a provider's schema. Types and functions that it does not have are left out."""
    facts: Facts = {
        "config": _properties(schema["provider"], "inputProperties", "requiredInputs"),
        "functions": {},
        "provider": f"pulumiverse {schema['name']} {schema['version']}",
        "resources": {},
        "types": {},
    }
    for token in sorted(KNOWN_TYPES & schema["resources"].keys()):
        resource = schema["resources"][token]
        inputs = _properties(resource, "inputProperties", "requiredInputs")
        outputs = _properties(resource, "properties", "")
        only = {name: property_ for name, property_ in outputs.items() if name not in inputs}
        facts["resources"][token] = {
            **_deprecation(resource),
            "inputs": inputs,
            **({"outputsOnly": only} if only else {}),
        }
    for token in sorted(KNOWN_FUNCTIONS & schema["functions"].keys()):
        function = schema["functions"][token]
        facts["functions"][token] = {
            **_deprecation(function),
            "inputs": _properties(function.get("inputs", {}), "properties", "required"),
            "outputs": _properties(function.get("outputs", {}), "properties", ""),
        }
    while missing := _references([*facts["resources"].values(), *facts["types"].values()]) - facts["types"].keys():
        facts["types"] |= {name: _properties(schema["types"][name], "properties", "required") for name in missing}
    facts["types"] = dict(sorted(facts["types"].items()))
    return facts


def _properties(owner: Mapping[str, Any], key: str, required: str) -> dict[str, dict[str, Any]]:
    needed = owner.get(required, ())
    return {name: _property(property_, name in needed) for name, property_ in sorted(owner.get(key, {}).items())}


def _property(property_: Mapping[str, Any], required: bool) -> dict[str, Any]:
    found = {
        **_deprecation(property_),
        **{name: True for original, name in _FLAGS.items() if property_.get(original)},
        **({"required": True} if required else {}),
        **({"default": property_["default"]} if "default" in property_ else {}),
        "type": _type(property_),
    }
    return dict(sorted(found.items()))


def _deprecation(owner: Mapping[str, Any]) -> dict[str, str]:
    message = owner.get("deprecationMessage")
    return {"deprecated": " ".join(_MARKUP.sub(" ", message).split())} if message else {}


def _type(property_: Mapping[str, Any]) -> Any:
    """Return a type as the facts have it: a name, ``[item]`` or ``{"map of": item}``."""
    if "$ref" in property_:
        return property_["$ref"].removeprefix(_REFERENCE)
    if property_["type"] == "array":
        return [_type(property_["items"])]
    if property_["type"] == "object":
        return {"map of": _type(property_.get("additionalProperties", {"type": "string"}))}
    return property_["type"]


def _references(value: Any) -> set[str]:
    """Return the object types that the facts refer to."""
    match value:
        case dict():
            return _references([*value.values()])
        case list():
            return set().union(*map(_references, value))
        case str() if value.startswith("scaleway:"):
            return {value}
    return set()


def text_of(facts: Facts) -> str:
    """Return the facts as the committed file has them."""
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


# --- sources --------------------------------------------------------------------------------------------


def read(source: str) -> Facts:
    """Return the facts of a source; ``_parser`` describes the kinds. Raises SourceError."""
    if source.endswith(".json"):
        try:
            document = json.loads(Path(source).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{source}: {error}") from None
    elif _VERSION.fullmatch(source):
        document = _schema_of(f"scaleway@{source}")
    elif Path(source).is_file():
        document = _schema_of(str(Path(source).resolve()))
    else:
        raise SourceError(f"{source} is neither a file nor a version such as 1.53.0")
    match document:
        case {"provider": str(), "resources": dict(), "types": dict()}:
            return {"config": {}, "functions": {}, **document}
        case {"name": "scaleway", "version": str(), "resources": dict()}:
            return extract(document)
    raise SourceError(f"{source} is neither a schema of the Scaleway provider nor a file of facts")


def _schema_of(package: str) -> Any:
    if shutil.which("pulumi") is None:
        raise SourceError("pulumi is not on PATH; it reads the plugin's schema")
    with tempfile.TemporaryDirectory(prefix="provider-facts-") as folder:  # where no project chooses the version
        ended = subprocess.run(
            ["pulumi", "package", "get-schema", package, "--non-interactive"],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if ended.returncode != 0:
        raise SourceError(f"pulumi cannot read the schema of {package}: {ended.stderr.strip().splitlines()[-1:]}")
    return json.loads(ended.stdout)


def _plugin() -> str:
    found = shutil.which(PLUGIN)
    if found is None:
        raise SourceError(f"{PLUGIN} is not on PATH; name a version, a plugin or a JSON file instead")
    return found


# --- difference -----------------------------------------------------------------------------------------


def difference(old: Facts, new: Facts) -> str:
    """Return what changed, in lines that start with ``+`` (new), ``-`` (removed) or ``~`` (changed)."""
    title = f"{old['provider']} → {new['provider'].rpartition(' ')[2]}"
    lines = [
        *_section("provider configuration", old["config"], new["config"]),
        *_owners("resource type", old["resources"], new["resources"]),
        *_owners("function", old["functions"], new["functions"]),
        *_owners(
            "object type",
            {name: {"fields": fields} for name, fields in old["types"].items()},
            {name: {"fields": fields} for name, fields in new["types"].items()},
        ),
    ]
    return "\n".join([title, *(lines or ["No fact that this project uses differs."])]) + "\n"


def _owners(kind: str, old: Facts, new: Facts) -> Iterator[str]:
    """Lines about resource types, functions or object types, each of which has lists of properties."""
    for token in sorted(old.keys() | new.keys()):
        if token not in new:
            yield f"- {kind} {token}"
        elif token not in old:
            yield f"+ {kind} {token}"
        else:
            if new[token].get("deprecated") and not old[token].get("deprecated"):
                yield f"~ {kind} {token}: now deprecated: {new[token]['deprecated']}"
            for part in sorted((old[token].keys() | new[token].keys()) - {"deprecated"}):
                heading = token if part == "fields" else f"{token}, {_PARTS[part]}"
                yield from _section(heading, old[token].get(part, {}), new[token].get(part, {}))


_PARTS = {"inputs": "inputs", "outputs": "outputs", "outputsOnly": "outputs"}


def _section(heading: str, old: Facts, new: Facts) -> Iterator[str]:
    """Lines about the properties of one list, below its heading."""
    lines = [line for name in sorted(old.keys() | new.keys()) for line in _change(name, old.get(name), new.get(name))]
    if lines:
        yield from [heading, *(f"  {line}" for line in lines)]


def _change(name: str, old: Facts | None, new: Facts | None) -> Iterator[str]:
    if new is None:
        yield f"- {name}"
        return
    if old is None:
        marks = [mark for mark in ("required", "secret", "replaces") if new.get(mark)]
        yield f"+ {name}: {', '.join([_type_name(new['type']), *marks])}"
        return
    changes = []
    if old["type"] != new["type"]:
        changes.append(f"{_type_name(old['type'])} → {_type_name(new['type'])}")
    for mark, now, before in _MARKS:
        if bool(old.get(mark)) != bool(new.get(mark)):
            changes.append(now if new.get(mark) else before)
    if old.get("default") != new.get("default"):
        changes.append(f"default {json.dumps(old.get('default'))} → {json.dumps(new.get('default'))}")
    if bool(old.get("deprecated")) != bool(new.get("deprecated")):
        changes.append(f"now deprecated: {new['deprecated']}" if new.get("deprecated") else "no longer deprecated")
    if changes:
        yield f"~ {name}: {'; '.join(changes)}"


_MARKS = (
    ("required", "now required", "no longer required"),
    ("replaces", "a change now replaces the resource", "a change no longer replaces the resource"),
    ("secret", "now secret", "no longer secret"),
)


def _type_name(type_: Any) -> str:
    match type_:
        case [item]:
            return f"list of {_type_name(item)}"
        case {"map of": item}:
            return f"map of {_type_name(item)}"
    return str(type_)


# --- command --------------------------------------------------------------------------------------------


def update(source: str) -> str:
    """Write the facts of a source; return what changed. Raises SourceError if a type or function is missing."""
    facts, before = read(source), read(str(FACTS))
    found = facts["resources"].keys() | facts["functions"].keys()
    if missing := (KNOWN_TYPES | KNOWN_FUNCTIONS) - found:
        raise SourceError(
            f"{facts['provider']} does not have {', '.join(sorted(missing))}; nothing was changed. Stop using it in "
            "infra/ and engine/provider/ first"
        )
    FACTS.write_text(text_of(facts), encoding="utf-8")
    return difference(before, facts)


def main() -> None:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "update":
            said = update(arguments.source or _plugin())
        else:
            said = difference(read(arguments.old), read(arguments.new or _plugin()))
    except SourceError as error:
        raise SystemExit(f"error: {error}") from None
    print(said, end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/provider-facts",
        description="Keep pulumi_state/schema.json up to date: the facts of the Scaleway provider that this project "
        "uses.",
        epilog="A source is a version such as 1.53.0, which the Pulumi CLI downloads, a plugin's path, or a JSON file "
        "with a provider's schema or with facts.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("update", help="write the facts and print what changed")
    writing.add_argument("source", nargs="?", help=f"default: {PLUGIN} on PATH")
    comparing = commands.add_parser("diff", help="print how the facts of two versions differ")
    comparing.add_argument("new", nargs="?", help=f"newer source; default: {PLUGIN} on PATH")
    comparing.add_argument("--old", default=str(FACTS), help="older source; default: the committed facts")
    return parser


if __name__ == "__main__":
    main()
