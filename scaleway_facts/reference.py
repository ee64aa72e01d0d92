"""Generates the reference of all facts: `python -m scaleway_facts.reference > docs/reference/limits.md`."""

from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

from scaleway_facts import behaviour, limits
from scaleway_facts.fact import Behaviour, Limit, Source

_Fact = TypeVar("_Fact", Limit, Behaviour)

_INTRODUCTION = """\
# Limits and behaviour of Scaleway

For engineers who size an app or wonder why a value is rejected: the limits that settings, policies and the local
Scaleway enforce, and platform behaviour that may be surprising. This page is generated from `scaleway_facts/`; a test
checks that it is up to date. Update it with `python -m scaleway_facts.reference > docs/reference/limits.md`.

Firm limits are enforced by the settings, the `limits` policy and the local Scaleway. Exceeding any other limit causes a
warning in previews, because its figure is second-hand or its sources contradict each other. Limits without a source are
this project's own, since Scaleway documents none.
"""


def reference() -> str:
    """Return the page in Markdown."""
    return "\n".join(
        [
            _INTRODUCTION,
            "## Limits\n",
            "| limit | range | default | firm | source |",
            "|---|---|---|---|---|",
            *map(_limit, _facts(limits, Limit)),
            "",
            f"Reserved ports: {', '.join(map(str, limits.UNAVAILABLE_PORTS))}. Reserved variable names: "
            f"`{limits.RESERVED_VARIABLE}` and `{limits.RESERVED_VARIABLE_PREFIX}*`.\n",
            "## Behaviour\n",
            "| when | what happens | source |",
            "|---|---|---|",
            *map(_behaviour, _facts(behaviour, Behaviour)),
            "",
        ]
    )


def _facts(module: ModuleType, kind: type[_Fact]) -> Iterator[_Fact]:
    """Yield the module's facts of one type, in definition order."""
    return (value for value in vars(module).values() if isinstance(value, kind))


def _limit(limit: Limit) -> str:
    default = "" if limit.default is None else str(limit.default)
    allowed = f"{limit.range} {limit.unit}".strip()
    return f"| {limit.subject} | {allowed} | {default} | {'yes' if limit.firm else 'no'} | {_cited(limit)} |"


def _behaviour(fact: Behaviour) -> str:
    return f"| {fact.subject} | {fact.statement} | {_cited(fact)} |"


def _cited(fact: Limit | Behaviour) -> str:
    return ". ".join(filter(None, [_link(fact.source) if fact.source else "", fact.note]))


def _link(source: Source) -> str:
    return f"[{source.title}]({source.url}), {source.stated}"


if __name__ == "__main__":
    print(reference(), end="")
