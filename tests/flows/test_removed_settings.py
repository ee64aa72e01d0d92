"""Leaving a setting out is its documented default: what is live afterwards equals what has never had the setting."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from difflib import unified_diff
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.lab.optional_settings import (
    OTHER,
    SHARED,
    ZONE,
    Case,
    Config,
    cases,
    covered,
    put,
)
from tests.lab.pair import Pair
from tests.lab.project import copy_project
from tests.support.pulumi_cli import Driver, Run, needs_pulumi
from tests.support.settings import DIGEST

Change = Callable[[Config], None]

FOUNDATION, STACK = "foundation-local", "local"
_BUCKET = "bucket"
"""An environment of the foundation whose state is in a bucket."""
_VARYING = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/\d+)?"
    r"|\"revision\": \d+"
    r"|SCW[A-Z0-9]{17}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z?"
    r"|\$argon2id\$[^\"]+"
    r"|[0-9a-f]{8}(?=-[a-z0-9-]+\.functions\.)"
)
"""What is drawn for each resource, or says when it was changed."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair.of(copy_project(tmp_path / "project"), tmp_path / "home")
    with made.cloud():
        yield made


# --- stacks -----------------------------------------------------------------------------------------------


def _foundation(config: Config, *, protect: bool = False) -> None:
    """With nothing optional but its protection, and an environment for each kind of database that is tested."""
    _unset(config, "foundation")
    config["snu:protect"] = protect
    config["snu:project"] = {"name": "local"}
    config["snu:environments"] = {
        STACK: {"database": {"kind": "serverless"}, "secret": {"initial": {"secret": "snu-local"}}},
        _BUCKET: {"database": {"kind": "bucket"}},
    }


_ENVIRONMENT_OF = {
    "database(serverless)": STACK,
    "formerDatabase": _BUCKET,
    "releaseCommands": _BUCKET,
    "secret": _BUCKET,
}


def _unset(config: Config, blueprint: str) -> None:
    """Remove what has an optional setting in it; what is required is for the caller to set again."""
    for setting in covered(f"{blueprint}."):
        config.pop(f"snu:{setting.path.split('.')[1]}", None)


def _set_all(config: Config, prefix: str, random: Random) -> None:
    """Every setting of a stack that is not of one app or job."""
    for setting in covered(prefix):
        _, *keys = setting.path.split(".")
        if keys[0] in ("apps", "jobs", "protect"):
            continue
        if keys[0] == "environments":
            keys[1] = _ENVIRONMENT_OF[keys[2]]
            keys[2] = keys[2].partition("(")[0]
        put(config, [f"snu:{keys[0]}", *keys[1:]], setting.value(random))


def _environment(
    config: Config, made: list[Case], settings: Callable[[Case], Config] | None = None, zone: str | None = None
) -> None:
    """With nothing optional: an app for others to refer to, the twins of all cases, and the cases with `settings`."""
    _unset(config, "environment")
    if zone is not None:
        config["snu:zone"] = zone
    shared = {"cpu": 70, "memory": 128, "image": OTHER, "host": "shared.example.org", "variables": {"SHARED": "1"}}
    found: dict[str, Config] = {"apps": {SHARED: shared}, "jobs": {}}
    for case in made:
        found[case.kind][case.twin] = case.after
        if settings is not None:
            found[case.kind][case.name] = settings(case)
    config["snu:apps"], config["snu:jobs"] = found["apps"], found["jobs"]
    config["snu:crashAlerts"] = {"webhook": "SLACK_WEBHOOK_URL"}
    images = {OTHER, "crash-alerts", *(name for kind in found.values() for name in kind)}
    config["snu:images"] = {name: {"version": "1", "digest": DIGEST} for name in sorted(images)}


def _done(run: Run) -> Run:
    assert run.ok, run.text
    return run


def _operations(run: Run) -> set[tuple[str, str]]:
    """Names of the resources that change, each with its operations."""
    return {(step.urn.rpartition("::")[2], step.op) for step in run.changed}


# --- what is live -----------------------------------------------------------------------------------------


def _steady(value: Any) -> str:
    return _VARYING.sub("[varying]", json.dumps(value, indent=1, sort_keys=True))


