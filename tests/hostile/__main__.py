"""`python -m tests.hostile`: all hostile cases and generated ones; a table, and failures with commands."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import pkgutil
import random
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.hostile import fuzz, run
from tests.hostile.case import Case

KINDS = ("pictures", "texts", "weights", "homes")


def main() -> int:
    """Runs what was asked for; status 1 where a case failed, whose files are kept then."""
    options = asked()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from core.bases.places import cache_folder

    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    place = run.Place.make(folder, cache_folder())
    os.environ |= place.environment()
    tempfile.tempdir = None
    for library in run.LIBRARIES:
        importlib.import_module(library)
    chosen = kinds(place, options)
    outcomes: dict[str, list[run.Outcome]] = {kind: [] for kind in chosen}
    for kind, cases in chosen.items():
        for case in cases:
            if not options.case or options.case in case.name:
                outcomes[kind].append(run.tried(case, place.kind(kind), place))
                tell(kind, outcomes[kind][-1], bool(options.case))
    failed = report(outcomes)
    if failed:
        print(f"The files are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return int(failed > 0)


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND", help="some kinds alone")
    parser.add_argument("--case", default="", metavar="TEXT", help="cases named so alone, with what they say")
    parser.add_argument("--fuzz", type=int, default=200, metavar="N", help="generated cases")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="only N of them all, always the same"
    )
    return parser.parse_args()


def kinds(place: run.Place, options: argparse.Namespace) -> dict[str, Iterator[Case]]:
    """The cases of each kind that was asked for, made one after another as they are taken."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {name: importlib.import_module(f"tests.hostile.{name}") for name in names if name in KINDS}
    found = {name: module.cases(place.kind(name), options.seed) for name, module in modules.items()}
    found["fuzz"] = fuzz.cases(place.kind("fuzz"), options.seed, options.fuzz)
    chosen = {name: cases for name, cases in found.items() if name in (options.only or found)}
    if options.sample:
        each = options.sample // len(chosen)
        return {name: sample(cases, each, options.seed) for name, cases in chosen.items()}
    return chosen


def sample(cases: Iterator[Case], count: int, seed: int) -> Iterator[Case]:
    """`count` of the cases, chosen by the seed among all."""
    made = list(cases)
    return iter(random.Random(seed).sample(made, min(count, len(made))))


def tell(kind: str, outcome: run.Outcome, all_of_it: bool) -> None:
    """A failure at once, and with `all_of_it` what was said."""
    if outcome.faults:
        print(f"{kind}: {outcome.case.name}: {'; '.join(outcome.faults)}", flush=True)
        print(f"    python studio.py {shlex.join(outcome.case.argv)}", flush=True)
    if all_of_it:
        print(
            f"{outcome.case.name}: {outcome.seconds:.1f} s, {outcome.memory_mb:.0f} MB\n{outcome.said}",
            flush=True,
        )


def report(outcomes: dict[str, list[run.Outcome]]) -> int:
    """The table; how many failed."""
    print(f"{'kind':<10}{'tried':>7}{'failed':>8}{'slowest':>10}{'largest':>10}")
    for kind, made in outcomes.items():
        failed = sum(bool(one.faults) for one in made)
        slowest, largest = (
            max((getattr(one, name) for one in made), default=0.0) for name in ("seconds", "memory_mb")
        )
        print(f"{kind:<10}{len(made):>7}{failed:>8}{slowest:>8.1f} s{largest:>7.0f} MB")
    every = list(itertools.chain.from_iterable(outcomes.values()))
    failed = sum(bool(one.faults) for one in every)
    print(f"{'all':<10}{len(every):>7}{failed:>8}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
