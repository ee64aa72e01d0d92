"""Names as the DNS of the local zones resolves them."""

from __future__ import annotations

from localcloud.api.domain.schemas import RECORDS, ZONES
from localcloud.api.store import Resource, Store

_MAX_HOPS = 8


def leads_to(store: Store, hostname: str, target: str) -> str | None:
    """Why ``hostname`` does not lead to ``target``; ``None`` if it does, or if no local zone owns the name."""
    name, hops = hostname, 0
    while name != target:
        zone = owner(store, name)
        if zone is None:
            return None if name == hostname else f"it points to {name}, which is not {target}"
        data = _alias(store, zone, name)
        if data is None:
            return f"{name} has no CNAME record in zone {zone['id']}"
        hops += 1
        if hops > _MAX_HOPS:
            return "its CNAME records lead in a circle"
        name = data
    return None


def owner(store: Store, hostname: str) -> Resource | None:
    """The local zone that answers for a name: the longest whose name it ends with."""
    labels = hostname.split(".")
    for start in range(len(labels)):
        zone = store.get(ZONES, ".".join(labels[start:]))
        if zone is not None:
            return zone
    return None


def _alias(store: Store, zone: Resource, hostname: str) -> str | None:
    """Where the CNAME (or ALIAS) record of a name points to, without the final dot."""
    relative = hostname.removesuffix(zone["id"]).removesuffix(".")
    for record in store.all(RECORDS):
        if record["zone"] == zone["id"] and record["name"] == relative and record["type"] in ("CNAME", "ALIAS"):
            data = str(record["data"]).lower()
            return data.removesuffix(".") if data.endswith(".") else f"{data}.{zone['id']}"
    return None
