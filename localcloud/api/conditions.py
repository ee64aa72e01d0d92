"""Conditions of IAM rules: the supported subset of CEL, limited to a request's resource.

Source: Scaleway's documentation, "Understanding resource-level conditions" and "Products supporting resource-level
conditions" (2026-07-13). Secret Manager and IAM evaluate conditions. A list request has no resource, so all
comparisons are false.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple


class Target(NamedTuple):
    """The resource that a request targets."""

    id: str
    name: str
    """Includes the folder if the product has folders: `/folder/name`."""


Condition = Callable[[Target | None], bool]
"""Whether a rule applies to a request for this resource. None: a list request."""

_TERM = re.compile(
    r"""\s*(?:
        resource\.(?P<attribute>id|name)\s*==\s*(?P<quote>["'])(?P<value>[^"'\\]*)(?P=quote)
      | resource\.(?P<prefixed>id|name)\.(?:startsWith|startswith)\(\s*(?P<mark>["'])(?P<prefix>[^"'\\]*)(?P=mark)\s*\)
      | (?P<listed>!has\(resource\.id\))
    )\s*""",
    re.VERBOSE,
)


@lru_cache(256)
def parse(text: str) -> Condition:
    """Parse a rule's condition. Raises ValueError for unsupported expressions."""
    terms = [_term(part) for part in text.split("||")] if text.strip() else [_always]
    return lambda target: any(term(target) for term in terms)


def _term(text: str) -> Condition:
    match = _TERM.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot evaluate `{text.strip()}`")
    if match["listed"]:
        return lambda target: target is None
    if attribute := match["attribute"]:
        return lambda target: target is not None and getattr(target, attribute) == match["value"]
    return lambda target: target is not None and getattr(target, match["prefixed"]).startswith(match["prefix"])


def _always(_target: Target | None) -> bool:
    return True
