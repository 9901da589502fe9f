"""Five ways to generate labelled segments in a world, each a function of the same arguments.

A clone's own imagined rollouts teach it nothing; a segment is worth having only for its label or its choice:

| generator | plays | its labels |
|---|---|---|
| recovery | off the demonstration by noise, then back | the actions executed on the way back, which alone is kept |
| noisy | the demonstration under noise | corrective labels of every frame (inverse dynamics), never the noisy action |
| relocate | the same, relocated | the same |
| planner | what the planner chooses | the executed actions |
| hindsight | the demonstration under noise | the executed actions, for the goal that they reached |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.behaviours import ornstein_uhlenbeck
from wm_lab.domains import Positive, ShareBelowOne, Steps
from wm_lab.errors import UserError, unknown
from wm_lab.objectives import Objective, model_score
from wm_lab.planners.planner import Planner
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.labels import CorrectiveLabels
from wm_lab.synthesis.segments import Observations, Segments, Starts
from wm_lab.synthesis.world import World

AUTO = "auto"
EARLIER = {"relocate": "elsewhere"}
"""What generators were called before. The store's keys call them so still, so that what they made is found."""
PLANS = 16  # starts planned for at a time


@dataclass
class GeneratorConfig:
    kind: str = AUTO  # one of `GENERATORS`; auto: relocate where the task can be relocated, else noisy
    deviate: Steps = 4  # noisy steps before the way back ("recovery")
    steps: Steps = 8  # labelled actions of a segment; a "planner" gives at most 5, and its horizon
    strength: Positive = 0.5  # largest standard deviation of the noise; each segment draws its own below it
    correlation: ShareBelowOne = 0.8  # of the noise in neighbouring steps
    keep: ShareBelowOne = 0.6  # of a deviation, after one step of the way back

    def __post_init__(self) -> None:
        if self.kind in EARLIER.values():
            today = next(kind for kind, earlier in EARLIER.items() if earlier == self.kind)
            raise UserError(f"exercise.generator.kind={self.kind} is called {today} now")
        if self.kind not in (AUTO, *GENERATORS):
            raise unknown("exercise.generator.kind", self.kind, (AUTO, *GENERATORS))

    @property
    def length(self) -> int:
        """Labelled actions of a segment."""
        return min(self.steps, LONGEST_PLAN) if self.kind == "planner" else self.steps


@dataclass
class GeneratorInputs:
    """Inputs of a generator, beside the world."""

    starts: Starts
    corrective: CorrectiveLabels
    rng: np.random.Generator
    planner: Planner | None = None
    objective: Objective | None = None
    goals: dict[str, Tensor] | None = None  # {key: [M, ...]}, what a goal of the objective looks like
    hindsight: Hindsight | None = None


LONGEST_PLAN = 5
"""Longer plans exploit the model's errors more than they teach (MBPO starts at 1, Janner et al. 2019)."""

RETURNED = 0.5
CLOSE = 0.5
"""A recovery has succeeded where this share of its deviation is left, or it is this close, in typical one-step changes.

An imperfect model ends a little off; without the second, small deviations, which teach precision, are dropped first.
"""


def recovery(world: World, m: GeneratorInputs, config: GeneratorConfig) -> Segments:
    """Off the demonstration by noise, then back; only the way back is kept."""
    corrective, k = m.corrective, config.deviate
    before = _noisy_actions(m, config, k)
    seen = [_last(world.advance(before))]
    executed = []
    for step in range(config.steps):
        label = corrective.label(corrective.step_scale(seen[-1])[:, 0], k + step)
        executed.append(label)
        seen.append(_last(world.advance(label[:, None])))
    off, left = (
        corrective.distance(corrective.step_scale(seen[i])[:, 0], k + j) for i, j in ((0, 0), (-1, config.steps))
    )
    recovered = left <= np.maximum(RETURNED * off, CLOSE)
    labels = np.stack(executed, axis=1)
    return Segments(m.starts, before, labels, labels, _joined(seen), recovered, _uncertainty(world))


