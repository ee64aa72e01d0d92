"""Domains and DNS, ``/domain/v2beta1``."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ProviderError
from engine.plugin import Diff
from engine.provider.client import ApiError, Client
from engine.provider.fields import Field
from engine.provider.resource import PROJECT, Object, ResourceType
from pulumi_state.values import PropertyMap, unwrap

_ZONES = "/domain/v2beta1/dns-zones"


class Zone(ResourceType):
    """A DNS zone. Its ID is its name. It is read from the zone list, since no call returns a single zone."""

    token = "scaleway:domain/zone:Zone"  # noqa: S105 - a type token
    path = _ZONES
    fields = (
        Field("domain"),
        Field("subdomain"),
        Field("ns", sent=False),
        Field("nsDefaults", "ns_default", sent=False),
        Field("nsMasters", "ns_master", sent=False),
        Field("status", sent=False),
        Field("message", sent=False, empty=""),
        Field("updatedAt", sent=False),
        PROJECT,
    )

    def resource_id(self, client: Client, region: str, response: Object) -> str:
        return ".".join(part for part in (response["subdomain"], response["domain"]) if part)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        raise ProviderError(f"the DNS zone {resource_id} cannot be renamed; give the new zone another resource name")

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        zones = (await client.get(_ZONES, dns_zones=resource_id))["dns_zones"]
        for zone in zones:
            if self.resource_id(client, "", zone) == resource_id:
                return dict(zone)
        raise ApiError(404, f"no zone found with the name {resource_id}")

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        try:
            await client.delete(f"{_ZONES}/{resource_id}", project_id=str(outputs.get("projectId", client.project_id)))
        except ApiError as error:
            if error.status != 404:
                raise


def _target(target: str, zone: str) -> str:
    """Make a target absolute, appending the zone to a single label (the provider's ``NormalizeTargetFQDN``)."""
    target = target.strip()
    if target in ("", "@"):
        return ""
    if target == ".":
        return target
    target, zone = target.lower().rstrip("."), zone.strip().lower().rstrip(".")
    return f"{target}." if "." in target else f"{target}.{zone}."


def _data(data: str, type_: str, zone: str) -> str:
    """Normalize data as the provider does before sending or comparing it (``NormalizeRecordData``), except for SRV."""
    return _target(data, zone) if type_ in ("CNAME", "NS", "MX") else data.strip()


def _name(name: str, zone: str) -> str:
    """Make a name relative to the zone (the provider's ``normalizeRecordName``)."""
    if name in ("", "@"):
        return ""
    name, zone = name.removesuffix("."), zone.removesuffix(".")
    return "" if name == zone else name.removesuffix(f".{zone}")


def _normal(properties: PropertyMap) -> PropertyMap:
    """Return a record's properties with its name and data normalized."""
    plain = unwrap(properties)
    zone, type_ = plain.get("dnsZone"), plain.get("type")
    changed: PropertyMap = {}
    if isinstance(zone, str) and isinstance(plain.get("name"), str):
        changed["name"] = _name(plain["name"], zone)
    if isinstance(zone, str) and isinstance(type_, str) and isinstance(plain.get("data"), str):
        changed["data"] = _data(plain["data"], type_, zone)
    return {**properties, **changed}


def _flat_data(data: str, type_: str) -> str:
    """Return data in its state format (``FlattenDomainData``); the API quotes TXT and includes the priority in MX."""
    if type_ == "TXT":
        return data.strip('"')
    if type_ == "MX" and " " in data:
        return data.partition(" ")[2]
    return data


class Record(ResourceType):
    """A DNS record, modified through its zone. The resource's ID is ``<zone>/<id>``."""

    token = "scaleway:domain/record:Record"  # noqa: S105 - a type token
    path = _ZONES
    fields = (
        Field("dnsZone", sent=False),
        Field("name"),
        Field("type"),
        Field("data"),
        Field("ttl", default=3600),
        Field("priority", computed=True),
        Field("fqdn", sent=False),
        Field("rootZone", sent=False),
        PROJECT,
    )

    def diff(self, olds: PropertyMap, news: PropertyMap, ignore: Sequence[str]) -> Diff:
        return super().diff(_normal(olds), _normal(news), ignore)

    def _record(self, news: PropertyMap) -> Object:
        plain = unwrap({"name": "", **_normal(news)})
        return {
            "name": plain["name"],
            "type": plain["type"],
            "data": plain["data"],
            "ttl": plain.get("ttl", 3600),
            "priority": plain.get("priority", 0),
            "comment": None,
        }

    async def _change(self, client: Client, zone: str, change: Object) -> None:
        await client.patch(
            f"{_ZONES}/{zone}/records",
            {"changes": [change], "return_all_records": False, "disallow_new_zone_creation": False},
        )

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        zone = str(unwrap(news["dnsZone"]))
        record = self._record(news)
        await self._change(client, zone, {"add": {"records": [record]}})
        listed = await client.get(f"{_ZONES}/{zone}/records", name=record["name"], type=record["type"])
        matching = [
            item for item in listed["records"] if _flat_data(item["data"], item["type"]) == record["data"].strip('"')
        ]
        if not matching:
            raise ProviderError(f"the record {record['name']} {record['type']} was added but is missing from {zone}")
        resource_id = f"{zone}/{matching[-1]['id']}"
        return resource_id, self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        zone, _, record_id = resource_id.rpartition("/")
        await self._change(client, zone, {"set": {"id": record_id, "records": [self._record(news)]}})
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, news), news)

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        zone, _, record_id = resource_id.rpartition("/")
        records = (await client.get(f"{_ZONES}/{zone}/records", id=record_id))["records"]
        if not records:
            raise ApiError(404, f"no record {record_id} in {zone}")
        zones = (await client.get(_ZONES, dns_zones=zone))["dns_zones"]
        name = records[0]["name"]
        return {
            **records[0],
            "data": _flat_data(records[0]["data"], records[0]["type"]),
            "dns_zone": zone,
            "fqdn": f"{name}.{zone}" if name else zone,
            "root_zone": bool(zones) and zones[0]["subdomain"] == "",
            "project_id": zones[0]["project_id"] if zones else None,
        }

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        zone, _, record_id = resource_id.rpartition("/")
        try:
            await self._change(client, zone, {"delete": {"id": record_id}})
        except ApiError as error:
            if error.status != 404:
                raise


TYPES = (Zone(), Record())
