"""Every committed stack keeps to the policies, and no exemption of one is left over."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from infra import program
from infra.settings import load
from policy.rules import SECRET, UNKNOWN, Resource, check
from policy.stack_settings import settings_requirements
from tests.support import mocks
from tests.support.committed_stacks import STACKS, config_of, document_of
from tests.support.mocks import FOUNDATION_OUTPUTS, NOWHERE, Cloud

_REGISTRIES = {name: f"rg.fr-par.scw.cloud/snu-{name}" for name in FOUNDATION_OUTPUTS["registryEndpoints"]}


def plain(value: Any) -> Any:
    """A value of the mocks as the rules have it."""
    if isinstance(value, mocks.Secret):
        return dict.fromkeys(value.value, SECRET) if isinstance(value.value, dict) else SECRET
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return UNKNOWN if value == mocks.UNKNOWN else value


def registered(stack: str, preview: bool) -> list[Resource]:
    outputs = FOUNDATION_OUTPUTS | {"zone": config_of(stack).get("snu:zone"), "registryEndpoints": _REGISTRIES}
    made = mocks.run(
        functools.partial(program.run, NOWHERE),
        cloud=Cloud(document=document_of(stack), foundation=outputs),
        stack=stack,
        config=config_of(stack),
        preview=preview,
    )
    return [Resource(each.urn, each.type, plain(each.inputs), each.protect) for each in made.resources]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_a_committed_stack_keeps_to_the_policies(stack: str, preview: bool) -> None:
    resources = registered(stack, preview)
    verdict = check(resources, settings_requirements(load(stack, config_of(stack), NOWHERE)))
    assert len(resources) > 5
    assert [str(violation) for violation in verdict.violations] == []
    assert verdict.unused == []