def noisy(world: World, m: GeneratorInputs, config: GeneratorConfig) -> Segments:
    """Frames near the demonstration, each with its own corrective label, so chunks of labels are like DART's."""
    executed = _noisy_actions(m, config, config.steps)
    observation = _joined([m.corrective.observation(0), world.advance(executed)])
    frames = m.corrective.step_scale(observation)
    labels = np.stack([m.corrective.label_alike(frames[:, k], k) for k in range(config.steps)], axis=1)
    return Segments(m.starts, _nothing(executed), executed, labels, observation, _all(executed), _uncertainty(world))


def relocate(world: World, m: GeneratorInputs, config: GeneratorConfig) -> Segments:
    """As `noisy`, around relocated demonstrations (cf. MimicGen, Mandlekar et al. 2023, arXiv 2310.17596).

    `m.starts` relocate the world and the demonstration alike, so the labels are as exact as those of `noisy`.
    """
    return noisy(world, m, config)


def planner(world: World, m: GeneratorInputs, config: GeneratorConfig) -> Segments:
    """Short branches that the configured planner takes from the demonstrations' own frames."""
    assert m.planner is not None and m.objective is not None
    plans = []
    for begin in range(0, len(m.starts), PLANS):
        rows = torch.arange(begin, min(begin + PLANS, len(m.starts)))
        generators = [torch.Generator().manual_seed(int(m.rng.integers(2**62))) for _ in rows]
        score = model_score(world.model, m.objective, world.belief[rows])
        with torch.inference_mode():
            if m.objective.goal is not None:
                assert m.goals is not None
                shown = {key: goal[rows] for key, goal in m.goals.items()}
                m.objective.goal.features = world.model.encode_goal(shown)
            plans.append(m.planner.plan(score, generators).actions.cpu().numpy())
    executed = np.concatenate(plans)[:, : config.length]
    observation = _joined([m.corrective.observation(0), world.advance(executed)])
    better = world.reward[:, -1] >= world.reward[:, 0]
    return Segments(m.starts, _nothing(executed), executed, executed, observation, better, _uncertainty(world))


def hindsight(world: World, m: GeneratorInputs, config: GeneratorConfig) -> Segments:
    """Relabels each segment with the goal that it reached (HER); a start that already met it teaches nothing."""
    assert m.hindsight is not None
    executed = _noisy_actions(m, config, config.steps)
    observation = _joined([m.corrective.observation(0), world.advance(executed)])
    observation, nontrivial = m.hindsight.relabel(observation)
    return Segments(m.starts, _nothing(executed), executed, executed, observation, nontrivial, _uncertainty(world))


GENERATORS: dict[str, Callable[[World, GeneratorInputs, GeneratorConfig], Segments]] = {
    "recovery": recovery,
    "noisy": noisy,
    "relocate": relocate,
    "planner": planner,
    "hindsight": hindsight,
}


def _noisy_actions(m: GeneratorInputs, config: GeneratorConfig, steps: int) -> np.ndarray:
    """[M, steps, A] demonstrated actions under correlated noise, whose strength differs from segment to segment."""
    demonstrated = m.corrective.actions(steps)
    count, _, size = demonstrated.shape
    noise = np.stack([ornstein_uhlenbeck(m.rng, steps, size, config.correlation) for _ in range(count)])
    strength = config.strength * m.rng.random((count, 1, 1))
    noisy: np.ndarray = (demonstrated + strength * noise).clip(-1, 1).astype(np.float32)
    return noisy


def _last(observation: Observations) -> Observations:
    return {key: value[:, -1:] for key, value in observation.items()}


def _joined(parts: list[Observations]) -> Observations:
    """Along time, what all parts show."""
    keys = set.intersection(*(set(part) for part in parts))
    return {key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[-1] if key in keys}


def _nothing(executed: np.ndarray) -> np.ndarray:
    return executed[:, :0]


def _all(executed: np.ndarray) -> np.ndarray:
    return np.ones(len(executed), bool)


def _uncertainty(world: World) -> np.ndarray | None:
    return None if world.uncertainty is None else world.uncertainty.mean(1)
