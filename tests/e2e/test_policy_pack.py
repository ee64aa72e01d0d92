"""The policy pack under the real CLI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.lab.stacks import Configuration, Stacks
from tests.support.environment import ROOT
from tests.support.programs import PULUMI, needs
from tests.support.pulumi_cli import Cli, Run, needs_pulumi
from tests.support.seed import ORGANIZATION, provider_variables

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


PROGRAM = {
    "name": "acme",
    "runtime": "yaml",
    "resources": {
        "images": {
            "type": "scaleway:registry:Namespace",
            "properties": {"name": "acme-images", "isPublic": True},
        },
        "shop": {
            "type": "scaleway:containers:Container",
            "properties": {
                "name": "shop",
                "namespaceId": f"fr-par/{ORGANIZATION}",
                "image": f"rg.fr-par.scw.cloud/acme-images/shop@sha256:{'0' * 64}",
                "environmentVariables": {"MAIL_TOKEN": "hunter2-hunter2"},
            },
        },
    },
}
"""A program of another project. A preview of it asks the provider, and no cloud."""


@needs(*PULUMI, "pulumi-language-yaml")
def test_the_pack_checks_another_project_with_its_own_configuration(tmp_path: Path, pulumi_home: Path) -> None:
    folder, state, configuration = tmp_path / "acme", tmp_path / "state", tmp_path / "policies.json"
    folder.mkdir()
    state.mkdir()
    (folder / "Pulumi.yaml").write_text(json.dumps(PROGRAM))
    cli = Cli(folder, pulumi_home, f"file://{state}", **provider_variables("http://127.0.0.1:9"))
    cli.init("dev")

    def preview(**rules: Any) -> Run:
        configuration.write_text(json.dumps({rule.replace("_", "-"): values for rule, values in rules.items()}))
        return cli.preview("dev", "--policy-pack", str(ROOT / "policy"), "--policy-pack-config", str(configuration))

    refused = preview()
    assert not refused.ok
    assert "images: isPublic is true (private-registry)" in refused.text
    assert "shop: environmentVariables.MAIL_TOKEN has a name that suggests a secret" in refused.text

    exempt_images = {"resource": "images", "reason": "Anyone may run the shop, which is open source."}
    exempt_token = {
        "resource": "shop",
        "property": "environmentVariables.MAIL_TOKEN",
        "reason": "It is printed in every mail that is sent.",
    }
    exempted = preview(
        private_registry={"namespaces": ["acme-images"], "exemptions": [exempt_images]},
        plain_variables={"exemptions": [exempt_token]},
    )
    assert exempted.ok, exempted.text
    assert "unused-exemption" not in exempted.text

    misspelled = preview(private_registry={"namespace": ["acme-images"]})
    assert not misspelled.ok
    assert "private-registry: namespace: found an unknown key; did you mean `namespaces`?" in misspelled.text
    invalid = preview(plain_variables={"exemptions": [exempt_token | {"reason": "short"}]})
    assert not invalid.ok
    assert "plain-variables: exemptions.0.reason: String length must be greater than or equal to 20" in invalid.text
