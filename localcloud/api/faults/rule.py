"""A fault rule: a fault, the requests that it matches, and which of those it affects."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from localcloud.api.errors import Problem, invalid_arguments
from localcloud.api.faults.kinds import FAULTS, Fault, Values

MATCH = {
    "method": "the HTTP method",
    "path": "the path; `*` matches any characters, including slashes",
    "product": "the product, such as containers, domain, iam, registry, secret_manager",
    "resource": "the kind of resource, such as container, namespace, secret_version",
    "name": "the name (or host name) in the request body, or that of the resource whose id is in the path",
}
"""The fields of a rule's ``match``. All given fields must match."""

FREQUENCY = {
    "nth": "an integer or a list of integers; affects only these matching requests, counted from 1",
    "skip": "an integer; the number of matching requests to skip first",
    "probability": "a number above 0 and at most 1; the probability that a matching request is affected",
    "seed": "an integer; the same seed selects the same requests, regardless of their order",
    "times": "an integer; the maximum number of affected requests",
}
"""The fields that limit how often a rule applies. By default, it applies to every matching request."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Request:
    """The properties of a request that rules can match."""

    method: str
    path: str
    template: str
    """The route's path, with parameter names instead of values, or the request's path if no route matches."""
    product: str
    resource: str
    name: str
    id: str


@dataclass
class Rule:
    """An active rule with its counters."""

    id: str
    fault: Fault
    values: Values
    match: dict[str, str]
    nth: frozenset[int] | None
    skip: int
    probability: float
    seed: int
    times: int | None
    matched: int = 0
    """Number of matching requests."""
    applied: int = 0
    """Number of affected requests."""
    cleared: asyncio.Event = field(default_factory=asyncio.Event)
    _occurrences: Counter[str] = field(default_factory=Counter)

    def applies_to(self, request: Request) -> bool:
        """Whether the rule affects the request. Also counts the request."""
        if not self._matches(request):
            return False
        self.matched += 1
        # Draw for every request, so that the rule's other limits do not shift the random choices.
        chosen = self._draw(request)
        if self.times is not None and self.applied >= self.times:
            return False
        if (self.nth is not None and self.matched not in self.nth) or self.matched <= self.skip or not chosen:
            return False
        self.applied += 1
        return True

    def _matches(self, request: Request) -> bool:
        fault, match = self.fault, self.match
        return (
            (not fault.methods or request.method in fault.methods)
            and fault.product in ("", request.product)
            and fault.resource in ("", request.resource)
            and match.get("method", request.method) == request.method
            and match.get("product", request.product) == request.product
            and match.get("resource", request.resource) == request.resource
            and match.get("name", request.name) == request.name
            and fnmatchcase(request.path, match.get("path", "*"))
        )

    def _draw(self, request: Request) -> bool:
        """A random choice based on the seed and the request.

        The choice does not depend on the order of requests, because clients send them in parallel.
        """
        if self.probability >= 1:
            return True
        key = f"{request.method} {request.template} {request.name}"
        self._occurrences[key] += 1
        digest = hashlib.sha256(f"{self.seed} {key} {self._occurrences[key]}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64 < self.probability

    def document(self) -> dict[str, Any]:
        """The rule in the control API's format."""
        return {
            "id": self.id,
            "fault": self.fault.name,
            **{name: value for name, value in self.values.items() if value is not None},
            "match": self.match,
            "nth": sorted(self.nth) if self.nth is not None else None,
            "skip": self.skip,
            "probability": self.probability,
            "seed": self.seed,
            "times": self.times,
            "seen": self.matched,
            "struck": self.applied,
        }


def parse(id: str, body: dict[str, Any], products: dict[str, set[str]]) -> Rule:
    """Parse the rule in a request body. Raises 400 with a list of all problems if the rule is invalid.

    ``products`` maps this server's products to their kinds of resources.
    """
    fault = FAULTS.get(str(body.get("fault")))
    if fault is None:
        raise invalid_arguments(Problem("fault", f"must be one of {', '.join(FAULTS)}"))
    problems: list[Problem] = []
    allowed = ["fault", "match", *FREQUENCY, *fault.parameters]
    problems += [
        Problem(name, f"is unknown; {fault.name} accepts {', '.join(allowed)}") for name in body if name not in allowed
    ]
    values = _values(fault, body, problems)
    match = _match(fault, body.get("match"), products, problems)
    nth = _nth(body.get("nth"), problems)
    skip, probability, seed, times = (body.get(name) for name in ("skip", "probability", "seed", "times"))
    if skip is not None and not (_is_integer(skip) and skip >= 0):
        problems.append(Problem("skip", "must be an integer of at least 0"))
    if probability is not None and not (_is_number(probability) and 0 < probability <= 1):
        problems.append(Problem("probability", "must be a number above 0 and at most 1"))
    if seed is not None and not _is_integer(seed):
        problems.append(Problem("seed", "must be an integer"))
    if seed is not None and probability is None:
        problems.append(Problem("seed", "requires probability"))
    if times is not None and not (_is_integer(times) and times >= 1):
        problems.append(Problem("times", "must be an integer of at least 1"))
    if problems:
        raise invalid_arguments(*problems)
    return Rule(
        id, fault, values, match, nth, skip or 0, 1.0 if probability is None else float(probability), seed or 0, times
    )


def _values(fault: Fault, body: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, parameter in fault.parameters.items():
        value = body.get(name)
        if value is not None and not parameter.accepts(value):
            problems.append(Problem(name, f"must be {parameter.allowed}"))
        values[name] = parameter.default if value is None else value
    if fault.one_of and sum(body.get(name) is not None for name in fault.one_of) != 1:
        problems.append(Problem(fault.one_of[0], f"exactly one of {' and '.join(fault.one_of)} is required"))
    return values


def _match(fault: Fault, document: Any, products: dict[str, set[str]], problems: list[Problem]) -> dict[str, str]:
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        problems.append(Problem("match", f"must be an object with string values (keys: {', '.join(MATCH)})"))
        return {}
    match: dict[str, str] = dict(document)
    problems += [
        Problem(f"match.{name}", f"is unknown; expected: {', '.join(MATCH)}") for name in match if name not in MATCH
    ]
    product = match.get("product", fault.product)
    resources = products.get(product) or set().union(*products.values())
    for name, own, known in (
        ("method", fault.methods, METHODS),
        ("product", (fault.product,) if fault.product else (), sorted(products)),
        ("resource", (fault.resource,) if fault.resource else (), sorted(resources)),
    ):
        possible = own or known
        if name in match and match[name] not in possible:
            problems.append(Problem(f"match.{name}", f"must be one of {', '.join(possible)}"))
    return match


def _nth(value: Any, problems: list[Problem]) -> frozenset[int] | None:
    if value is None:
        return None
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(_is_integer(number) and number >= 1 for number in numbers):
        problems.append(Problem("nth", "must be an integer of at least 1, or a list of them"))
        return None
    return frozenset(numbers)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
