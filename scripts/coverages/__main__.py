"""Prints the table of coverages; see scripts/coverage.py."""

from __future__ import annotations

import sys

import numpy as np
from rows import rows

EXPERIMENTS = 2000


def main(experiments: int) -> None:
    print("Of 100 intervals, how many hold the truth: on average, and for the true value for which the fewest do\n")
    print(f"| {'interval':34} | {'experiment':54} | mean | worst | experiments |")
    print(f"| {'-' * 34} | {'-' * 54} | ---: | ----: | ----------: |")
    found: dict[str, list[tuple[float, float, int, int]]] = {}
    for number, row in enumerate(rows()):
        held = row.held(np.random.default_rng(number), int(experiments * row.times))
        values, worst = len(held), 100 * held.mean(1).min()
        found.setdefault(row.interval, []).append((100 * held.mean(), worst, held.size, values))
        said = f"{100 * held.mean():4.1f} | {f'{worst:5.1f}' if values > 1 else '    –'} | {held.size:11,}"
        print(f"| {row.interval:34} | {row.scenario:54} | {said} |", flush=True)
    print(f"\n| {'interval':34} | rows | least | median | most | worst value | experiments a row |")
    print(f"| {'-' * 34} | ---: | ----: | -----: | ---: | ----------: | ----------------: |")
    for interval, figures in found.items():
        means, worst, sizes, values = map(np.array, zip(*figures, strict=True))
        told = f"{len(means):4} | {means.min():5.1f} | {np.median(means):6.1f} | {means.max():4.1f}"
        least = f"{worst.min():11.1f}" if values.max() > 1 else "          –"
        print(f"| {interval:34} | {told} | {least} | {sizes.min():17,} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIMENTS)
