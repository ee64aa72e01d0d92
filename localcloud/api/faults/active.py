"""The active fault rules, and their effect on a request.

Rules are kept in memory and cleared by a restart or a reset, so a forgotten fault never outlives its server. A fault's
effects on resources (such as a container in error) are ordinary state and persist.
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
    """The combined effect of all rules on one request."""

    delay: float = 0.0
    """Seconds to wait before handling the request."""
    before: InjectedResponse | None = None
    """The response sent instead of executing the request."""
    after: InjectedResponse | None = None
    """The response sent after executing the request, instead of the real one."""
    hold_before: tuple[Rule, ...] = ()
    """The request is not handled until these rules are cleared."""
    hold_after: tuple[Rule, ...] = ()
    """The response is not sent until these rules are cleared."""
    status_outcome: StatusOutcome = NORMAL
    """Duration and result of the transitions started by the request."""
    rules: tuple[str, ...] = ()
    """The applied rules, for the log."""


NO_EFFECT = FaultEffect()


class ActiveFaults:
    """The active rules, in the order they were added. The first rule with a response wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rules: dict[str, Rule] = {}
        self._added = 0
        self._products: dict[str, set[str]] = {}
        for route in routes:
            self._products.setdefault(route.permission.product, set()).add(route.permission.resource)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Add a rule. Raises 400 with a list of all problems if the rule is invalid."""
        rule = parse(f"fault-{self._added + 1}", body, self._products)
        self._added += 1
        self._rules[rule.id] = rule
        return rule.document()

    def documents(self) -> list[dict[str, Any]]:
        """All rules, in the control API's format."""
        return [rule.document() for rule in self._rules.values()]

    def clear(self, id: str | None = None) -> list[dict[str, Any]]:
        """Remove and return one rule, or all rules. Raises 404 for an unknown rule."""
        if id is None:
            cleared = list(self._rules.values())
            self._rules.clear()
        elif id in self._rules:
            cleared = [self._rules.pop(id)]
        else:
            raise not_found("fault", id)
        for rule in cleared:
            rule.cleared.set()
        return [rule.document() for rule in cleared]

    def effect_on(
        self, store: Store, method: str, path: str, match: tuple[Route, dict[str, str]] | None, body: bytes | None
    ) -> FaultEffect:
        """The effect of the rules on a request. ``match``: its route and path parameters."""
        request = _request(store, method, path, match, body or b"")
        applied = [rule for rule in self._rules.values() if rule.applies_to(request)]
        if not applied:
            return NO_EFFECT
        target = MatchedRequest(request.product, request.resource, request.id)
        responses: dict[str, InjectedResponse] = {}
        held: dict[str, list[Rule]] = {"before": [], "after": []}
        outcome, delay = NORMAL, 0.0
        for rule in applied:
            fault = rule.fault
            if fault.respond is not None:
                responses.setdefault(rule.values.get("when", "before"), fault.respond(rule.values, target))
            if fault.status_outcome is not None:
                outcome = outcome.overridden_by(fault.status_outcome(rule.values))
            if fault.delay is not None:
                delay += fault.delay(rule.values)
            if fault.holds_request:
                held[rule.values["when"]].append(rule)
        names = tuple(f"{rule.id} {rule.fault.name}" for rule in applied)
        return FaultEffect(
            delay,
            responses.get("before"),
            responses.get("after"),
            tuple(held["before"]),
            tuple(held["after"]),
            outcome,
            names,
        )


def _request(store: Store, method: str, path: str, match: tuple[Route, dict[str, str]] | None, body: bytes) -> Request:
    if match is None:
        return Request(method, path, path, "", "", "", "")
    route, params = match
    product, resource = route.permission.product, route.permission.resource
    id = params.get("id", "")
    name = _name(_parse_body(body)) or _name(store.get(f"{product}.{resource}", id) or {})
    return Request(method, path, route.path, product, resource, name, id)


def _parse_body(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _name(document: dict[str, Any]) -> str:
    for field in ("name", "hostname"):
        value = document.get(field)
        if isinstance(value, str):
            return value
    return ""
