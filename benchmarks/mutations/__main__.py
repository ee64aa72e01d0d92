"""``scripts/mutations``: counts how many small changes of the product's code the tests catch."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.coverage import copied, measure, product_files
from benchmarks.mutations.mutants import Mutation, find, sample
from benchmarks.mutations.runner import Outcome, Result, Runner
from benchmarks.tests import modules_of
from tests.support.environment import ROOT


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Print each mutation's outcome, the share that was caught, and those that were not. Asserts nothing."""
    options = _parser().parse_args(arguments)
    known = _mutations(root)
    chosen = [known[number] for number in options.only if number in known]
    if missing := [number for number in options.only if number not in known]:
        print(f"error: no mutation has the id {', '.join(missing)}. Nothing was run.", file=sys.stderr)
        return 1
    chosen = chosen or sample(known.values(), options.count, options.seed)
    checkout = (options.checkout or root).resolve()
    there = known if checkout == root else _mutations(checkout)
    results: list[Result] = []
    modules = measure(root, [name for name in modules_of(root) if name.startswith(tuple(options.tests))])
    if failing := [module.name for module in modules if not module.passed]:
        print("Left out, as they fail without a mutation:", *failing, sep="\n  ")
    with copied(checkout) as copy:
        runner = Runner(copy, root, modules, options.modules, options.seconds, checkout != root)
        for number, mutation in enumerate(chosen, start=1):
            results.append(runner.run(mutation, there.get(mutation.id)))
            print(f"{number:>3}/{len(chosen)}  {results[-1]}", flush=True)
    print(_summary(results))
    return 0


def _mutations(checkout: Path) -> dict[str, Mutation]:
    """Every mutation of the product's code, by its id."""
    found = (find(path, (checkout / path).read_bytes()) for path in product_files(checkout))
    return {mutation.id: mutation for of_file in found for mutation in of_file}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/mutations",
        description="Change the product's code in small ways, one at a time and in a copy of the checkout, and count "
        "how many of the changes the tests catch. For each mutation the quickest test modules that execute its line "
        "run until a test fails. The first run measures which lines each test module executes.",
    )
    parser.add_argument("--count", type=int, default=100, help="number of mutations (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the random sample (default: 1)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these mutations instead of a sample")
    parser.add_argument(
        "--checkout",
        type=Path,
        metavar="PATH",
        help="apply the mutations of this checkout to another one where it has the same lines, and run its tests",
    )
    parser.add_argument("--modules", type=int, default=8, help="most test modules per mutation (default: 8)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="time limit; more where one module alone needs it (default: 60)"
    )
    parser.add_argument("--tests", nargs="+", default=[""], metavar="PATH", help="test modules below these paths only")
    return parser


def _summary(results: Sequence[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    applied = [result for result in results if result.outcome is not Outcome.ABSENT]
    caught = [result for result in applied if result.caught]
    lines = ["", f"{'':<24}  {'mutations':>9}  {'caught':>6}"]
    for package in sorted({result.package for result in applied}):
        of_package = [result for result in applied if result.package == package]
        lines.append(f"{package:<24}  {len(of_package):>9}  {sum(result.caught for result in of_package):>6}")
    lines += [f"{'total':<24}  {len(applied):>9}  {len(caught):>6}", ""]
    lines += [f"{outcome}: {counts[outcome]}" for outcome in Outcome if counts[outcome]]
    for result in results:
        if not result.caught:
            lines += ["", result.report()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
