"""``/domain/v2beta1``. A zone is known by its name; any domain may be given one, as if it were registered."""

from __future__ import annotations

from typing import Any

from localcloud.api.clock import timestamp
from localcloud.api.domain.schemas import RECORD, ZONE, ZONE_CHANGE, records, zone_name, zones
from localcloud.api.errors import already_exists, invalid, not_found, plain
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import Resource
from localcloud.api.validation import objects

routes = Routes("/domain/v2beta1/dns-zones", product="domain")

NAME_SERVERS = ["ns0.dom.localhost", "ns1.dom.localhost"]


@routes("POST", "", "dns_zone")
def create_zone(call: ApiRequest) -> Answer:
    values = ZONE.create(call.body)
    project = call.project(values["project_id"])
    return zones.show(call, zones.add(call, new_zone(call, values, project), project=project))


@routes("GET", "", "dns_zone")
def list_zones(call: ApiRequest) -> Answer:
    return zones.list(call)


@routes("PATCH", "/{id}", "dns_zone")
def update_zone(call: ApiRequest) -> Answer:
    """Only a zone's project can change here. The clients cannot follow a rename (they read the old name after it)."""
    zone = zones.find(call, call.id.lower())
    wanted = ZONE_CHANGE.update(call.body)
    if wanted.get("new_dns_zone"):
        raise invalid("new_dns_zone", "a zone cannot be renamed")
    changes = {}
    if "project_id" in wanted:
        project = call.project(wanted["project_id"])
        changes = {"project_id": project, "_project": project}
    return zones.show(call, zones.change(call, zone, changes))


@routes("DELETE", "/{id}", "dns_zone")
def delete_zone(call: ApiRequest) -> Answer:
    zone = zones.find(call, call.id.lower())
    if not zone["subdomain"]:
        raise plain(403, "cannot delete a root DNS zone")
    for record in _records_of(call, zone):
        records.remove(call, record)
    zones.remove(call, zone)
    return {}


@routes("GET", "/{id}/records", "record")
def list_records(call: ApiRequest) -> Answer:
    """As on the platform, ``name=`` (present but empty) means any name; of types the case does not matter."""
    zone = zones.find(call, call.id.lower())
    wanted = call.argument("type")
    return records.list(call, zone=zone["id"], **({"type": wanted.upper()} if wanted else {}))


@routes("PATCH", "/{id}/records", "record")
def update_records(call: ApiRequest) -> Answer:
    """Apply a list of changes; each is one of ``add``, ``set``, ``delete``, ``clear``. All of them or none."""
    zone = zones.find(call, call.id.lower())
    body = call.body
    touched: list[Resource] = []
    for change in objects(body, "changes"):
        if len(change) != 1:
            raise invalid("changes", "each change is one of add, set, delete, clear")
        ((verb, what),) = change.items()
        if verb not in _VERBS or not isinstance(what, dict):
            raise invalid("changes", "each change is one of add, set, delete, clear")
        touched += _VERBS[verb](call, zone, what)
    zones.change(call, zone, {})
    answer = _records_of(call, zone) if body.get("return_all_records") else touched
    return {"records": [records.show(call, record) for record in answer]}


def new_zone(call: ApiRequest, values: dict[str, Any], project: str) -> dict[str, Any]:
    """A complete zone. Raises 409 if it exists."""
    values = {**values, "domain": values["domain"].lower(), "subdomain": values["subdomain"].lower()}
    name = zone_name(values)
    if call.store.get(zones.kind, name) is not None:
        raise already_exists("dns_zone", name, "the zone exists")
    return {
        "id": name,
        **values,
        "project_id": project,
        "status": "active",
        "message": None,
        "ns": NAME_SERVERS,
        "ns_default": NAME_SERVERS,
        "ns_master": [],
        "linked_products": [],
        "_organization": call.organization_id,
    }


def _add(call: ApiRequest, zone: Resource, what: dict[str, Any]) -> list[Resource]:
    return [_keep(call, zone, record, None) for record in objects(what, "records")]


def _set(call: ApiRequest, zone: Resource, what: dict[str, Any]) -> list[Resource]:
    """Replace the records that are meant by new ones; the first of them keeps the old id (clients read by it)."""
    old = _meant(call, zone, what)
    for record in old:
        records.remove(call, record)
    ids = [record["id"] for record in old]
    return [
        _keep(call, zone, record, ids[index] if index < len(ids) else None)
        for index, record in enumerate(objects(what, "records"))
    ]


def _delete(call: ApiRequest, zone: Resource, what: dict[str, Any]) -> list[Resource]:
    for record in _meant(call, zone, what):
        records.remove(call, record)
    return []


def _clear(call: ApiRequest, zone: Resource, what: dict[str, Any]) -> list[Resource]:
    for record in _records_of(call, zone):
        records.remove(call, record)
    return []


_VERBS = {"add": _add, "set": _set, "delete": _delete, "clear": _clear}


def _keep(call: ApiRequest, zone: Resource, given: dict[str, Any], id: str | None) -> Resource:
    values = RECORD.create(_upper(given))
    values["data"] = _as_answered(values)
    values["name"] = values["name"].lower()
    for other in _records_of(call, zone):
        if other["name"] != values["name"]:
            continue
        if (other["type"], other["data"]) == (values["type"], values["data"]):
            raise already_exists("record", other["id"], "the zone has this record")
        if "CNAME" in (other["type"], values["type"]):
            raise invalid("name", "a name with a CNAME record can have no other record")
    record = records.add(call, {**values, "zone": zone["id"]}, project=zone["_project"])
    if id is not None:
        records.remove(call, record)
        record = {**record, "id": id, "updated_at": timestamp(call.now)}
        records.put(call, record)
    return record


def _upper(given: dict[str, Any]) -> dict[str, Any]:
    """With the type as the platform writes it: the official Python SDK sends it in lower case."""
    return {**given, "type": given["type"].upper()} if isinstance(given.get("type"), str) else given


def _as_answered(values: dict[str, Any]) -> str:
    """The platform answers MX data with its priority in front and TXT data in quotes."""
    data = str(values["data"])
    if values["type"] == "MX" and not data.split(" ")[0].isdecimal():
        return f"{values['priority']} {data}"
    if values["type"] == "TXT" and not data.startswith('"'):
        return f'"{data}"'
    return data


def _meant(call: ApiRequest, zone: Resource, what: dict[str, Any]) -> list[Resource]:
    """The records that a change means: by ``id`` or by ``id_fields`` (name, type, and data if given)."""
    if what.get("id"):
        found = [record for record in _records_of(call, zone) if record["id"] == what["id"]]
        if not found:
            raise not_found("record", str(what["id"]))
        return found
    fields = what.get("id_fields")
    if not isinstance(fields, dict):
        raise invalid("changes", "a change needs id or id_fields")
    fields = _upper(fields)
    wanted = {name: fields[name] for name in ("name", "type", "data") if fields.get(name) is not None}
    if "data" in wanted:
        wanted["data"] = _as_answered({"priority": 0, "type": "", **wanted})
    return [
        record for record in _records_of(call, zone) if all(record[name] == value for name, value in wanted.items())
    ]


def _records_of(call: ApiRequest, zone: Resource) -> list[Resource]:
    return list(records.every(call, zone=zone["id"]))
