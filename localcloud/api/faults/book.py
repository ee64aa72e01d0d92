"""The rules in force, and what they do to one request.

They live in memory: a restart and a reset clear them, so that a forgotten fault never outlives its server. What a
fault did to a resource (a container in error) is state as any other and stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from localcloud.api.errors import not_found
from localcloud.api.faults.kinds import InjectedResponse, MatchedRequest
from localcloud.api.faults.rule import Request, Rule, parse
from localcloud.api.routing import Route
from localcloud.api.store import Store
from localcloud.api.transitions import NORMAL, StatusOutcome


@dataclass(frozen=True)
class FaultEffect:
    """What happens to one request."""

    delay: float = 0.0
    """Seconds before it is looked at."""
    before: InjectedResponse | None = None
    """Given instead of carrying the request out."""
    after: InjectedResponse | None = None
    """Given in place of the answer of what was carried out."""
    held_before: tuple[Rule, ...] = ()
    """Until these are cleared, it is not looked at."""
    held_after: tuple[Rule, ...] = ()
    """Until these are cleared, it is not answered."""
    course: StatusOutcome = NORMAL
    """How the statuses go that the request sets on their way."""
    rules: tuple[str, ...] = ()
    """Which rules did it, for the log."""


NOTHING = FaultEffect()


class FaultBook:
    """The rules, in the order in which they were added; the first that gives an answer wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rules: dict[str, Rule] = {}
        self._added = 0
        self._products: dict[str, set[str]] = {}
        for route in routes:
            self._products.setdefault(route.permission.product, set()).add(route.permission.resource)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises 400 with all that is wrong with the rule."""
        rule = parse(f"fault-{self._added + 1}", body, self._products)
        self._added += 1
        self._rules[rule.id] = rule
        return rule.shown()

    def shown(self) -> list[dict[str, Any]]:
        return [rule.shown() for rule in self._rules.values()]

    def clear(self, id: str | None = None) -> list[dict[str, Any]]:
        """Forget one rule, or all; gives them as they were. Raises 404."""
        if id is None:
            gone = list(self._rules.values())
            self._rules.clear()
        elif id in self._rules:
            gone = [self._rules.pop(id)]
        else:
            raise not_found("fault", id)
        for rule in gone:
            rule.cleared.set()
        return [rule.shown() for rule in gone]

    def strike(
        self, store: Store, method: str, path: str, found: tuple[Route, dict[str, str]] | None, body: bytes | None
    ) -> FaultEffect:
        """What the rules do to a request; ``found`` is its route with the path's parameters."""
        request = _request(store, method, path, found, body or b"")
        struck = [rule for rule in self._rules.values() if rule.strikes(request)]
        if not struck:
            return NOTHING
        target = MatchedRequest(request.product, request.resource, request.id)
        blows: dict[str, InjectedResponse] = {}
        held: dict[str, list[Rule]] = {"before": [], "after": []}
        course, delay = NORMAL, 0.0
        for rule in struck:
            fault = rule.fault
            if fault.blow is not None:
                blows.setdefault(rule.values.get("when", "before"), fault.blow(rule.values, target))
            if fault.course is not None:
                course = course.followed_by(fault.course(rule.values))
            if fault.delay is not None:
                delay += fault.delay(rule.values)
            if fault.holds:
                held[rule.values["when"]].append(rule)
        names = tuple(f"{rule.id} {rule.fault.name}" for rule in struck)
        return FaultEffect(
            delay,
            blows.get("before"),
            blows.get("after"),
            tuple(held["before"]),
            tuple(held["after"]),
            course,
            names,
        )


def _request(store: Store, method: str, path: str, found: tuple[Route, dict[str, str]] | None, body: bytes) -> Request:
    if found is None:
        return Request(method, path, path, "", "", "", "")
    route, params = found
    product, resource = route.permission.product, route.permission.resource
    id = params.get("id", "")
    name = _name(_parsed(body)) or _name(store.get(f"{product}.{resource}", id) or {})
    return Request(method, path, route.path, product, resource, name, id)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _name(holder: dict[str, Any]) -> str:
    for field in ("name", "hostname"):
        value = holder.get(field)
        if isinstance(value, str):
            return value
    return ""
