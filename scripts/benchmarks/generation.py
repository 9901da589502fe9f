"""What a generation of evolved controllers costs, most of it dreams."""

from __future__ import annotations

import torch
from measure import Row, fastest, size

from wm_lab.behaviours.behaviour import feature_size, with_features
from wm_lab.behaviours.cma_es import CMAESConfig, Controller
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.mdn_rnn import MDNRNN, MDNRNNConfig
from wm_lab.world_model import DataSpec, WorldModel, blank_windows

ROLLOUTS, HORIZON, OBSERVATION, ACTION = 16, 40, 35, 7
ROUNDS = 3
MOST_SECONDS = 1.5


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"state": (OBSERVATION,)}, ACTION)
    latent_mlp, mdn_rnn = LatentMLP(LatentMLPConfig(), spec), MDNRNN(MDNRNNConfig(), spec)
    return [
        measured("latent_mlp", latent_mlp, 0.0, MOST_SECONDS),
        measured("mdn_rnn", mdn_rnn, 0.0),
        measured("mdn_rnn at τ = 1", mdn_rnn, 1.0),
    ]


def measured(name: str, world: WorldModel, temperature: float, target: float | None = None) -> Row:
    population = size(64, 4)
    config = CMAESConfig(horizon=HORIZON, population=population, rollouts=ROLLOUTS, temperature=temperature)
    told = with_features(world.spec, torch.randn(9, feature_size(world)))
    controller, windows = Controller(config, told).learn_in(world).train(), blank_windows(told, 2)
    (seconds,) = fastest([lambda: controller.loss(windows)], ROUNDS)
    return Row(f"{name}, generation {population} x {ROLLOUTS} x {HORIZON}", seconds, "s", target)
