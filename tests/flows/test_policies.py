"""Policies in the commands: shown by a preview, binding for a plan and an update, exempted with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_clear
from tests.lab.planning import STACK, PlanLab
from tests.support.pulumi_cli import needs_pulumi

pytestmark = pytest.mark.xdist_group("policies")  # one worker makes their lab

FOUND = "admin-container: environmentVariables.MAIL_TOKEN has a name that suggests a secret"
REASON = "It is printed in every mail that is sent."


@pytest.fixture(scope="module", params=["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanLab]:
    with PlanLab.prepared(tmp_path_factory.mktemp("policies"), request.param) as lab:
        yield lab


@pytest.fixture
def lab(prepared: PlanLab) -> PlanLab:
    prepared.begin()
    return prepared


def add_token(config: dict[str, Any]) -> None:
    config["snu:apps"]["admin"]["variables"]["MAIL_TOKEN"] = "hunter2-hunter2"


def exempt(config: dict[str, Any]) -> None:
    exemption = {"rule": "plain-variables", "resource": "admin-container", "reason": REASON}
    config["snu:policies"] = {"exemptions": [exemption]}


def test_a_preview_shows_a_violation_and_goes_on(lab: PlanLab) -> None:
    lab.edit(add_token)
    shown = lab.ok("preview", STACK)
    assert "Policies: 1 violation" in shown.stdout
    assert FOUND in shown.stdout
    assert "secretVariables" in shown.stdout
    markdown = lab.ok("preview", STACK, "--markdown", "-").stdout
    assert "**Policies: 1 violation**" in markdown
    assert (
        "- `admin-container`: `environmentVariables.MAIL_TOKEN has a name that suggests a secret`, "
        "rule `plain-variables`." in markdown
    )


def test_neither_a_plan_nor_an_update_does_it(lab: PlanLab, tmp_path: Path) -> None:
    lab.edit(add_token)
    lab.commit()
    before = lab.writes()
    out, markdown = tmp_path / "refused.plan", tmp_path / "refused.md"
    planned = lab.snu("plan", STACK, "--out", str(out), "--markdown", str(markdown))
    updated = lab.snu("up", STACK, "--yes")
    at_once = lab.snu("up", STACK, "--yes", "--skip-preview")
    for run in (planned, updated, at_once):
        assert run.returncode == ExitCode.POLICY, run.stdout + run.stderr
        check_clear(run)
        assert FOUND in run.stderr
        assert "under snu:policies" in run.stderr
        assert "hunter2" not in run.stderr
    assert not out.exists()
    assert "**Policies: 1 violation**" in markdown.read_text()
    assert lab.writes() == before


def test_with_an_exemption_a_plan_is_made_and_says_why(lab: PlanLab, tmp_path: Path) -> None:
    lab.edit(add_token)
    lab.edit(exempt)
    lab.commit()
    out, markdown = tmp_path / "exempted.plan", tmp_path / "exempted.md"
    planned = lab.make_plan(out, "--markdown", str(markdown))
    assert f"Exempted from plain-variables: {FOUND}: {REASON}" in planned.stdout
    assert "**Policies: no violations**" in markdown.read_text()
    assert REASON in markdown.read_text()
    applied = lab.apply(out)
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    variables = lab.container("admin")["environment_variables"]
    assert variables["MAIL_TOKEN"] == "hunter2-hunter2"


def test_an_exemption_that_fits_nothing_is_told_and_one_that_is_none_refused(lab: PlanLab) -> None:
    lab.edit(exempt)
    shown = lab.ok("preview", STACK)
    assert "warning: the exemption of admin-container from plain-variables is unused" in shown.stdout

    def misspell(config: dict[str, Any]) -> None:
        config["snu:policies"]["exemptions"][0] |= {"rule": "plain-variable", "reason": "because"}

    lab.edit(misspell)
    refused = lab.snu("preview", STACK)
    assert refused.returncode == ExitCode.SETTINGS
    assert "snu:policies.exemptions[0].rule: found `plain-variable`; allowed: `encryption-at-rest`, " in refused.stderr
    assert "snu:policies.exemptions[0].reason: found `because`; allowed: a sentence of 20 to 120" in refused.stderr


def test_a_plan_says_what_it_changes_in_cost(lab: PlanLab, tmp_path: Path) -> None:
    """The plan makes the memory of one always running api smaller: from 2 GB to 1 GB."""
    markdown = tmp_path / "cost.md"
    planned = lab.make_plan(tmp_path / "cost.plan", "--markdown", str(markdown))
    said = "Cost: -5.26 € a month idle, -5.26 € at full scale, at Scaleway's prices as of "
    assert said in planned.stdout
    assert said in markdown.read_text()


def test_the_local_stacks_keep_to_the_policies(lab: PlanLab) -> None:
    for stack in ("foundation-local", STACK):
        assert "Policies" not in lab.ok("preview", stack).stdout


def test_a_doubt_about_a_setting_is_a_warning_said_once(lab: PlanLab) -> None:
    """Not a policy: what Scaleway may reject. An update says it in its preview, and not a second time."""

    def shrink(config: dict[str, Any]) -> None:
        config["snu:apps"]["admin"] |= {"cpu": 512, "memory": 256}

    lab.edit(shrink)
    doubt = "snu:apps.admin.memory: Scaleway may reject 256 MB with a cpu of 512; 512 to 2048 MB is likely"
    shown = lab.ok("preview", STACK, "--markdown", "-")
    updated = lab.ok("up", STACK, "--yes")
    for run in (shown, updated):
        assert (run.stdout + run.stderr).count(doubt) == 1, run.stdout + run.stderr
