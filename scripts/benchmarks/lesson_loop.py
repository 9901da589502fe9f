"""CEM as a first lesson writes it, one candidate and one step after the other, against ours on the same budget.

Both search 5 times over 256 sequences of 10 steps with the lesson's feed-forward latent model, and only the imagined
rewards count. The loop asks the model for nothing but the next latent and its reward.
"""

from __future__ import annotations

import torch
from measure import Row, fastest
from torch import Tensor

from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.latent_mlp.model import LatentState
from wm_lab.planners import CEM, CEMConfig
from wm_lab.world_model import DataSpec

CANDIDATES, HORIZON, ITERATIONS, ELITES, ACTION = 256, 10, 5, 32, 7
LEAST_RATIO = 60.0


def run() -> list[Row]:
    torch.manual_seed(0)
    model = LatentMLP(LatentMLPConfig(), DataSpec({"state": (35,)}, ACTION)).eval()
    belief = LatentState(torch.randn(1, model.latent.size), torch.zeros(1, ACTION))
    planner = CEM(CEMConfig(candidates=CANDIDATES, horizon=HORIZON, iterations=ITERATIONS, elites=ELITES), ACTION)
    generators = [torch.Generator().manual_seed(0)]

    def ours() -> None:
        with torch.inference_mode():
            planner.plan(lambda actions: model.imagine(belief, actions).reward.mean(-1), generators)

    def loop() -> None:
        with torch.inference_mode():
            plan_by_loops(model, belief)

    (batched,) = fastest([ours], 10)
    (looped,) = fastest([loop], 1)
    return [
        Row("one decision by the lesson's loop over candidates", 1e3 * looped, "ms"),
        Row("one decision by CEM on the same model and budget", 1e3 * batched, "ms"),
        Row("lesson's loop / CEM", looped / batched, "x", LEAST_RATIO, least=True),
    ]


def plan_by_loops(model: LatentMLP, start: LatentState) -> Tensor:
    """The first action [A] of the best sequence's distribution."""
    mean, std = torch.zeros(HORIZON, ACTION), torch.ones(HORIZON, ACTION)
    for _ in range(ITERATIONS):
        sequences, returns = [], []
        for _ in range(CANDIDATES):
            actions = (mean + std * torch.randn(HORIZON, ACTION)).clamp(-1, 1)
            state, total = start, 0.0
            for t in range(HORIZON):
                future = model.imagine(state, actions[None, None, t : t + 1])
                state = LatentState(future.features[:, 0, 0, : model.latent.size], actions[None, t])
                total += float(future.reward)
            sequences.append(actions)
            returns.append(total)
        best = sorted(range(CANDIDATES), key=lambda i: returns[i], reverse=True)[:ELITES]
        elites = torch.stack([sequences[i] for i in best])
        mean, std = elites.mean(0), elites.std(0)
    return mean[0]
