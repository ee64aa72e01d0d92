"""The committed stacks, and one of a preview environment: their configuration, and what the program builds of it."""

from __future__ import annotations

import functools
import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from infra import program
from infra.settings import EnvironmentSettings, flat_config, load, merge
from tests.support.environment import ROOT
from tests.support.mocks import FOUNDATION_OUTPUTS, NOWHERE, Cloud, Run, run, stack_config
from tests.support.stack_yaml import stack_yaml

FOUNDATIONS = ("foundation-ci", "foundation-stage", "foundation-production", "foundation-local")
ENVIRONMENTS = ("ci", "stage", "production", "local", "pr-12")
STACKS = FOUNDATIONS + ENVIRONMENTS

Edit = Callable[[dict[str, Any]], None]
"""A change of the mapping under `config` in a stack file."""


def filled_template() -> str:
    """The preview template, filled as for the pull request 12."""
    template = string.Template((ROOT / "Pulumi.preview.template.yaml").read_text(encoding="utf-8"))
    return template.substitute(name="pr-12")


@functools.cache
def config_of(stack: str) -> dict[str, str]:
    return stack_config(stack) if stack != "pr-12" else edited_config(stack)


def edited_config(stack: str, *edits: Edit) -> dict[str, str]:
    """The configuration from the stack's file after edits of a copy of it."""
    text = filled_template() if stack == "pr-12" else (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    for edit in edits:
        edit(document["config"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"Pulumi.{stack}.yaml"
        path.write_text(stack_yaml(document), encoding="utf-8")
        return flat_config(path)


@functools.cache
def document_of(stack: str) -> dict[str, str]:
    return document_for(stack, config_of(stack))


def document_for(stack: str, config: dict[str, str]) -> dict[str, str]:
    """A document with every key that the stack takes, each with a value of its own."""
    settings = load(stack, config, NOWHERE)
    if not isinstance(settings, EnvironmentSettings):
        return {}
    consumers = [*settings.apps.values(), *settings.jobs.values()]
    keys = {key for consumer in consumers for key in merge(consumer, settings.apps).document_keys.values()}
    keys |= {settings.crash_alerts.webhook} if settings.crash_alerts is not None else set()
    return {key: f"s3cret-{key}" for key in keys}


@functools.cache
def built(stack: str, preview: bool = False) -> Run:
    return build(stack, config_of(stack), preview)


def build(stack: str, config: dict[str, str], preview: bool = False, secret_status: str = "enabled") -> Run:
    """``secret_status``: of the versions of secrets that are only looked for."""
    cloud = Cloud(
        document=document_for(stack, config),
        foundation=FOUNDATION_OUTPUTS | {"zone": config.get("snu:zone")},
        secret_status=secret_status,
    )
    return run(functools.partial(program.run, NOWHERE), cloud=cloud, stack=stack, config=config, preview=preview)
