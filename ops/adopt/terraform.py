"""Reads version 4 Terraform states from a file or a PostgreSQL backend.

Source of the formats: Terraform's ``internal/states/statefile/version4.go`` and the table of its ``pg`` backend.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from ops.errors import OpsError
from ops.exit_codes import ExitCode

_VERSION = 4
_SCHEMES = ("postgres", "postgresql")
_SCHEMA, _WORKSPACE = "terraform_remote_state", "default"
"""The backend's default values."""
_CONNECT_SECONDS = 30


@dataclass(frozen=True)
class TerraformResource:
    """A resource that Terraform manages."""

    address: str
    """Terraform's address, such as ``module.apps.scaleway_container.app["api"]``."""
    type: str
    attributes: Mapping[str, Any] = field(repr=False)
    """In plain text, including secrets; never printed."""

    @property
    def id(self) -> str:
        return str(self.attributes.get("id") or "")

    @property
    def key(self) -> tuple[str, str]:
        """Type and id. Unlike the address, they identify an object across states."""
        return self.type, self.id


def read_states(sources: Iterable[str]) -> list[TerraformResource]:
    """The managed resources of all states, excluding data sources.

    A source is a file or ``postgres://<user>@<host>/<database>?schema_name=…[&workspace=…]``, with the password in
    PGPASSWORD. Raises OpsError if a state cannot be read or contains resources from an interrupted run.
    """
    return [live for source in sources for live in _resources(source, _document(source))]


def _document(source: str) -> Any:
    content = _stored(urlsplit(source)) if source.startswith(tuple(f"{each}:" for each in _SCHEMES)) else _file(source)
    try:
        return json.loads(content)
    except ValueError:
        _refuse(source, "is not a JSON document")


def _file(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        _refuse(source, f"cannot be read: {error.strerror}")


def _stored(url: SplitResult) -> str:
    import psycopg
    from psycopg import sql

    options = dict(parse_qsl(url.query))
    schema, workspace = options.pop("schema_name", _SCHEMA), options.pop("workspace", _WORKSPACE)
    shown = f"{url.scheme}://{url.hostname or ''}{url.path} (schema {schema}, workspace {workspace})"
    if url.password is not None:
        _refuse(shown, "contains a password, which other processes can see. Set PGPASSWORD instead")
    statement = sql.SQL("SELECT data FROM {} WHERE name = %s").format(sql.Identifier(schema, "states"))
    try:
        conninfo = url._replace(query=urlencode(options)).geturl()
        with psycopg.connect(conninfo, connect_timeout=_CONNECT_SECONDS) as connection:
            connection.read_only = True
            row = connection.execute(statement, [workspace]).fetchone()
    except psycopg.Error as error:
        _refuse(shown, f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}")
    if row is None:
        _refuse(shown, "contains no state for this workspace")
    return str(row[0])


def _resources(source: str, document: Any) -> list[TerraformResource]:
    shown = source.partition("?")[0]
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        version = document.get("version") if isinstance(document, dict) else None
        _refuse(shown, f"is not a version {_VERSION} Terraform state (version: {version or 'none'})")
    try:
        return [
            _live(shown, _address(resource, instance), resource["type"], instance)
            for resource in document.get("resources") or []
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else "unexpected type"
        _refuse(shown, f"contains an invalid resource: {problem}")


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    key = instance.get("index_key")
    index = "" if key is None else f"[{json.dumps(key)}]"
    module = f"{resource['module']}." if resource.get("module") else ""
    return f"{module}{resource['type']}.{resource['name']}{index}"


def _live(source: str, address: str, type_: str, instance: Mapping[str, Any]) -> TerraformResource:
    unfinished = "deposed" if instance.get("deposed") else instance.get("status")
    if unfinished:
        _refuse(
            source, f"lists {address} as {unfinished}: a Terraform run was interrupted. Complete it: `terraform apply`"
        )
    live = TerraformResource(address, str(type_), dict(instance["attributes"]))
    if not live.id:
        _refuse(source, f"lists {address} without an id")
    return live


def _refuse(source: str, problem: str) -> NoReturn:
    raise OpsError(f"{source} {problem}. Nothing was changed.", ExitCode.USAGE)
