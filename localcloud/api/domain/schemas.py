"""DNS zones and records, and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Body, EnumField, Integer, Text, Uuid

ZONES = "domain.zone"
RECORDS = "domain.record"

RECORD_TYPES = (
    "A", "AAAA", "ALIAS", "CAA", "CNAME", "DNAME", "DS", "HINFO", "HTTPS", "LOC", "MX", "NAPTR", "NS", "PTR", "RP",
    "SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI",
)  # fmt: skip

_LABELS = r"([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.)*[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"

ZONE = Body(
    domain=Text(required=True, max_length=253, pattern=_LABELS, message="must be a domain name"),
    subdomain=Text(max_length=253, pattern=f"({_LABELS})?", message="must be a name below the domain, or empty"),
    project_id=Uuid(),
)
ZONE_CHANGE = Body(new_dns_zone=Text(), project_id=Uuid())
RECORD = Body(
    data=Text(required=True),
    name=Text(max_length=253, pattern=rf"(\*\.)?({_LABELS})?|\*", message="must be a name below the zone, or empty"),
    priority=Integer(default=0, maximum=65_535),
    ttl=Integer(default=3_600, minimum=1, maximum=2_592_000),
    type=EnumField(values=RECORD_TYPES, required=True),
    comment=Text(default=None),
)


def zone_name(zone: Resource) -> str:
    return f"{zone['subdomain']}.{zone['domain']}" if zone["subdomain"] else str(zone["domain"])


def _show_zone(request: ApiRequest, zone: Resource) -> dict[str, Any]:
    return {name: value for name, value in visible(zone, request.now).items() if name not in ("id", "created_at")}


def _show_record(request: ApiRequest, record: Resource) -> dict[str, Any]:
    return {name: value for name, value in visible(record, request.now).items() if name not in ("created_at", "zone")}


zones = Collection(
    ZONES,
    "dns_zone",
    "dns_zones",
    {
        "domain": "domain",
        "dns_zone": "id",
        "dns_zones": "id",
        "project_id": "project_id",
        "organization_id": "_organization",
    },
    show=_show_zone,
)
records = Collection(
    RECORDS,
    "record",
    "records",
    {"name": "name", "id": "id"},
    show=_show_record,
)
