"""Resolves names in the local DNS zones."""

from __future__ import annotations

from localcloud.api.domain.schemas import RECORDS, ZONES
from localcloud.api.store import Resource, Store

_MAX_HOPS = 8


def alias_problem(store: Store, hostname: str, target: str) -> str | None:
    """Why ``hostname`` is not an alias of ``target``. None if it is an alias, or if it is outside all local zones."""
    name, hops = hostname, 0
    while name != target:
        zone = owner(store, name)
        if zone is None:
            return None if name == hostname else f"it points to {name} instead of {target}"
        data = _alias(store, zone, name)
        if data is None:
            return f"{name} has no CNAME record in zone {zone['id']}"
        hops += 1
        if hops > _MAX_HOPS:
            return "its CNAME records form a loop"
        name = data
    return None


def owner(store: Store, hostname: str) -> Resource | None:
    """The local zone of a name: the zone whose name is its longest suffix."""
    labels = hostname.split(".")
    for start in range(len(labels)):
        zone = store.get(ZONES, ".".join(labels[start:]))
        if zone is not None:
            return zone
    return None


def _alias(store: Store, zone: Resource, hostname: str) -> str | None:
    """The target of a name's CNAME or ALIAS record, without the trailing dot."""
    relative = hostname.removesuffix(zone["id"]).removesuffix(".")
    for record in store.all(RECORDS):
        if record["zone"] == zone["id"] and record["name"] == relative and record["type"] in ("CNAME", "ALIAS"):
            data = str(record["data"]).lower()
            return data.removesuffix(".") if data.endswith(".") else f"{data}.{zone['id']}"
    return None
