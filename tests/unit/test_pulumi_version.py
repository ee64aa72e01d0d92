"""The Pulumi CLI that Pulumi.yaml requires, beside the SDK that is installed (docs/adr/0007)."""

from __future__ import annotations

import re
import tomllib

import yaml

from ops.stacks import project_name as name_for_the_command
from pulumi_state.project import project_name
from tests.support.environment import ROOT


def test_the_required_cli_is_not_older_than_the_pinned_sdk() -> None:
    required = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["requiredPulumiVersion"]
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (pinned,) = [each.removeprefix("pulumi==") for each in dependencies if each.startswith("pulumi==")]
    assert re.fullmatch(rf">={re.escape(pinned)} <{int(pinned.split('.')[0]) + 1}\.0\.0", required)


def test_both_readers_accept_the_key() -> None:
    assert project_name(ROOT) == name_for_the_command(ROOT) == "snu"
