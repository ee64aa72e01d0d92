"""URNs: ``urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>`` (Pulumi's ``sdk/go/common/resource/urn``)."""

from __future__ import annotations

ROOT_STACK_TYPE = "pulumi:pulumi:Stack"


def is_provider_type(type_: str) -> bool:
    """Whether resources of this type are providers, such as ``pulumi:providers:scaleway``."""
    return type_.startswith("pulumi:providers:")


def new_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Build a resource's URN; ``parent`` is the parent's URN, or empty if there is no parent."""
    parent_type = qualified_type(parent) if parent else ""
    qualified = type_ if parent_type in ("", ROOT_STACK_TYPE) else f"{parent_type}${type_}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def _parts(urn: str) -> list[str]:
    return urn.split("::", 3)


def qualified_type(urn: str) -> str:
    """Return a URN's type, including its parents' types: ``<parent types>$<type>``."""
    return _parts(urn)[2]


def type_of(urn: str) -> str:
    """Return a URN's type without its parents' types."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """Return the resource name in a URN."""
    return _parts(urn)[3]
