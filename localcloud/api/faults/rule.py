"""One rule: a fault, the requests that it is for, and which of those it strikes."""

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
    "path": "the path; `*` stands for any characters, slashes too",
    "product": "the product, such as containers, domain, iam, registry, secret_manager",
    "resource": "what the API calls the kind of resource, such as container, namespace, secret_version",
    "name": "the name (or host name) that the body gives, or that the resource with the path's id has",
}
"""What a rule's ``match`` may say; all that it says must hold."""

FREQUENCY = {
    "nth": "only these matching requests, counted from 1: a number or a list of numbers",
    "skip": "this many matching requests pass first, a whole number",
    "probability": "each matching request with this probability, above 0 and at most 1",
    "seed": "a whole number: with the same seed the same requests are struck, in whatever order they come",
    "times": "how often it strikes at most",
}
"""How often a rule strikes; without any of it, every matching request."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Request:
    """A request, as rules see it."""

    method: str
    path: str
    template: str
    """The route, with names in place of ids; the path where there is no route."""
    product: str
    resource: str
    name: str
    id: str


@dataclass
class Rule:
    """A rule in force, with its counters."""

    id: str
    fault: Fault
    values: Values
    match: dict[str, str]
    nth: frozenset[int] | None
    skip: int
    probability: float
    seed: int
    times: int | None
    seen: int = 0
    """Matching requests so far."""
    struck: int = 0
    """How many of them it struck."""
    cleared: asyncio.Event = field(default_factory=asyncio.Event)
    _alike: Counter[str] = field(default_factory=Counter)

    def strikes(self, request: Request) -> bool:
        """Whether the rule strikes the request; counts it."""
        if not self._matches(request):
            return False
        self.seen += 1
        # Drawn for each even if it will not strike, so that one rule's limits do not shift its chances.
        drawn = self._draw(request)
        if self.times is not None and self.struck >= self.times:
            return False
        if (self.nth is not None and self.seen not in self.nth) or self.seen <= self.skip or not drawn:
            return False
        self.struck += 1
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
        """From the seed and what the request is, not from its turn: clients send many at the same time."""
        if self.probability >= 1:
            return True
        what = f"{request.method} {request.template} {request.name}"
        self._alike[what] += 1
        digest = hashlib.sha256(f"{self.seed} {what} {self._alike[what]}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64 < self.probability

    def shown(self) -> dict[str, Any]:
        """The rule as the control API shows it."""
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
            "seen": self.seen,
            "struck": self.struck,
        }


def parse(id: str, body: dict[str, Any], products: dict[str, set[str]]) -> Rule:
    """The rule that a body describes. Raises 400 with everything that is wrong.

    ``products``: the products of this server, and what each calls its resources.
    """
    fault = FAULTS.get(str(body.get("fault")))
    if fault is None:
        raise invalid_arguments(Problem("fault", f"must be one of {', '.join(FAULTS)}"))
    problems: list[Problem] = []
    allowed = ["fault", "match", *FREQUENCY, *fault.parameters]
    problems += [
        Problem(name, f"is unknown; {fault.name} takes {', '.join(allowed)}") for name in body if name not in allowed
    ]
    values = _values(fault, body, problems)
    match = _match(fault, body.get("match"), products, problems)
    nth = _nth(body.get("nth"), problems)
    skip, probability, seed, times = (body.get(name) for name in ("skip", "probability", "seed", "times"))
    if skip is not None and not (_is_whole(skip) and skip >= 0):
        problems.append(Problem("skip", "must be a whole number of at least 0"))
    if probability is not None and not (_is_number(probability) and 0 < probability <= 1):
        problems.append(Problem("probability", "must be a number above 0 and at most 1"))
    if seed is not None and not _is_whole(seed):
        problems.append(Problem("seed", "must be a whole number"))
    if seed is not None and probability is None:
        problems.append(Problem("seed", "needs probability"))
    if times is not None and not (_is_whole(times) and times >= 1):
        problems.append(Problem("times", "must be a whole number of at least 1"))
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
        problems.append(Problem(fault.one_of[0], f"exactly one of {' and '.join(fault.one_of)} is needed"))
    return values


def _match(fault: Fault, given: Any, products: dict[str, set[str]], problems: list[Problem]) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        problems.append(Problem("match", f"must be an object of texts: {', '.join(MATCH)}"))
        return {}
    match: dict[str, str] = dict(given)
    problems += [
        Problem(f"match.{name}", f"is unknown; it may say {', '.join(MATCH)}") for name in match if name not in MATCH
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


def _nth(given: Any, problems: list[Problem]) -> frozenset[int] | None:
    if given is None:
        return None
    numbers = given if isinstance(given, list) else [given]
    if not numbers or not all(_is_whole(number) and number >= 1 for number in numbers):
        problems.append(Problem("nth", "must be a whole number of at least 1, or a list of them"))
        return None
    return frozenset(numbers)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
