"""Scaleway's limits: complete, documented, and met by the stack that this project replaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleway_facts import limits
from scaleway_facts.fact import Limit
from scaleway_facts.reference import reference

ROOT = Path(__file__).resolve().parents[2]
LIMITS = [value for value in vars(limits).values() if isinstance(value, Limit)]
REPLACED = [(256, 256), (768, 1024), (768, 2048), (1024, 2048), (1024, 4096)]
"""CPU and memory of the replaced stack's containers."""


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m scaleway_facts.reference > docs/reference/limits.md"


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.subject)
def test_a_default_is_allowed(limit: Limit) -> None:
    assert limit.least <= limit.most
    assert limit.default is None or limit.allows(limit.default)


@pytest.mark.parametrize(("cpu", "memory"), REPLACED)
def test_the_sizes_of_the_replaced_stack_pass(cpu: int, memory: int) -> None:
    assert limits.memory_of_container(cpu).allows(memory)


@given(st.integers(limits.CPU.least, limits.CPU.most))
def test_every_cpu_size_allows_some_memory(cpu: int) -> None:
    limit = limits.memory_of_container(cpu)
    assert limits.MEMORY.least <= limit.least < limit.most <= limits.MEMORY.most
    assert limit.firm == (cpu in limits.MEMORY_BY_CPU)