def _parts(pair: Pair, names: Iterable[str]) -> dict[str, str]:
    """By the name of an app or job, all that is live of it, with its name left out."""
    live = pair.ask("GET", "/_local/resources")
    outputs = pair.embedded.outputs(STACK)
    ids = {name: each.rpartition("/")[2] for name, each in (outputs["containerIds"] | outputs["jobIds"]).items()}
    main = {each["id"]: each for kind in ("containers.container", "serverless_jobs.definition") for each in live[kind]}
    found = {}
    for name in names:
        resource = main[ids[name]]
        target = f"{urlsplit(resource.get('public_endpoint', '')).hostname}."
        parts = [
            resource,
            *(each for each in live.get("containers.domain", ()) if each["container_id"] == resource["id"]),
            *(each for each in live.get("domain.record", ()) if each["data"] == target),
        ]
        found[name] = _steady(parts).replace(name, "[name]")
    return found


def _census(pair: Pair) -> Counter[str]:
    """Every live resource but the cases' own."""
    live = pair.ask("GET", "/_local/resources")
    texts = (f"{kind} {_steady(resource)}" for kind, resources in live.items() for resource in resources)
    return Counter(text for text in texts if "case-" not in text)


# --- tests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "count"),
    [("embedded", 1000), pytest.param("pulumi", 100, marks=needs_pulumi)],
    ids=["embedded", "pulumi"],
)
def test_removed_settings_are_their_defaults(pair: Pair, engine: str, count: int) -> None:
    random = Random(count)
    made = cases(random, count)
    driver: Driver = pair.cli if engine == "pulumi" else pair.embedded
    if driver is pair.cli:
        for stack in (FOUNDATION, STACK):
            pair.cli.init(stack)

    def preview(stack: str, change: Change) -> set[tuple[str, str]]:
        pair.project.change(stack, change)
        return _operations(_done(driver.preview(stack)))

    def up(stack: str, change: Change | None = None) -> set[tuple[str, str]]:
        if change is not None:
            pair.project.change(stack, change)
        return _operations(_done(driver.up(stack)))

    # Never set.
    up(FOUNDATION, _foundation)
    for secret_id in pair.embedded.outputs(FOUNDATION)["alertsSecretIds"].values():
        pair.write_secret(secret_id.rpartition("/")[2], b"{}")
    up(STACK, partial(_environment, made=made))
    never = _census(pair)

    # Set: first what concerns all apps, then the apps and jobs that lose settings.
    up(FOUNDATION, partial(_set_all, prefix="foundation", random=random))
    up(STACK, partial(_set_all, prefix="environment", random=random))
    planned = preview(STACK, partial(_environment, made=made))
    assert {"shared-container", "crash-alerts-definition"} <= {name for name, _ in planned}
    up(STACK, partial(_environment, made=made, settings=lambda case: case.before, zone=ZONE))
    before = _parts(pair, [case.name for case in made])

    # Removed.
    planned = preview(STACK, partial(_environment, made=made, settings=lambda case: case.after))
    assert up(STACK) == planned
    after = _parts(pair, [name for case in made for name in (case.name, case.twin)])
    wrong = [case for case in made if after[case.name] != after[case.twin]]
    assert not wrong, _report(wrong[0], after)
    changed = {case.name for case in made if after[case.name] != before[case.name]}
    assert changed == {case.name for case in made if case.is_live}
    assert changed == {name.rpartition("-")[0] for name, _ in planned}

    planned = preview(FOUNDATION, partial(_foundation, protect=True))
    assert up(FOUNDATION) == planned
    assert _uneven(never, _census(pair))
    up(FOUNDATION, _foundation)
    uneven = _uneven(never, _census(pair))
    assert not uneven, uneven
    for stack in (FOUNDATION, STACK):
        assert not _operations(_done(driver.preview(stack)))


def _report(case: Case, live: dict[str, str]) -> str:
    lines = unified_diff(live[case.twin].splitlines(), live[case.name].splitlines(), "never set", "removed", "", "", 1)
    return "\n".join([str(case), *lines])


def _uneven(expected: Counter[str], found: Counter[str]) -> str:
    old, new = ("\n".join(sorted(texts.elements())).splitlines() for texts in (expected - found, found - expected))
    return "\n".join(unified_diff(old, new, "never set", "removed", "", "", 1))
