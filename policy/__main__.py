"""The policy pack: `pulumi preview --policy-pack policy`. Building it serves it, and never returns."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Pulumi runs a pack from its own folder

from pulumi_policy import EnforcementLevel, PolicyPack

from policy.pack import policies

PolicyPack("snu", policies(), EnforcementLevel.MANDATORY)
