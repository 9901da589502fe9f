"""Acting at a fixed rate, and saying when it was missed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from wm_lab.deploy.robot_policy import RobotPolicy

log = logging.getLogger(__name__)


@dataclass
class LoopReport:
    """Milliseconds from each observation asked for to its action sent, and which steps took longer than a period."""

    period: float  # milliseconds
    milliseconds: list[float] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.milliseconds:
            return "no step was taken"
        median, worst = np.median(self.milliseconds), max(self.milliseconds)
        return (
            f"{len(self.milliseconds)} steps of {self.period:.1f} ms: median {median:.1f} ms, worst {worst:.1f} ms, "
            f"{len(self.missed)} missed their deadline"
        )


def control_loop(
    policy: RobotPolicy,
    observe: Callable[[], Mapping[str, np.ndarray]],
    send: Callable[[np.ndarray], object],
    hz: float,
    steps: int,
    seed: int = 0,
) -> LoopReport:
    """Observe, act and send so many times, `hz` times a second; an episode begins with the first.

    A step that takes longer than its period is told in a warning, and the next period begins when it has ended: late
    steps are not made up for by a burst.
    """
    report = LoopReport(1e3 / hz)
    policy.reset(seed)
    due = time.perf_counter()
    for step in range(steps):
        began = time.perf_counter()
        send(policy.act(observe()))
        took = 1e3 * (time.perf_counter() - began)
        report.milliseconds.append(took)
        due += 1 / hz
        rest = due - time.perf_counter()
        if rest < 0:
            report.missed.append(step)
            log.warning("step %d missed its deadline: %.1f ms of %.1f ms", step, took, report.period)
            due = time.perf_counter()
        else:
            time.sleep(rest)
    return report
