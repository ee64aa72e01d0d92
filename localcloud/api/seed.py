"""The seed: the local Scaleway's initial resources, read from a TOML file and restored by a reset.

By default, it contains an organization with its default project, and an owner with an API key. Values are validated
like those in API requests, and are never quoted in messages.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.api.cloud import REGIONS
from localcloud.api.domain.schemas import ZONE
from localcloud.api.errors import StartError
from localcloud.api.secret_manager import schemas as secret_manager
from localcloud.api.validation import Body, EnumField, Problems, StringMap, Text, Uuid
from scaleway_facts.limits import SECRET_VERSION

Table = Mapping[str, Any]

ORGANIZATION = Body(id=Uuid(default="10ca1000-0000-4000-8000-000000000001"))
OWNER = Body(
    id=Uuid(default="10ca1000-0000-4000-8000-000000000002"),
    email=Text(default="owner@example.test", pattern=r"[^@\s]+@[^@\s]+", message="must be an e-mail address"),
    access_key=Text(
        default="SCWLOCALOWNER0000001",
        pattern=r"SCW[A-Z0-9]{17}",
        message="must be SCW followed by 17 capital letters or digits",
    ),
    secret_key=Uuid(default="10ca1000-0000-4000-8000-00000000cafe"),
)
DNS_ZONE = Body(**{name: ZONE.fields[name] for name in ("domain", "subdomain")})
SECRET = Body(
    id=Uuid(required=True),
    region=EnumField(values=REGIONS, default=REGIONS[0]),
    document=StringMap(required=True),
    **{name: secret_manager.SECRET.fields[name] for name in ("name", "description", "path", "tags", "type")},
)
COMMAND = Body(command=Text(required=True), description=Text(required=True))


@dataclass(frozen=True)
class Owner:
    """The organization's owner, who has all permissions."""

    id: str
    email: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Secret:
    """A secret with one version, which contains a JSON document."""

    id: str
    region: str
    document: Mapping[str, str] = field(repr=False)
    values: Table
    """The other fields of ``SECRET``."""


@dataclass(frozen=True)
class Command:
    """A command listed on the home page."""

    command: str
    description: str


@dataclass(frozen=True)
class Seed:
    organization_id: str
    """Also the id of its default project, as on the platform."""
    owner: Owner
    dns_zones: tuple[Table, ...]
    """Validated by ``DNS_ZONE``."""
    secrets: tuple[Secret, ...]
    """Secrets in the default project."""
    commands: tuple[Command, ...]


class SeedError(Exception):
    """The seed is invalid; the message lists each invalid key and what is expected."""


def read_seed(path: Path) -> Seed:
    """Read a seed file. Raises StartError."""
    try:
        return parse_seed(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StartError(f"The seed file {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:  # also if it is not UTF-8
        raise StartError(f"The seed file {path} is not valid TOML: {error}.") from error
    except SeedError as error:
        raise StartError(f"The seed file {path} is not valid: {error}.") from error


def parse_seed(document: Table) -> Seed:
    """Raises SeedError."""
    problems = Problems()
    _reject_unknown(document, ("organization", "owner", "dns_zones", "secrets", "commands"), "", problems)
    organization = _values(ORGANIZATION, _table(document, "organization", problems), "organization.", problems)
    owner = _values(OWNER, _table(document, "owner", problems), "owner.", problems)
    zones = [_values(DNS_ZONE, table, prefix, problems) for table, prefix in _tables(document, "dns_zones", problems)]
    secrets = [_values(SECRET, table, prefix, problems) for table, prefix in _tables(document, "secrets", problems)]
    commands = [_values(COMMAND, table, prefix, problems) for table, prefix in _tables(document, "commands", problems)]
    if not problems.items:
        _unique("dns_zones", [f"{zone['subdomain']}.{zone['domain']}".lower() for zone in zones], problems)
        _unique("secrets", [(secret["region"], secret["path"], secret["name"]) for secret in secrets], problems)
        _unique("secrets", [secret["id"] for secret in secrets], problems)
        for index, secret in enumerate(secrets):
            if not SECRET_VERSION.allows(len(json.dumps(secret["document"]))):
                problems.add(f"secrets[{index}].document", f"must be at most {SECRET_VERSION.most} bytes as JSON")
    if problems.items:
        raise SeedError("; ".join(f"{problem.argument} {problem.help or 'is required'}" for problem in problems.items))
    return Seed(
        organization_id=organization["id"],
        owner=Owner(**owner),
        dns_zones=tuple(zones),
        secrets=tuple(
            Secret(secret.pop("id"), secret.pop("region"), secret.pop("document"), secret) for secret in secrets
        ),
        commands=tuple(Command(**command) for command in commands),
    )


def _values(body: Body, table: Table, prefix: str, problems: Problems) -> dict[str, Any]:
    _reject_unknown(table, tuple(body.fields), prefix, problems)
    return body.create(table, problems, prefix)


def _table(document: Table, name: str, problems: Problems) -> Table:
    table = document.get(name, {})
    if isinstance(table, dict):
        return table
    problems.add(name, f"must be a table, [{name}]")
    return {}


def _tables(document: Table, name: str, problems: Problems) -> Iterator[tuple[Table, str]]:
    """The tables in an array, each with the prefix for its keys in messages."""
    tables = document.get(name, [])
    for index, table in enumerate(tables if isinstance(tables, list) else [None]):
        if isinstance(table, dict):
            yield table, f"{name}[{index}]."
        else:
            problems.add(name, f"must be an array of tables, [[{name}]]")


def _reject_unknown(table: Table, names: tuple[str, ...], prefix: str, problems: Problems) -> None:
    for name in sorted(table.keys() - set(names)):
        problems.add(f"{prefix}{name}", f"is unknown (expected: {', '.join(names)})")


def _unique(name: str, values: Sequence[Hashable], problems: Problems) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            problems.add(f"{name}[{index}]", f"duplicates {name}[{values.index(value)}]")


DEFAULT = parse_seed({})
"""The seed used if no file is given."""
