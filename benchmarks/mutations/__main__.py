"""``scripts/mutations``: counts how many small changes of the product's code the tests catch."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.coverage import Copy, copied, measure, product_files
from benchmarks.mutations.mutants import Mutation, find, sample
from benchmarks.mutations.runner import Outcome, Result, Runner
from benchmarks.tests import modules_of
from tests.support.environment import ROOT

_ALL = "total"


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Print each mutation's outcome, the share that was caught, and those that were not. Asserts nothing."""
    options = _parser().parse_args(arguments)
    checkouts = [root, *([options.checkout.resolve()] if options.checkout else [])]
    found = [_mutations(checkout) for checkout in checkouts]
    common = {number: mutation for number, mutation in found[0].items() if all(number in each for each in found)}
    if missing := [number for number in options.only if number not in common]:
        where = " in both checkouts" if options.checkout else ""
        print(f"error: no mutation has the id {', '.join(missing)}{where}. Nothing was run.", file=sys.stderr)
        return 1
    chosen = [common[number] for number in options.only] or sample(common.values(), options.count, options.seed)
    tried: list[list[Result]] = []
    with ExitStack() as stack:
        runners = [_runner(stack.enter_context(copied(checkout)), checkout, options) for checkout in checkouts]
        for number, mutation in enumerate(chosen, start=1):
            tried.append([runner.run(each[mutation.id]) for runner, each in zip(runners, found, strict=True)])
            here, *there = tried[-1]
            start = f"{number:>3}/{len(chosen)}  "
            print(f"{start}{here}", flush=True)
            for result in there:
                print(f"{' ' * len(start)}in {options.checkout}: {result.outcome}  {result.test}".rstrip())
    print(_summary(tried, ["caught", *([f"caught in {options.checkout}"] if options.checkout else [])]))
    return 0


def _runner(copy: Copy, checkout: Path, options: argparse.Namespace) -> Runner:
    """Of mutations of a checkout, whose copy and test modules it uses."""
    modules = measure(checkout, [name for name in modules_of(checkout) if name.startswith(tuple(options.tests))])
    if failing := [module.name for module in modules if not module.passed]:
        print(f"Left out, as they fail in {checkout} without a mutation:", *failing, sep="\n  ")
    return Runner(copy, checkout, modules, options.modules, options.seconds)


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
        help="compare with the tests of another checkout: mutations of lines that both have are applied to both",
    )
    parser.add_argument("--modules", type=int, default=8, help="most test modules per mutation (default: 8)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="time limit; more where one module alone needs it (default: 60)"
    )
    parser.add_argument("--tests", nargs="+", default=[""], metavar="PATH", help="test modules below these paths only")
    return parser


def _summary(tried: Sequence[Sequence[Result]], columns: Sequence[str]) -> str:
    """A row for each package with a column for each checkout, and what this checkout's tests did not catch."""
    lines = ["", f"{'':<24}  {'mutations':>9}  {'  '.join(columns)}"]
    for package in [*sorted({results[0].package for results in tried}), _ALL]:
        rows = [results for results in tried if package in (results[0].package, _ALL)]
        counts = [sum(result.caught for result in column) for column in zip(*rows, strict=True)]
        cells = [f"{count:>{len(name)}}" for count, name in zip(counts, columns, strict=True)]
        lines.append(f"{package:<24}  {len(rows):>9}  {'  '.join(cells)}")
    outcomes = Counter(results[0].outcome for results in tried)
    lines += ["", *(f"{outcome}: {outcomes[outcome]}" for outcome in Outcome if outcomes[outcome])]
    for here, *there in tried:
        if not here.caught:
            lines += [
                "",
                here.report(),
                *(f"  in the other checkout caught by {other.test}" for other in there if other.caught),
            ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
