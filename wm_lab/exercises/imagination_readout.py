"""How true states are read from a model's features: by its own decoder, or by a linear probe where it decodes none."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import WindowSampler
from wm_lab.world_model import Imagination, WorldModel

STATE = "state"

BATCH = 32  # windows

RIDGE = 1e-2
"""Penalty of the probe on z-scored features: bars collinear ones from blowing up where imagination drifts."""

CONSTANT = 1e-6
"""Deviation below which a feature never moves, and is left out."""

Readout = Callable[[Imagination], Tensor]
"""Imagination [B, N, H] -> states [B, N, H, D] in the task's own units."""


def make_readout(model: WorldModel, dataset: Dataset, length: int, windows: int) -> Readout:
    """The model's decoder where it decodes the state, else a probe learnt from `windows` windows of `length` steps.

    The windows are of the training split, and what is learnt from is filtered, never imagined: a probe must not mend
    what imagination got wrong.
    """
    if STATE in model.decoded_keys:
        return lambda imagination: model.decode(imagination)[STATE]
    keys = tuple(dict.fromkeys([*model.observation_keys, STATE]))
    sampler = WindowSampler(dataset, "train", min(BATCH, windows), length, seed=0, keys=keys)
    settling = torch.arange(length) < length // 2  # steps for the belief to form
    features, states = [], []
    model.eval()
    with torch.inference_mode():
        for _ in range(-(-windows // sampler.batch)):
            seen = sampler.sample()
            _, filtered = model.observe(seen.to(device_of(model)))
            kept = seen.valid & ~settling
            features.append(filtered.features[:, 0].cpu()[kept])
            states.append(seen.observation[STATE][kept])
    return LinearProbe(torch.cat(features), torch.cat(states))


class LinearProbe:
    """A ridge regression from features [M, F] to states [M, D]."""

    def __init__(self, features: Tensor, states: Tensor, ridge: float = RIDGE) -> None:
        x, y = features.double(), states.double()
        self._mean, spread = x.mean(0), x.std(0, unbiased=False)
        self._scale = torch.where(spread > CONSTANT, 1 / spread, 0.0)
        self._offset = y.mean(0)
        z = (x - self._mean) * self._scale
        gram = z.T @ z + ridge * len(z) * torch.eye(z.shape[1], dtype=z.dtype)
        self._weights = torch.linalg.solve(gram, z.T @ (y - self._offset))

    def __call__(self, imagination: Imagination) -> Tensor:
        z = (imagination.features.cpu().double() - self._mean) * self._scale
        return z @ self._weights + self._offset


def device_of(model: WorldModel) -> torch.device:
    """Where a model computes; one without weights, such as the simulator, on the CPU."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))
