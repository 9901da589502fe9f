"""Runs the chosen benchmarks and prints what they found, with the machine they ran on."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import behaviour_step
import clone_step
import collection
import decisions
import experts
import generation
import imagination
import launchers
import lesson_loop
import measure
import pictures
import planner_overhead
import report
import rssm_step
import start
import steps
import token_imagination
import torch
import windows
from compare import compared, saved
from measure import Row, machine

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "start": start.run,
    "rssm": rssm_step.run,
    "clone": clone_step.run,
    "planners": planner_overhead.run,
    "lesson": lesson_loop.run,
    "imagine": imagination.run,
    "step": steps.run,
    "behaviours": behaviour_step.run,
    "decisions": decisions.run,
    "generation": generation.run,
    "token_imagination": token_imagination.run,
    "collect": collection.run,
    "experts": experts.run,
    "pictures": pictures.run,
    "windows": windows.run,
    "launchers": launchers.run,
    "report": report.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmark.py", description="Measure the lab's speeds, each beside its target."
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", default=list(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="do everything once and small: does it run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there too, to compare later")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar="FILE", help="measure nothing: show two such files side by side"
    )
    asked = parser.parse_args()
    if asked.compare:
        print("\n".join(compared(*asked.compare)))
        return 0
    measure.quick = asked.quick
    torch.set_num_threads(1)
    print(f"{machine()}\n")
    print(f"{'measured':<58}{'found':>12}  {'target':<12}")
    found: list[Row] = []
    for name in asked.only:
        began = time.monotonic()
        for row in BENCHMARKS[name]():
            found.append(row)
            print(row, flush=True)
        print(f"{'':2}({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    if asked.json:
        saved(found, asked.json)
    if measure.quick:
        print("everything runs; at this size no target is judged")
        return 0
    missed = sum(row.missed for row in found)
    print("all targets reached" if not missed else f"{missed} targets missed; is the machine busy?")
    return 1 if missed else 0


if __name__ == "__main__":  # workers of a collection import this file too
    sys.exit(main())
