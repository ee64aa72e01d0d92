"""What the policies take: the rules in `snu`, on 21 and on 210 containers, and the pack under the Pulumi CLI."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from policy.rules import CONTAINER, Resource, check
from policy.stack_settings import settings_requirements
from tests.lab.stacks import Stacks
from tests.support.environment import ROOT
from tests.support.policy_resources import environment, resource
from tests.support.programs import PULUMI
from tests.support.pulumi_cli import Cli

_FEW, _MANY = 21, 210
_CHECKS = 20
"""Each measurement: one alone takes too little time."""


def run(session: Session) -> None:
    print_table(_rules(session.rounds), f"{_MANY}", f"{_FEW}")
    if session.has("Pulumi CLI", PULUMI):
        print_table(_pack(session), "with pack", "without")


def _rules(rounds: int) -> list[Ratio]:
    few, many = Samples(), Samples()
    resources = [resource(CONTAINER, f"app-{number}-container") for number in range(_MANY)]
    _check(resources)
    for _ in range(rounds):
        few.time(_check, resources[:_FEW])
        many.time(_check, resources)
    return [Ratio(f"all rules on containers, {_CHECKS} times", many, few, Target(_MANY / _FEW * 1.2))]


def _check(resources: list[Resource]) -> None:
    requirements = settings_requirements(environment())
    for _ in range(_CHECKS):
        if check(resources, requirements).violations:
            raise SystemExit("a container that is to violate nothing does")


def _pack(session: Session) -> list[Ratio]:
    without, with_pack = Samples(), Samples()
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        stacks = Stacks.make("foundation-local", Path(name) / "project", Path(name) / "home")
        with stacks.cloud():
            stacks.cli.up("foundation-local")
            for counts in session.turns():
                for samples, more in ((without, ()), (with_pack, ("--policy-pack", str(ROOT / "policy")))):
                    (samples if counts else Samples()).time(_preview, stacks.cli, *more)
    return [Ratio("preview of local, engine pulumi", with_pack, without)]


def _preview(cli: Cli, *more: str) -> None:
    ended = cli.preview("local", *more)
    if not ended.ok:
        raise SystemExit(f"pulumi preview failed:\n{ended.text}")
