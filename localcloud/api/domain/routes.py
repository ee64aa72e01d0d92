"""``/domain/v2beta1``. Zones are identified by name. A domain can have a zone even if it is not registered."""

from __future__ import annotations

from typing import Any

from localcloud.api.domain.schemas import RECORD, ZONE, ZONE_CHANGE, records, zone_name, zones
from localcloud.api.errors import already_exists, invalid, not_found, plain
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import Resource
from localcloud.api.timestamps import timestamp
from localcloud.api.validation import objects

routes = Routes("/domain/v2beta1/dns-zones", product="domain")

NAME_SERVERS = ["ns0.dom.localhost", "ns1.dom.localhost"]


@routes("POST", "", "dns_zone")
def create_zone(request: ApiRequest) -> ResponseBody:
    values = ZONE.create(request.body)
    project = request.project(values["project_id"])
    return zones.show(request, zones.add(request, new_zone(request, values, project), project=project))


@routes("GET", "", "dns_zone")
def list_zones(request: ApiRequest) -> ResponseBody:
    return zones.list(request)


@routes("PATCH", "/{id}", "dns_zone")
def update_zone(request: ApiRequest) -> ResponseBody:
    """Only the project can be changed. A rename would break clients, which keep reading the old name."""
    zone = zones.find(request, request.id.lower())
    values = ZONE_CHANGE.update(request.body)
    if values.get("new_dns_zone"):
        raise invalid("new_dns_zone", "a zone cannot be renamed")
    changes = {}
    if "project_id" in values:
        project = request.project(values["project_id"])
        changes = {"project_id": project, "_project": project}
    return zones.show(request, zones.change(request, zone, changes))


@routes("DELETE", "/{id}", "dns_zone")
def delete_zone(request: ApiRequest) -> ResponseBody:
    zone = zones.find(request, request.id.lower())
    if not zone["subdomain"]:
        raise plain(403, "cannot delete a root DNS zone")
    for record in _records_of(request, zone):
        records.remove(request, record)
    zones.remove(request, zone)
    return {}


@routes("GET", "/{id}/records", "record")
def list_records(request: ApiRequest) -> ResponseBody:
    """As on the platform, ``name=`` (present but empty) matches any name. Types are case-insensitive."""
    zone = zones.find(request, request.id.lower())
    record_type = request.argument("type")
    return records.list(request, zone=zone["id"], **({"type": record_type.upper()} if record_type else {}))


@routes("PATCH", "/{id}/records", "record")
def update_records(request: ApiRequest) -> ResponseBody:
    """Apply a list of changes atomically. Each change is one of ``add``, ``set``, ``delete``, ``clear``."""
    zone = zones.find(request, request.id.lower())
    body = request.body
    changed: list[Resource] = []
    for change in objects(body, "changes"):
        if len(change) != 1:
            raise invalid("changes", "each change must be one of add, set, delete, clear")
        ((verb, arguments),) = change.items()
        if verb not in _VERBS or not isinstance(arguments, dict):
            raise invalid("changes", "each change must be one of add, set, delete, clear")
        changed += _VERBS[verb](request, zone, arguments)
    zones.change(request, zone, {})
    shown = _records_of(request, zone) if body.get("return_all_records") else changed
    return {"records": [records.show(request, record) for record in shown]}


def new_zone(request: ApiRequest, values: dict[str, Any], project: str) -> dict[str, Any]:
    """All fields of a new zone. Raises 409 if the zone already exists."""
    values = {**values, "domain": values["domain"].lower(), "subdomain": values["subdomain"].lower()}
    name = zone_name(values)
    if request.store.get(zones.kind, name) is not None:
        raise already_exists("dns_zone", name, "the zone already exists")
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
        "_organization": request.organization_id,
    }


def _add(request: ApiRequest, zone: Resource, arguments: dict[str, Any]) -> list[Resource]:
    return [_store(request, zone, record, None) for record in objects(arguments, "records")]


def _set(request: ApiRequest, zone: Resource, arguments: dict[str, Any]) -> list[Resource]:
    """Replace the selected records. The new records reuse the old ids, because clients read records by id."""
    old = _selected(request, zone, arguments)
    for record in old:
        records.remove(request, record)
    ids = [record["id"] for record in old]
    return [
        _store(request, zone, record, ids[index] if index < len(ids) else None)
        for index, record in enumerate(objects(arguments, "records"))
    ]


def _delete(request: ApiRequest, zone: Resource, arguments: dict[str, Any]) -> list[Resource]:
    for record in _selected(request, zone, arguments):
        records.remove(request, record)
    return []


def _clear(request: ApiRequest, zone: Resource, _arguments: dict[str, Any]) -> list[Resource]:
    for record in _records_of(request, zone):
        records.remove(request, record)
    return []


_VERBS = {"add": _add, "set": _set, "delete": _delete, "clear": _clear}


def _store(request: ApiRequest, zone: Resource, item: dict[str, Any], id: str | None) -> Resource:
    values = RECORD.create(_with_upper_type(item))
    values["data"] = _normalized_data(values)
    values["name"] = values["name"].lower()
    for other in _records_of(request, zone):
        if other["name"] != values["name"]:
            continue
        if (other["type"], other["data"]) == (values["type"], values["data"]):
            raise already_exists("record", other["id"], "the zone already contains this record")
        if "CNAME" in (other["type"], values["type"]):
            raise invalid("name", "a name with a CNAME record cannot have other records")
    record = records.add(request, {**values, "zone": zone["id"]}, project=zone["_project"])
    if id is not None:
        records.remove(request, record)
        record = {**record, "id": id, "updated_at": timestamp(request.now)}
        records.put(request, record)
    return record


def _with_upper_type(item: dict[str, Any]) -> dict[str, Any]:
    """Convert the type to upper case: the official Python SDK sends it in lower case."""
    return {**item, "type": item["type"].upper()} if isinstance(item.get("type"), str) else item


def _normalized_data(values: dict[str, Any]) -> str:
    """The data in the format that the platform returns: MX with its priority, TXT in quotes."""
    data = str(values["data"])
    if values["type"] == "MX" and not data.split(" ")[0].isdecimal():
        return f"{values['priority']} {data}"
    if values["type"] == "TXT" and not data.startswith('"'):
        return f'"{data}"'
    return data


def _selected(request: ApiRequest, zone: Resource, arguments: dict[str, Any]) -> list[Resource]:
    """The records selected by a change's ``id`` or ``id_fields`` (name, type, and optionally data)."""
    if arguments.get("id"):
        matching = [record for record in _records_of(request, zone) if record["id"] == arguments["id"]]
        if not matching:
            raise not_found("record", str(arguments["id"]))
        return matching
    fields = arguments.get("id_fields")
    if not isinstance(fields, dict):
        raise invalid("changes", "a change requires id or id_fields")
    fields = _with_upper_type(fields)
    criteria = {name: fields[name] for name in ("name", "type", "data") if fields.get(name) is not None}
    if "data" in criteria:
        criteria["data"] = _normalized_data({"priority": 0, "type": "", **criteria})
    return [
        record
        for record in _records_of(request, zone)
        if all(record[name] == value for name, value in criteria.items())
    ]


def _records_of(request: ApiRequest, zone: Resource) -> list[Resource]:
    return list(records.matching(request, zone=zone["id"]))
