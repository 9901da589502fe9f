"""How true states are read from a model's features: by its own decoder, or by a linear probe where it decodes none.

Shapes: M steps, F features, D state dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.statistics import moving
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.system.device import device_of
from wm_lab.world_model import Imagination, WorldModel

STATE = "state"

BATCH = 32  # windows

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the probe, per step and on z-scored features; the one that reads other episodes best is taken."""

HELD_BACK = 4
"""One episode in so many chooses the penalty."""

CONSTANT = 1e-6
"""Deviation below which a feature never moves, and is left out; features have no unit."""

MOST = 512
"""More features, as where an image is its own latent, are read through this many principal components of theirs."""

Readout = Callable[[Imagination], Tensor]
"""Imagination [B, N, H] -> states [B, N, H, D] in the task's own units."""


def decoded_state(model: WorldModel) -> Readout:
    return lambda imagination: model.decode(imagination)[STATE]


@torch.inference_mode()
def fit_probe(model: WorldModel, known: Stretches) -> LinearProbe:
    """A probe of this model's features along known stretches: filtered ones, for of imagined ones it could mend errors.

    Only the steps after the context count: until then the belief still forms.
    """
    model.eval()
    features = []
    for begin in range(0, len(known), BATCH):
        _, filtered = model.observe(known[begin : begin + BATCH].windows.to(device_of(model)))
        features.append(filtered.features[:, 0, known.context :].cpu())
    states = torch.from_numpy(known.future)
    episode = np.repeat(known.episode, states.shape[1])
    return LinearProbe.fit(torch.cat(features).flatten(0, 1), states.flatten(0, 1), torch.from_numpy(episode))


class LinearProbe:
    """A ridge regression from features [M, F] to states [M, D], which reads no state beyond those it has seen.

    Imagination may drift to features that no observation ever gave, where a linear map knows no bounds.
    """

    def __init__(self, features: Tensor, states: Tensor, penalty: float, components: Tensor | None = None) -> None:
        """`components` [F, C], if any, are what the features are read through."""
        self._components = components
        x, y = self._seen(features), states.double()
        self._mean, spread = x.mean(0), x.std(0, unbiased=False)
        self._scale = torch.where(spread > CONSTANT, 1 / spread, 0.0)
        self._offset, self._low, self._high = y.mean(0), y.amin(0), y.amax(0)
        z = (x - self._mean) * self._scale
        gram = z.T @ z + penalty * len(z) * torch.eye(z.shape[1], dtype=z.dtype)
        self._weights = torch.linalg.solve(gram, z.T @ (y - self._offset))

    @classmethod
    def fit(cls, features: Tensor, states: Tensor, episode: Tensor) -> Self:
        """With the penalty that reads those episodes best which it did not learn from; `episode` [M] says whose."""
        names = episode.unique()
        apart = torch.isin(episode, names[::HELD_BACK])
        spread = states.double().std(0, unbiased=False)
        moves = torch.from_numpy(moving(states.double().mean(0).numpy(), spread.numpy()))
        weight = torch.where(moves, 1 / spread, 0.0)
        components = principal(features, MOST) if features.shape[1] > MOST else None

        def error(penalty: float) -> float:
            probe = cls(features[~apart], states[~apart], penalty, components)
            return float(((probe.read(features[apart]) - states[apart]) * weight).square().mean())

        return cls(features, states, min(PENALTIES, key=error), components)

    def __call__(self, imagination: Imagination) -> Tensor:
        return self.read(imagination.features.cpu())

    def read(self, features: Tensor) -> Tensor:
        """[..., F] -> [..., D]"""
        said = (self._seen(features) - self._mean) * self._scale @ self._weights + self._offset
        clipped: Tensor = said.clamp(self._low, self._high)
        return clipped

    def _seen(self, features: Tensor) -> Tensor:
        return (features if self._components is None else features @ self._components).double()


def principal(features: Tensor, count: int) -> Tensor:
    """The leading directions [F, count] of features [M, F], by the randomised method (Halko et al. 2011)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.pca_lowrank(features, min(count, len(features)))[2]
