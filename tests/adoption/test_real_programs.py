"""With Terraform and the Pulumi CLI: recorded states are real, and both engines adopt alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.adoption.conftest import Moment
from tests.adoption.lab import LiveLab
from tests.adoption.record import ENVIRONMENTS, FOLDER, make, steady
from tests.lab.lab import Lab, Run
from tests.support.pulumi_cli import needs_pulumi
from tests.support.terraform import needs_terraform


@needs_terraform
def test_the_recording_matches_terraform(tmp_path: Path) -> None:
    with Lab.running(tmp_path / "project") as lab:
        make(lab, tmp_path)
    for name in ENVIRONMENTS:
        made = (tmp_path / f"{name}.tfstate").read_text().replace(f":{lab.project.port}", ":{port}")
        assert steady(made) == steady((FOLDER / f"{name}.tfstate").read_text()), name


def _differences(live: LiveLab, stack: str, sources: list[str], engine: str) -> dict[str, set[str]]:
    import yaml

    path = live.accept_all(stack, *sources, engine=engine)
    return {entry["resource"]: set(entry["changes"]) for entry in yaml.safe_load(path.read_text())}


def _well(run: Run) -> Run:
    assert run.returncode == 0, run.stdout + run.stderr
    return run


@needs_pulumi
@pytest.mark.parametrize("stack", ["foundation-production", "production"])
def test_the_cli_adopts_like_the_embedded_engine(
    stack: str, recorded: Moment, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It finds the same differences with read-only requests, and each engine can continue the other's adoption."""
    moment: Moment = request.getfixturevalue("founded") if stack == "production" else recorded
    live = moment.restore()
    project = live.lab.project
    sources = live.sources("production") if stack == "production" else live.sources("production", "staging")
    home = {"PULUMI_HOME": str(tmp_path / "home"), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
    live.environment.update(home)
    try:
        written = live.lab.journal()
        embedded = _differences(live, stack, sources, "embedded")
        assert _differences(live, stack, sources, "pulumi") == embedded
        accepted = str(project.directory / f"{stack}.accept.yaml")
        _well(live.adopt(stack, *sources, "--accept", accepted, "--yes", engine="pulumi"))
        assert live.lab.journal() == written
        assert "fake-" not in live.lab.state_file(stack).read_text()
        for engine in ("pulumi", "embedded"):
            run = _well(project.snu("preview", stack, "--engine", engine, "--json", **home))
            changed = {
                step["urn"].rpartition("::")[2]
                for step in json.loads(run.stdout).get("steps", [])
                if step["op"] in ("create", "update") and (step.get("newState") or {}).get("custom")
            }
            assert changed == embedded.keys(), engine
        again = _well(live.adopt(stack, *sources, "--yes", engine="pulumi"))
        assert "nothing left to adopt" in again.stdout
        _well(live.adopt(stack, "--undo", "--yes", engine="pulumi"))
        assert not live.lab.state_file(stack).exists()
        assert live.lab.journal() == written
    finally:
        live.environment.clear()
