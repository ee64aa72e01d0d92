"""Every stack of the project, with the real CLI and the real provider on the local Scaleway, from up to destroy.

The stacks that live on the real Scaleway are pointed at the local one here: address, fake keys, ids of the seed.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.api import seed
from localcloud.api.cloud import ORGANIZATION_ID
from localcloud.engine.provider import KNOWN_TYPES
from tests.e2e.described import REPLACES, STACK, UPDATES, Lab, changed, every_type, provider_settings
from tests.support.project import ROOT, Project, copy_project
from tests.support.pulumi_cli import Cli, Run, needs_pulumi

_DIGEST = "sha256:" + "b" * 64
_SNU_CI = "1b29c5d9-9723-400a-aa8b-0c85ae3567f7"
"""The real project whose registries production may read; it does not exist on a local Scaleway."""
_PREVIEW = "pr-12"

Configuration = dict[str, Any]


def _call(api_url: str, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{api_url}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-Auth-Token": seed.SECRET_KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read() or b"{}")


def _left(api_url: str) -> dict[str, int]:
    """How many resources of each kind there are, beside those that a new local Scaleway has."""
    found = _call(api_url, "GET", "/_local/resources?seed=false")
    return {kind: len(resources) for kind, resources in found.items()}


def _assert_clean(run: Run, what: str) -> None:
    """It went well, and nobody was told of anything deprecated."""
    assert run.ok, f"{what}:\n{run.text}"
    assert "deprecat" not in run.text.lower(), f"{what}:\n{run.text}"


class _Stacks:
    """The stacks of one foundation on a local Scaleway of their own."""

    def __init__(self, project: Project, home: Path) -> None:
        self.project = project
        Path(project.backend_url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        self.cli = Cli(project.directory, home, project.backend_url)

    def edit(self, stack: str, change: Callable[[Configuration], object]) -> None:
        path = self.project.stack_file(stack)
        document = yaml.safe_load(path.read_text())
        change(document["config"])
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def point_at_local(self, stack: str) -> None:
        """Settings of the local Scaleway in place of the real one's."""
        self.edit(stack, lambda config: config.update(provider_settings(self.project.api_url)))

    def first_up(self, stack: str) -> None:
        self.cli.init(stack)
        _assert_clean(self.cli.up(stack), f"up of {stack}")
        self.assert_settled(stack)
        _assert_clean(self.cli.refresh(stack, "--expect-no-changes"), f"refresh of {stack}")

    def assert_settled(self, stack: str) -> None:
        _assert_clean(self.cli.preview(stack, "--expect-no-changes", "--diff"), f"preview of {stack}")

    def change(self, stack: str, change: Callable[[Configuration], object], *operations: str) -> None:
        """Edit the stack's settings and bring them about, with the given operations among what is done."""
        self.edit(stack, change)
        done = self.cli.up(stack)
        _assert_clean(done, f"change of {stack}")
        assert set(operations) <= done.changes.keys(), done.changes
        self.assert_settled(stack)

    def end(self, stack: str) -> None:
        self.edit(stack, lambda config: config.update({"snu:protect": False}))
        _assert_clean(self.cli.up(stack), f"unprotection of {stack}")
        _assert_clean(self.cli.destroy(stack), f"destroy of {stack}")

    def fill_secret(self, foundation: str, environment: str) -> None:
        """A foundation makes an empty secret; people write the document."""
        secret_id = self.cli.outputs(foundation)["secretIds"][environment]
        region, _, bare = secret_id.partition("/")
        document = json.dumps({key: seed.fake_value(key) for key in seed.DOCUMENT_KEYS})
        _call(
            self.project.api_url,
            "POST",
            f"/secret-manager/v1beta1/regions/{region}/secrets/{bare}/versions",
            {"data": base64.b64encode(document.encode()).decode()},
        )

    def fill_template(self, stack: str) -> None:
        """A preview environment's settings."""
        text = self.project.stack_file("preview.template").read_text().replace("${name}", stack)
        text = re.sub(r"\$\{\w+_version\}", "test", text)
        self.project.stack_file(stack).write_text(re.sub(r"\$\{\w+_digest\}", "sha256:" + "a" * 64, text))


def _new_retention(config: Configuration) -> None:
    config["snu:observability"]["logRetention"] = 14


