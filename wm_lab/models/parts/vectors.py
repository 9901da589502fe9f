"""The vectors of an observation as a latent holds them: normalised, predicted linearly, compared in ordinary steps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.geometry import PairwiseGeometry
from wm_lab.models.parts.images import is_image
from wm_lab.models.parts.products import linear
from wm_lab.world_model import DataSpec


class Vectors(nn.Module):
    """Normalised vectors side by side, [..., V], alone or as the first numbers of a latent z [..., V + extra].

    `step_std` is the unit of errors and corrections: a vector dimension's typical change in one step, 1 beyond. A block
    that seldom moves, but matters when it does, is otherwise lost among fast joints.

    Nothing here is learnt or saved with weights: all follows from the specification of the data, which is saved.
    """

    mean: Tensor  # [V]
    std: Tensor  # [V]
    step_std: Tensor  # [V + extra]

    def __init__(self, spec: DataSpec, min_step_std: float = 0.01, extra: int = 0):
        super().__init__()
        self.sizes = {key: shape[0] for key, shape in spec.observation.items() if not is_image(shape)}
        self.width = sum(self.sizes.values())
        self.size = self.width + extra
        std, step = (_side_by_side(values, self.sizes, 1.0) for values in (spec.std, spec.std_change))
        self.register_buffer("mean", _side_by_side(spec.mean, self.sizes, 0.0), persistent=False)
        self.register_buffer("std", std, persistent=False)
        step_std = F.pad((step / std).clamp(min_step_std, 1.0), (0, extra), value=1.0)
        self.register_buffer("step_std", step_std, persistent=False)
        self.geometry, self.prior = PairwiseGeometry(spec), LinearDynamicsPrior(spec, self.size)
        self.read_size = self.size + self.geometry.size

    def normalise(self, observation: Mapping[str, Tensor]) -> Tensor:
        """{key: [..., *shape]} -> [..., V]"""
        parts = [observation[key] for key in self.sizes]
        if not parts:
            image = next(iter(observation.values()))
            return self.mean.new_zeros(*image.shape[:-3], 0)
        return (torch.cat(parts, -1) - self.mean) / self.std

    def denormalise(self, vectors: Tensor) -> dict[str, Tensor]:
        """[..., V] -> {key: [..., *shape]} in the task's own units"""
        parts = (vectors * self.std + self.mean).split(list(self.sizes.values()), -1)
        return dict(zip(self.sizes, parts, strict=True))

    def read(self, z: Tensor) -> Tensor:
        """What networks see of a latent: itself and how its points lie to one another, [..., read_size]."""
        return torch.cat([z, self.geometry(z)], -1) if self.geometry.size else z

    def corrected(self, prediction: Tensor, correction: Tensor) -> Tensor:
        """A prediction [..., W] corrected by so many ordinary steps."""
        return torch.addcmul(prediction, correction, self._unit(prediction))

    def change(self, before: Tensor, after: Tensor) -> Tensor:
        """What lies between two latents, or their first W numbers, in ordinary steps: [..., W]."""
        return (after - before) / self._unit(after)

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Huber error in ordinary steps, summed over dimensions: [..., W], [..., W] -> [...].

        Linear beyond one step, since contact makes rare large errors.
        """
        error = self.change(target, prediction)
        return F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none").sum(-1)

    def _unit(self, z: Tensor) -> Tensor:
        return self.step_std[: z.shape[-1]]


class LinearDynamicsPrior(nn.Module):
    """The best linear prediction of normalised vectors, from themselves and the action: where dynamics start out."""

    weight: Tensor
    bias: Tensor

    def __init__(self, spec: DataSpec, size: int):
        super().__init__()
        weight, bias = torch.zeros(size, size + spec.action_size), torch.zeros(size)
        offset = 0
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            if key in spec.linear:
                fit = torch.tensor(spec.linear[key], dtype=torch.float64)
                mean, std = (torch.tensor(values[key], dtype=torch.float64) for values in (spec.mean, spec.std))
                own = slice(offset, offset + shape[0])
                from_x, from_action, constant = fit[: shape[0]], fit[shape[0] : -1], fit[-1]
                weight[own, own] = (std[:, None] * from_x / std).T.float()
                weight[own, size:] = (from_action / std).T.float()
                bias[own] = ((mean @ from_x + constant) / std).float()
            offset += shape[0]
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, z: Tensor, action: Tensor) -> Tensor:
        """The next z, [..., Z], from z and the action [..., A] that follows."""
        return z + linear(torch.cat([z, action], -1), self.weight, self.bias)


def _side_by_side(values: Mapping[str, list[float]], sizes: Mapping[str, int], default: float) -> Tensor:
    """Statistics of all vectors, [V]."""
    numbers = [number for key, size in sizes.items() for number in values.get(key, [default] * size)]
    return torch.tensor(numbers, dtype=torch.float32)
