"""One training step of an actor-critic in imagination, beside one of the model that it dreams in."""

from __future__ import annotations

import torch
from imagination import ACTION, OBSERVATION
from measure import Row, fastest, size
from rssm_step import batch, training_step

from wm_lab.behaviours.actor_critic import GRADIENTS, ActorCritic, ActorCriticConfig
from wm_lab.behaviours.behaviour import feature_size, with_features
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.world_model import DataSpec, WorldModel

ROUNDS = 4
LARGEST_RATIO = 2.5


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"state": (OBSERVATION,)}, ACTION, std={"reward": [1.0]})
    data = batch(size(64, 4), 16, OBSERVATION, ACTION)
    starts = batch(size(32, 2), 8, OBSERVATION, ACTION)
    models: dict[str, WorldModel] = {
        "RSSM": RSSM(RSSMConfig(), spec),
        "LatentMLP": LatentMLP(LatentMLPConfig(), spec),
    }
    rows = []
    for name, model in models.items():
        features = torch.randn(100, feature_size(model))
        actors = {
            gradient: ActorCritic(ActorCriticConfig(gradient=gradient), with_features(spec, features)).learn_in(dreamt)
            for gradient in GRADIENTS
            for dreamt in [type(model)(model.config, spec)]
        }
        model.train()
        works = [
            training_step(model, lambda m=model: m.loss(data)[0]),
            *(training_step(actor.train(), lambda a=actor: a.loss(starts)[0]) for actor in actors.values()),
        ]
        one, *others = fastest(works, ROUNDS)
        rows.append(Row(f"{name}, training step, 64 x 16", 1e3 * one, "ms"))
        for gradient, seconds in zip(actors, others, strict=True):
            title = f"actor-critic in {name}, {gradient}, 256 x 15 / that step"
            rows.append(Row(title, seconds / one, "x", LARGEST_RATIO))
    return rows
