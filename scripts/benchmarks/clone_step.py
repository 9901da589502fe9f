"""A training step of a clone as the lab's trainer takes it, beside the products with its weights alone."""

from __future__ import annotations

import torch
from measure import Row, fastest, size
from rssm_step import batch, training_step
from torch import Tensor

from wm_lab.policies import BehaviourCloning, BehaviourCloningConfig
from wm_lab.world_model import DataSpec

B, T, OBSERVATION, ACTION = 64, 8, 28, 7
LARGEST_MS = 9.0
ROUNDS = 60


def run() -> list[Row]:
    torch.manual_seed(0)
    clone = BehaviourCloning(BehaviourCloningConfig(), DataSpec({"state": (OBSERVATION,)}, ACTION))
    data = batch(B, T, OBSERVATION, ACTION)
    weights = [weight for weight in clone.head.parameters() if weight.dim() == 2]
    inputs = [torch.randn(B * T, weight.shape[1]) for weight in weights]
    seconds, products = fastest(
        [training_step(clone, lambda: clone.loss(data)[0]), lambda: products_alone(weights, inputs)], size(ROUNDS, 1)
    )
    return [
        Row(f"clone training step, B{B} x T{T}", 1e3 * seconds, "ms", LARGEST_MS),
        Row("its products alone", 1e3 * products, "ms"),
    ]


@torch.no_grad()
def products_alone(weights: list[Tensor], inputs: list[Tensor]) -> None:
    """Forward, and the gradients of inputs and weights."""
    for weight, x in zip(weights, inputs, strict=True):
        y = x @ weight.T
        torch.mm(y, weight)
        torch.mm(y.T, x)
