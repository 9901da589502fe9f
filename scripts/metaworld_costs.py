"""How the lab's costs rank Meta-World's states: `.venv/bin/python scripts/metaworld_costs.py [TASK …]` prints a table.

Of each task the library's policy plays three episodes as it is and three under noise, to five steps after success.
"""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import spearmanr

from wm_lab.data.behaviours import ornstein_uhlenbeck
from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask

EPISODES, STEPS, PLAY_ON = 3, 300, 5
NOISE, CORRELATION = 0.3, 0.8
FIRST_SEED = 1000


class Rewarded(MetaworldTask):
    """The task that remembers what the library would have paid."""

    def _see(self, seen, info, reward=0.0):
        self.paid = reward
        super()._see(seen, info, reward)


def episode(task: Rewarded, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Costs [T], the library's rewards [T] and success [T] after each action."""
    task.reset(seed=seed)
    expert = task.expert()
    noise = strength * ornstein_uhlenbeck(np.random.default_rng(seed), STEPS, 4, CORRELATION)
    states, paid, solved = [], [], []
    for t in range(STEPS):
        _, _, _, _, info = task.step(np.clip(expert.act() + noise[t], -1, 1).astype(np.float32))
        states.append(task.state())
        paid.append(task.paid)
        solved.append(info["success"])
        if sum(solved) and t >= solved.index(True) + PLAY_ON:
            break
    return task.cost(torch.from_numpy(np.stack(states))).numpy(), np.array(paid), np.array(solved)


def rho(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, NaN where one of them never changes."""
    return float(spearmanr(a, b).statistic) if np.ptp(a) > 1e-6 and np.ptp(b) > 1e-6 else np.nan


def row(name: str) -> tuple[float, ...]:
    """ρ with the library's reward in the policy's episodes and in noisy ones, ρ with time on the way to success, the
    cost at success as a share of the first one, and episodes solved."""
    task = Rewarded(MetaworldConfig(name=name))
    played = [episode(task, FIRST_SEED + k, NOISE * (k >= EPISODES)) for k in range(2 * EPISODES)]
    ranked = [rho(-cost, paid) for cost, paid, _ in played]
    won = [cost[: solved.argmax() + 1] for cost, _, solved in played[:EPISODES] if solved.any()]
    falls = [rho(-cost, np.arange(len(cost))) for cost in won]
    left = [cost[-1] / cost[0] for cost in won]
    solved = sum(solved.any() for _, _, solved in played)
    return _mean(ranked[:EPISODES]), _mean(ranked[EPISODES:]), _mean(falls), _mean(left), solved


def lines(names: list[str]) -> Iterator[str]:
    yield "| task | ρ, policy | ρ, noisy | falls | left | solved |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in names:
        *numbers, solved = row(name)
        yield f"| `{name}` | {' | '.join(f'{number:.2f}' for number in numbers)} | {solved} of {2 * EPISODES} |"


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


if __name__ == "__main__":
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE as KNOWN

    for line in lines(sys.argv[1:] or [name.removesuffix("-goal-observable") for name in KNOWN]):
        print(line, flush=True)
