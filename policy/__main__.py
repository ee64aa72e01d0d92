"""Serves the policy pack (`pulumi preview --policy-pack policy`). The `PolicyPack` constructor never returns."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Pulumi runs a pack in the pack's folder

from pulumi_policy import EnforcementLevel, PolicyPack

from policy.pack import policies

PolicyPack("snu", policies(), EnforcementLevel.MANDATORY)