def _new_image(config: Configuration) -> None:
    """In place: another image and another size."""
    config["snu:images"]["api"]["digest"] = _DIGEST
    config["snu:apps"]["api"]["memory"] = 4096


def _new_host(config: Configuration) -> None:
    """A replacement of a record, where there is one, and of a domain; what is protected would not be replaced."""
    config["snu:protect"] = False
    host = config["snu:apps"]["app"]["host"]
    config["snu:apps"]["app"]["host"] = f"new-{host}"


_GROUPS: dict[str, list[str]] = {
    "foundation-local": ["local"],
    "foundation-ci": ["ci", _PREVIEW],
    "foundation-production": ["stage", "production"],
}


@needs_pulumi
@pytest.mark.parametrize("foundation", _GROUPS)
def test_life_of_stacks(foundation: str, tmp_path: Path, pulumi_home: Path) -> None:
    project = copy_project(tmp_path / "project")
    stacks = _Stacks(project, pulumi_home)
    environments = _GROUPS[foundation]
    if _PREVIEW in environments:
        stacks.fill_template(_PREVIEW)
    for stack in [foundation, *environments]:
        stacks.point_at_local(stack)
    project.start_cloud()
    try:
        if foundation == "foundation-ci":
            zone = {"domain": "beta-snu.dev", "subdomain": "", "project_id": ORGANIZATION_ID}
            _call(project.api_url, "POST", "/domain/v2beta1/dns-zones", zone)
        if foundation == "foundation-production":
            # What runs in ci is promoted from there: another project, which stands already.
            made = _call(project.api_url, "POST", "/account/v3/projects", {"name": "snu-ci", "description": ""})
            path = project.stack_file(foundation)
            path.write_text(path.read_text().replace(_SNU_CI, made["id"]))
        at_first = _left(project.api_url)
        stacks.first_up(foundation)
        for stack in environments:
            name = yaml.safe_load(project.stack_file(stack).read_text())["config"]["snu:environment"]["name"]
            if stack not in ("local", _PREVIEW):
                stacks.fill_secret(foundation, name)
            stacks.first_up(stack)
            stacks.change(stack, _new_image, "update")
            stacks.change(stack, _new_host, "replace")
        stacks.change(foundation, _new_retention, "update")
        for stack in [*reversed(environments), foundation]:
            stacks.end(stack)
        assert _left(project.api_url) == at_first
    finally:
        project.stop_cloud()


@needs_pulumi
def test_each_type(tmp_path: Path, pulumi_home: Path) -> None:
    """Each resource type is made, changed in place and replaced where it can be, and deleted; nothing stays to do."""
    lab = Lab.make(tmp_path / "project", pulumi_home)
    program = every_type()
    types = {name: described["type"] for name, described in program.resources.items()}
    with lab.cloud():
        at_first = _left(lab.project.api_url)
        for changes, operation in (({}, "create"), (UPDATES, "update"), (REPLACES, "replace")):
            program = changed(program, changes)
            lab.write(program)
            done = lab.cli.up(STACK)
            _assert_clean(done, operation)
            met = {urn.rpartition("::")[2]: {step.op for step in steps} for urn, steps in done.steps_by_urn().items()}
            assert [f"{types[name]} {name}" for name in changes or types if operation not in met[name]] == []
            for check in (lab.cli.preview, lab.cli.refresh):
                settled = check(STACK, "--expect-no-changes", "--diff")
                _assert_clean(settled, f"after {operation}")
        ended = lab.cli.destroy(STACK)
        assert ended.ok, ended.text
        assert _left(lab.project.api_url) == at_first


def test_types_are_those_that_the_embedded_engine_knows() -> None:
    """The program of each type leaves none out."""
    described = {each["type"].lower() for each in every_type().resources.values() if each["type"] != "group"}
    known = {token.split(":")[1].split("/")[0] + "." + token.rpartition(":")[2] for token in KNOWN_TYPES}
    assert {each.lower() for each in known} == described


def test_every_stack_of_the_project_is_met() -> None:
    stacks = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")} - {"preview", _PREVIEW}
    assert stacks == {*_GROUPS, *(stack for group in _GROUPS.values() for stack in group)} - {_PREVIEW}
