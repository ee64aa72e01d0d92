"""What Terraform manages: its state, version 4, out of a file or of a PostgreSQL backend.

The form of a state is Terraform's ``internal/states/statefile/version4.go``, the table that of its backend ``pg``.
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
"""What the backend takes where nothing else is said."""
_CONNECT_SECONDS = 30


@dataclass(frozen=True)
class TerraformResource:
    """A resource that Terraform has made and manages."""

    address: str
    """As Terraform names it: ``module.apps.scaleway_container.app["api"]``."""
    type: str
    attributes: Mapping[str, Any] = field(repr=False)
    """In clear, secrets among them: never to be shown as they are."""

    @property
    def id(self) -> str:
        return str(self.attributes.get("id") or "")

    @property
    def key(self) -> tuple[str, str]:
        """Type and id: unlike the address, the same in no two states unless it is the same object."""
        return self.type, self.id


def read_states(sources: Iterable[str]) -> list[TerraformResource]:
    """The managed resources of all states; data sources are left out.

    A source is a file, or ``postgres://<user>@<host>/<database>?schema_name=…[&workspace=…]``, whose password is taken
    from PGPASSWORD. Raises OpsError when one cannot be read, or was left half done by Terraform.
    """
    return [live for source in sources for live in _resources(source, _document(source))]


def _document(source: str) -> Any:
    content = _stored(urlsplit(source)) if source.startswith(tuple(f"{each}:" for each in _SCHEMES)) else _file(source)
    try:
        return json.loads(content)
    except ValueError:
        _refuse(source, "is no JSON document")


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
        _refuse(
            shown, "is given with a password, which every process of this machine sees: set PGPASSWORD to it instead"
        )
    statement = sql.SQL("SELECT data FROM {} WHERE name = %s").format(sql.Identifier(schema, "states"))
    try:
        conninfo = url._replace(query=urlencode(options)).geturl()
        with psycopg.connect(conninfo, connect_timeout=_CONNECT_SECONDS) as connection:
            connection.read_only = True
            row = connection.execute(statement, [workspace]).fetchone()
    except psycopg.Error as error:
        _refuse(shown, f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}")
    if row is None:
        _refuse(shown, "has no state of that name")
    return str(row[0])


def _resources(source: str, document: Any) -> list[TerraformResource]:
    shown = source.partition("?")[0]
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        found = document.get("version") if isinstance(document, dict) else None
        _refuse(shown, f"is no Terraform state of version {_VERSION} (version: {found or 'none'})")
    try:
        return [
            _live(shown, _address(resource, instance), resource["type"], instance)
            for resource in document.get("resources") or []
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        _refuse(shown, f"has a resource that cannot be read ({error!r})")


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    key = instance.get("index_key")
    index = "" if key is None else f"[{json.dumps(key)}]"
    module = f"{resource['module']}." if resource.get("module") else ""
    return f"{module}{resource['type']}.{resource['name']}{index}"


def _live(source: str, address: str, type_: str, instance: Mapping[str, Any]) -> TerraformResource:
    unfinished = "deposed" if instance.get("deposed") else instance.get("status")
    if unfinished:
        _refuse(
            source, f"has {address} as {unfinished}: Terraform was interrupted. Let `terraform apply` end what it began"
        )
    live = TerraformResource(address, str(type_), dict(instance["attributes"]))
    if not live.id:
        _refuse(source, f"has {address} without an id")
    return live


def _refuse(source: str, what: str) -> NoReturn:
    raise OpsError(f"{source} {what}. Nothing was changed.", ExitCode.USAGE)
