"""Writes the table of all facts: `python -m scaleway_facts.reference > docs/limits.md`."""

from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

from scaleway_facts import behaviour, limits
from scaleway_facts.fact import Behaviour, Limit, Source

_Fact = TypeVar("_Fact", Limit, Behaviour)

_INTRODUCTION = """\
# Limits and behaviour of Scaleway

For whoever sizes an app or wonders why a value is refused: every figure that settings, policies and the local
Scaleway apply, and what the platform does in the cases that surprise. Generated from `scaleway_facts/`; a test
keeps it up to date. Update it with `python -m scaleway_facts.reference > docs/limits.md`.

A firm limit is refused in the settings, by the policy `limits` and by the local Scaleway. Going past one that is
not firm is a warning in previews: its figure is second-hand, or sources contradict each other. Where no source is
named, Scaleway documents no figure and the bound is this project's own.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [
            _INTRODUCTION,
            "## Limits\n",
            "| what | allowed | default | firm | source |",
            "|---|---|---|---|---|",
            *map(_limit, _facts(limits, Limit)),
            "",
            f"Ports that the platform uses itself: {', '.join(map(str, limits.UNAVAILABLE_PORTS))}. Names of variables "
            f"that it reserves: `{limits.RESERVED_VARIABLE}` and `{limits.RESERVED_VARIABLE_PREFIX}*`.\n",
            "## Behaviour\n",
            "| when | what happens | source |",
            "|---|---|---|",
            *map(_behaviour, _facts(behaviour, Behaviour)),
            "",
        ]
    )


def _facts(module: ModuleType, kind: type[_Fact]) -> Iterator[_Fact]:
    """In the order in which the module states them."""
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
