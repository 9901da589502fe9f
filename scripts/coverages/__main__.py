"""Prints the table of coverages; see scripts/coverage.py."""

from __future__ import annotations

import sys

import numpy as np
from rows import rows

EXPERIMENTS = 2000


def main(experiments: int) -> None:
    print(f"Of 100 intervals, how many hold the truth ({experiments} experiments a row; probes and horizons a tenth)\n")
    print(f"| {'interval':30} | {'experiment':52} | held |\n| {'-' * 30} | {'-' * 52} | ---: |")
    by_interval: dict[str, list[float]] = {}
    for number, (interval, scenario, covered) in enumerate(rows()):
        held = 100 * covered(np.random.default_rng(number), experiments)
        by_interval.setdefault(interval, []).append(held)
        print(f"| {interval:30} | {scenario:52} | {held:4.1f} |", flush=True)
    print(f"\n| {'interval':30} | least | median | most | rows |\n| {'-' * 30} | ----: | -----: | ---: | ---: |")
    for interval, held in by_interval.items():
        told = f"{min(held):5.1f} | {np.median(held):6.1f} | {max(held):4.1f} | {len(held):4}"
        print(f"| {interval:30} | {told} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
