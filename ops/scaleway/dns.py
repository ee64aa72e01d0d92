"""Compares DNS records returned by Scaleway with those declared in a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TARGETS_HOST = ("CNAME", "NS", "MX")


def record_name(name: str, zone: str) -> str:
    """A record's name relative to its zone; empty for the zone itself."""
    name = name.removesuffix(".")
    return "" if name in ("@", zone) else name.removesuffix(f".{zone}")


def same_record(found: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    """Whether these properties identify a listed record.

    As in the provider's requests, names are relative to the zone and targets are absolute. TXT data is returned in
    quotes.
    """
    zone, type_ = str(properties["dnsZone"]), str(properties["type"])

    def data(value: object) -> str:
        text = str(value or "").strip().strip('"')
        if type_ == "MX" and " " in text:
            text = text.partition(" ")[2]
        if type_ not in _TARGETS_HOST:
            return text
        text = text.lower().removesuffix(".")
        return text if "." in text else f"{text}.{zone}"

    return (
        found.get("type") == type_
        and (found.get("name") or "") == record_name(str(properties["name"]), zone)
        and data(found.get("data")) == data(properties["data"])
    )
