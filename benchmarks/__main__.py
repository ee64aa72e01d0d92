"""``scripts/bench``: prints tables of figures, most of them ratios with targets; never fails because of a target."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import (
    adopt,
    alerts,
    api,
    components,
    coverage,
    diff,
    drift,
    images,
    local,
    logs,
    plan,
    policies,
    previews,
    promotion,
    requests,
    restart,
    secrets,
    stage,
    start,
    tests,
)
from benchmarks.measure import Session, Skipped, machine
from benchmarks.structure import benchmark as structure
from tests.support.bytecode import kept_bytecode
from tests.support.docker import shared_engine

_ALL = "all"


@dataclass(frozen=True)
class Benchmark:
    run: Callable[[Session], None]
    summary: str
    rounds: int = 3


BENCHMARKS = {
    "local": Benchmark(local.run, "the command on the stack local"),
    "api": Benchmark(api.run, "the local Scaleway beside moto's server"),
    "stage": Benchmark(stage.run, "the stack stage with the embedded engine, the Pulumi CLI and Terraform"),
    "diff": Benchmark(diff.run, "`snu diff` of all stacks beside one preview"),
    "drift": Benchmark(drift.run, "`snu drift` beside previews with a refresh"),
    "plan": Benchmark(plan.run, "plan and apply beside preview and up"),
    "policies": Benchmark(
        policies.run, "the rules on 210 containers beside 21, and a preview with the policy pack beside one without"
    ),
    "previews": Benchmark(
        previews.run, "an environment with one changed app beside all, and list and sweep of 10 and 100"
    ),
    "start": Benchmark(start.run, "the api started by node alone beside npm, turbo and PM2"),
    "promotion": Benchmark(promotion.run, "bytes that a promotion of one changed app sends beside all"),
    "requests": Benchmark(requests.run, "requests to Scaleway and GitHub that commands make", rounds=1),
    "logs": Benchmark(logs.run, "`snu logs`, and polls of what is new in a container's logs, of many lines beside few"),
    "alerts": Benchmark(alerts.run, "from a crash to its message in Slack, and a flood of crashes"),
    "components": Benchmark(
        components.run, "a preview of a program that uses the component package beside one that imports the components"
    ),
    "adopt": Benchmark(adopt.run, "adoption of a stack of 21 resources and of one of 210"),
    "images": Benchmark(images.run, "builds that versions avoid, and `snu images` as the history grows"),
    "restart": Benchmark(restart.run, "an api that crashes, with PM2 in its container and without"),
    "secrets": Benchmark(
        secrets.run, "made-up secrets in plain variables that the policies miss, and harmless ones that they refuse"
    ),
    "tests": Benchmark(tests.run, "what the tests take, folder by folder, here or in another checkout", rounds=1),
    "structure": Benchmark(
        structure.run, "lines by package, circles of imports, modules that a value passes", rounds=1
    ),
    "coverage": Benchmark(coverage.run, "the share of the product's statements that tests execute", rounds=1),
}


@dataclass(frozen=True)
class Result:
    """How a benchmark ended."""

    name: str
    outcome: str
    seconds: float
    failed: bool = False

    def __str__(self) -> str:
        return f"{self.name:<10}  {self.seconds:>6.1f} s  {self.outcome}"


def main() -> int:
    arguments = _parser().parse_args()
    names = list(BENCHMARKS) if arguments.what == _ALL else [arguments.what]
    with kept_bytecode(), shared_engine():
        results = [_run(name, _session(arguments, BENCHMARKS[name])) for name in names]
    print("\n" + "\n".join(map(str, results)))
    return 1 if any(result.failed for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    summaries = (f"  {name:<10}  {benchmark.summary}" for name, benchmark in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Print figures, most of them ratios with targets. Exits with 1 if a benchmark fails, and never "
        "because of a target or of a program that the machine lacks.",
        epilog="\n".join(["benchmarks:", *summaries]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=[*BENCHMARKS, _ALL],
        default="local",
        metavar="BENCHMARK",
        help=f"one of those below, or `{_ALL}`; default: local",
    )
    parser.add_argument(
        "--rounds", type=int, help="measurements of each thing (default: 3; of tests, or with --smoke: 1)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="the shortest round: shows that the benchmark works, not how fast it is"
    )
    parser.add_argument(
        "--repository",
        type=Path,
        help="images: with the history; coverage, structure, tests: another checkout",
    )
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
        metavar="SECONDS",
        help="restart: how long the api takes to boot (default: 30; with --smoke: 1)",
    )
    return parser


def _session(arguments: argparse.Namespace, benchmark: Benchmark) -> Session:
    rounds = arguments.rounds if arguments.rounds is not None else 1 if arguments.smoke else benchmark.rounds
    boot = arguments.boot if arguments.boot is not None else 1.0 if arguments.smoke else 30.0
    return Session(max(1, rounds), arguments.smoke, arguments.repository, arguments.sources, max(0.0, boot))


def _run(name: str, session: Session) -> Result:
    medians = "1 round" if session.rounds == 1 else f"{session.rounds} rounds, medians"
    duration = "the shortest round" if session.smoke else medians
    print(f"\n{name}: {duration}, {machine()}", flush=True)
    started = time.monotonic()
    said, failed = outcome(name, session)
    return Result(name, said, time.monotonic() - started, failed)


def outcome(name: str, session: Session) -> tuple[str, bool]:
    """What is reported of the benchmark, and whether it failed. Prints why it failed."""
    try:
        BENCHMARKS[name].run(session)
    except (Skipped, pytest.skip.Exception) as reason:
        return f"skipped: {reason}", False
    except (SystemExit, pytest.fail.Exception) as error:
        print(f"error: {error}", flush=True)
        return "FAILED", True
    except Exception:
        traceback.print_exc()
        return "FAILED", True
    return "; ".join(["ok", *(f"without {part}" for part in session.left_out)]), False


if __name__ == "__main__":
    raise SystemExit(main())
