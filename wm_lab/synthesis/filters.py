"""Which segments to believe: each filter is a number per segment with a bar set by real, held-out windows.

A bar is the `quantile` of what the same number is on validation windows of the same length, so that a perfect segment
passes about that often. `achieved` has no bar: the generator itself says whether it came out as wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.recorded import all_windows
from wm_lab.domains import PositiveShare
from wm_lab.errors import UserError, unknown
from wm_lab.synthesis.labels import InverseDynamics, StepScale
from wm_lab.synthesis.segments import Observations, Segments, Starts
from wm_lab.synthesis.world import World

FILTERS = ("disagreement", "support", "consistency", "achieved")
NEIGHBOURS = 5
REFERENCE = 20_000  # real frames that support is measured against
WINDOWS = 400  # held-out windows that set the bars
ROWS = 2048  # of distances computed at a time


@dataclass
class FilterConfig:
    use: list[str] = field(default_factory=lambda: ["support", "consistency", "achieved"])
    """Any of disagreement (needs model.ensemble), support, consistency, achieved."""
    quantile: PositiveShare = 0.95  # of real held-out windows that would pass each bar

    def __post_init__(self) -> None:
        for name in self.use:
            if name not in FILTERS:
                raise unknown("exercise.filter.use", name, FILTERS)


class Filters:
    """Bars for segments of `length` actions in `world`, from the validation split of real `data`."""

    def __init__(
        self,
        config: FilterConfig,
        data: Dataset,
        world: World,
        step_scale: StepScale,
        inverse: InverseDynamics,
        length: int,
    ) -> None:
        self.config, self._step_scale, self._inverse = config, step_scale, inverse
        train = np.concatenate([step_scale(data.episode(int(e)).observation) for e in data.episodes("train")])
        few = np.linspace(0, len(train) - 1, min(len(train), REFERENCE)).astype(int)
        self._reference = torch.from_numpy(train[few]).float()
        self.bars = {
            name: float(np.quantile(values, config.quantile))
            for name, values in self._held_out(data, world, length).items()
        }

    def __call__(self, segments: Segments) -> dict[str, np.ndarray]:
        """{filter: passes [M] bool} for each filter in use."""
        frames = self._step_scale(segments.observation)
        values = {
            "support": lambda: self._support(frames),
            "consistency": lambda: self._inconsistency(frames, segments.executed),
            "disagreement": lambda: _known(segments.uncertainty),
        }
        return {
            name: segments.achieved if name == "achieved" else values[name]() <= self.bars[name]
            for name in self.config.use
        }

    def _support(self, frames: np.ndarray) -> np.ndarray:
        """Largest mean distance [M] of the frames [M, L + 1, V] to their nearest real ones."""
        flat = torch.from_numpy(frames).float().flatten(0, 1)
        count = min(NEIGHBOURS, len(self._reference))
        near = [
            torch.cdist(part, self._reference).topk(count, largest=False).values.mean(-1)
            for part in torch.split(flat, ROWS)
        ]
        return torch.cat(near).view(frames.shape[:2]).amax(1).numpy()

    def _inconsistency(self, frames: np.ndarray, executed: np.ndarray) -> np.ndarray:
        """Largest error [M] of reading the executed actions [M, L, A] off the transitions that they led to."""
        read = self._inverse(frames[:, :-1], frames[:, 1:]).clip(-1, 1)
        worst: np.ndarray = np.abs(read - executed).mean(-1).max(-1)
        return worst

    def _held_out(self, data: Dataset, world: World, length: int) -> dict[str, np.ndarray]:
        """{filter: its number on each real window [W]}"""
        barred = [name for name in self.config.use if name != "achieved"]
        if not barred:
            return {}
        parts = list(all_windows(data, "validation", length + 1, length))
        state = {"state": np.concatenate([part.state.numpy() for part in parts])[:WINDOWS]}
        keys = parts[0].windows.observation.keys()
        observation: Observations = state | {
            key: np.concatenate([part.windows.observation[key].numpy() for part in parts])[:WINDOWS] for key in keys
        }
        actions = np.concatenate([part.windows.action[:, 1:].numpy() for part in parts])[:WINDOWS]
        frames = self._step_scale(observation)
        found = {}
        if "support" in barred:
            found["support"] = self._support(frames)
        if "consistency" in barred:
            found["consistency"] = self._inconsistency(frames, actions)
        if "disagreement" in barred:
            starts = Starts(
                np.concatenate([part.episode for part in parts])[:WINDOWS],
                np.concatenate([part.step for part in parts])[:WINDOWS],
            )
            world.depart(data, starts)
            world.advance(actions)
            found["disagreement"] = _known(world.uncertainty).mean(1)
        return found


def _known(uncertainty: np.ndarray | None) -> np.ndarray:
    if uncertainty is None:
        raise UserError(
            "exercise.filter.use asks for disagreement, and this model has no ensemble to disagree; train it with "
            "model.ensemble=5, or leave disagreement out"
        )
    return uncertainty
