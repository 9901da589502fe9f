"""Runs the chosen benchmarks and prints what they found, with the machine they ran on."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import behaviour_step
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
import steps
import token_imagination
import torch
import windows
from measure import Row, machine

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "rssm": rssm_step.run,
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
    parser.add_argument("--smallest", action="store_true", help="do everything once and small: does it run?")
    asked = parser.parse_args()
    measure.smallest = asked.smallest
    torch.set_num_threads(1)
    print(f"{machine()}\n")
    print(f"{'measured':<58}{'found':>12}  {'target':<12}")
    missed = 0
    for name in asked.only:
        began = time.monotonic()
        for row in BENCHMARKS[name]():
            missed += row.missed
            print(row, flush=True)
        print(f"{'':2}({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    if measure.smallest:
        print("everything runs; at this size no target is judged")
        return 0
    print("all targets reached" if not missed else f"{missed} targets missed; is the machine busy?")
    return 1 if missed else 0


if __name__ == "__main__":  # workers of a collection import this file too
    sys.exit(main())
