"""A behaviour in training is tried in the task itself: what it earns there chooses the best, and shows exploitation.

The episodes are a validation set. Their starts are nobody's data and nobody's test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.behaviours.dreaming import dream
from wm_lab.data.episode import Episode
from wm_lab.data.rollout import PlayConfig, TaskFactory, play
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.json_files import read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.over_seeds import over_seeds
from wm_lab.evaluation.verdicts import with_seeds
from wm_lab.policies.behaviour_policy import BehaviourPolicy
from wm_lab.system.device import device_of
from wm_lab.world_model import Windows

VALIDATION = "validation.json"


class Tried(NamedTuple):
    """What a behaviour did after so many steps of training; one number an episode."""

    step: int
    returns: list[float]  # of whole episodes
    imagined: list[float]  # rewards that the model expects of the first steps, as far as a dream goes
    realised: list[float]  # and those that were paid

    @classmethod
    def read(cls, folder: Path) -> list[Self]:
        """All trials of a training, in order; none where there were none."""
        path = folder / VALIDATION
        if not path.exists():
            return []
        return [cls(**each) for each in read_json(path, "validation of a behaviour", ["trials"])["trials"]]


class ValidationTrial:
    """Judges a behaviour for the training loop, and writes down what it saw."""

    def __init__(self, make_task: TaskFactory, starts: Manifest, folder: Path) -> None:
        self._make_task, self._starts, self._folder = make_task, starts, folder

    def __call__(self, behaviour: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(behaviour, Behaviour)
        config = PlayConfig(steps=self._starts.step_budget)
        episodes = play(self._make_task, lambda: BehaviourPolicy(behaviour), self._starts.seeds, config)
        horizon = behaviour.config.horizon
        tried = Tried(
            step=step,
            returns=[episode.total_reward for episode in episodes],
            imagined=imagined_returns(behaviour, episodes).tolist(),
            realised=[float(episode.reward[1 : horizon + 1].sum()) for episode in episodes],
        )
        # A training that goes on from before tries some steps a second time.
        earlier = [each for each in Tried.read(self._folder) if each.step < step]
        write_json(self._folder / VALIDATION, {"trials": [each._asdict() for each in [*earlier, tried]]})
        means = {name: float(np.mean(values)) for name, values in tried._asdict().items() if name != "step"}
        return {"loss": -means["returns"], **means}


def paid(make_task: TaskFactory, behaviour: Behaviour, seeds: Sequence[int]) -> list[float]:
    """What it earns in whole episodes with these seeds."""
    return [episode.total_reward for episode in play(make_task, lambda: BehaviourPolicy(behaviour), seeds)]


@torch.inference_mode()
def imagined_returns(behaviour: Behaviour, episodes: Sequence[Episode]) -> np.ndarray:
    """Rewards [E] that the model expects over a dream's length from where these episodes began."""
    world = behaviour.dream_world
    zeros = torch.zeros(len(episodes), 1)
    windows = Windows(
        observation={
            key: torch.stack([torch.tensor(episode.observation[key][:1]) for episode in episodes])
            for key in world.observation_keys
        },
        action=zeros[..., None].expand(-1, -1, world.spec.action_size),
        reward=zeros,
        first=~zeros.bool(),
        terminal=zeros.bool(),
        valid=~zeros.bool(),
    ).to(device_of(world))
    state, seen = world.observe(windows)
    act, horizon = behaviour.act, behaviour.config.horizon
    dreamt = dream(world, state, seen.features[:, 0, -1], act, horizon)
    returns: np.ndarray = dreamt.earned().float().cpu().numpy()
    return returns


def validation_numbers(trials: Sequence[Sequence[Tried]]) -> dict[str, Any]:
    """JSON-ready: of each training its trials, and the step of the one that was kept."""
    return {
        "trials": [[each._asdict() for each in training] for training in trials],
        "kept": [_best(training).step for training in trials],
    }


def validation_verdict(trials: Sequence[Sequence[Tried]]) -> str:
    """Whether the behaviours that were kept exploit their model, and what training on would have cost."""
    kept = [_best(training) for training in trials]
    gap = imagined_minus_realised(kept)
    told = {True: "exploits its model", False: "earns more awake than in its dreams"}[gap.positive]
    if gap.negative or gap.positive:
        sentence = with_seeds(len(trials), f"the actor {told}: imagined − realised return is {gap}")
    else:
        sentence = f"cannot tell that the actor exploits its model: imagined − realised return is {gap}"
    steps = ", ".join(str(each.step) for each in kept)
    best, last = (np.mean([np.mean(each.returns) for each in some]) for some in (kept, [t[-1] for t in trials]))
    after = f"; kept after {steps} steps with a validation return of {best:.3g}"
    return f"{sentence}{after}" + (f", {last:.3g} at the end of training." if last < best else ".")


def imagined_minus_realised(tried: Sequence[Tried]) -> Interval:
    """Of what was imagined of the first steps, over trainings and the starts that all of them were tried on."""
    return over_seeds(np.array([np.subtract(each.imagined, each.realised) for each in tried]))


def _best(training: Sequence[Tried]) -> Tried:
    """The one that the training loop kept: the first of equals."""
    return max(training, key=lambda each: np.mean(each.returns))
