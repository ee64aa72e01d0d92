"""``scripts/bench``: prints tables of ratios with their targets, and never fails because of a target."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    adopt,
    alerts,
    api,
    diff,
    drift,
    images,
    local,
    logs,
    plan,
    policies,
    previews,
    promotion,
    restart,
    stage,
    start,
)
from benchmarks.measure import machine
from tests.support.bytecode import kept_bytecode

_BENCHMARKS = {
    "local": local.run,
    "api": api.run,
    "stage": stage.run,
    "diff": diff.run,
    "drift": drift.run,
    "plan": plan.run,
    "policies": policies.run,
    "previews": previews.run,
    "start": start.run,
    "promotion": promotion.run,
    "logs": logs.run,
    "alerts": alerts.run,
    "adopt": adopt.run,
}
_WITH_REPOSITORY = {"images": images.run}
_WITH_BOOT = {"restart": restart.run}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="local: the command on the stack local; api: the local Scaleway beside moto's server; "
        "stage: the stack stage with the embedded engine, the Pulumi CLI and Terraform; "
        "diff: `snu diff` of all stacks beside one preview; drift: `snu drift` beside previews with a refresh; "
        "plan: plan and apply beside preview and up; "
        "policies: the rules on 210 containers beside 21, and a preview with the policy pack beside one without; "
        "previews: an environment with one changed app beside all, and list and sweep of 10 and 100; "
        "start: the api started by node alone beside npm, turbo and PM2; "
        "restart: an api that crashes, with PM2 in its container and without, until it answers again; "
        "promotion: bytes that a promotion of one changed app sends beside all; "
        "logs: polls of what is new in a container's logs, of many lines beside few; "
        "alerts: from a crash to its message in Slack, and a flood of crashes; "
        "adopt: adoption of a stack of 21 resources and of one of 210; "
        "images: builds that versions avoid, and `snu images` as the history grows.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=[*_BENCHMARKS, *_WITH_REPOSITORY, *_WITH_BOOT],
        default="local",
        help="default: local",
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each thing (default: 3)")
    parser.add_argument("--repository", type=Path, help="images: with the history; default: this one")
    parser.add_argument(
        "--sources",
        type=Path,
        action="append",
        default=[],
        help="images: its images.yaml; default: the one in its root; again, for commits that the first does not fit",
    )
    parser.add_argument(
        "--boot",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="restart: how long the api takes to boot (default: 30)",
    )
    arguments = parser.parse_args()
    rounds = max(1, arguments.rounds)
    print(f"{arguments.what}: {rounds} rounds, medians, {machine()}; a round takes about a minute.", flush=True)
    with kept_bytecode():
        if arguments.what in _WITH_REPOSITORY:
            _WITH_REPOSITORY[arguments.what](rounds, arguments.repository, arguments.sources)
        elif arguments.what in _WITH_BOOT:
            _WITH_BOOT[arguments.what](rounds, max(0.0, arguments.boot))
        else:
            _BENCHMARKS[arguments.what](rounds)


if __name__ == "__main__":
    main()
