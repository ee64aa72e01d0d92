"""The policy pack under the real CLI."""

from __future__ import annotations

from pathlib import Path

from tests.lab.stacks import Configuration, Stacks
from tests.support.environment import ROOT
from tests.support.pulumi_cli import Run, needs_pulumi

_APIS = ("api", "apiv2", "tasks", "tasksv2")
"""All that have the variables of api or apiv2."""


def _add_token(config: Configuration) -> None:
    for name in ("api", "apiv2"):
        config["snu:apps"][name].setdefault("variables", {})["MAIL_TOKEN"] = "hunter2-hunter2"


def _exempt(config: Configuration) -> None:
    exemption = {"rule": "plain-variables", "reason": "It is printed in every mail that is sent."}
    resources = [f"{name}-container" for name in (*_APIS, "gone")]
    config["snu:policies"] = {"exemptions": [exemption | {"resource": resource} for resource in resources]}


def _preview(stacks: Stacks, stack: str) -> Run:
    return stacks.cli.preview(stack, "--policy-pack", str(ROOT / "policy"))


@needs_pulumi
def test_the_pack_lets_the_stacks_pass_and_refuses_violations(tmp_path: Path, pulumi_home: Path) -> None:
    stacks = Stacks.make("foundation-local", tmp_path / "project", pulumi_home)
    with stacks.cloud():
        foundation = _preview(stacks, "foundation-local")
        assert foundation.ok, foundation.text
        assert "plain-variables" not in foundation.text
        assert stacks.cli.up("foundation-local").ok
        stacks.fill_secrets("foundation-local")
        assert _preview(stacks, "local").ok

        stacks.edit("local", _add_token)
        refused = _preview(stacks, "local")
        assert not refused.ok
        assert "[mandatory]  plain-variables  (scaleway:containers:Container: api-container)" in refused.text
        assert "environmentVariables.MAIL_TOKEN has a name that suggests a secret" in refused.text
        policies = refused.text[refused.text.index("Policies:") : refused.text.index("Outputs:")]
        assert "hunter2" not in policies

        stacks.edit("local", _exempt)
        exempted = _preview(stacks, "local")
        assert exempted.ok, exempted.text
        assert "the exemption of gone-container from plain-variables is unused: remove it" in exempted.text
