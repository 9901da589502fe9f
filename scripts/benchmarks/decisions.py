"""What a decision costs: planning around the clone's plan beside searching the whole box, filtering included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from imagination import ACTION, OBSERVATION
from measure import Row, fastest, size

from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.parts import products
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.objectives import Objective, predicted_reward
from wm_lab.planners import CEM, CEMConfig, Local, LocalConfig, Planner
from wm_lab.policies import MPC, BCProposals, BehaviourCloning, BehaviourCloningConfig, MPCConfig, ProposalsConfig
from wm_lab.policy import Moment
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.world_model import DataSpec, WorldModel

ROUNDS = 40
ROBOTS = 16
LARGEST_SHARE = 1 / 6


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"state": (OBSERVATION,)}, ACTION)
    clone = BehaviourCloning(BehaviourCloningConfig(), spec)
    short = CEMConfig(candidates=128, iterations=4, elites=16, horizon=8)
    whole = CEMConfig(candidates=128, iterations=4, elites=16, horizon=12)
    models: dict[str, WorldModel] = {"RSSM": RSSM(RSSMConfig(), spec), "LatentMLP": LatentMLP(LatentMLPConfig(), spec)}
    rows = []
    for name, model in models.items():
        searched = Robot(model, CEM(whole, ACTION), clone=None)
        pushing = Robot(model, CEM(short, ACTION), clone=None)
        advised = Robot(model, CEM(whole, ACTION), clone, proposals=16)
        local = Robot(model, Local(LocalConfig(), ACTION), clone)
        seconds = fastest([searched, advised, local, pushing], size(ROUNDS, 1))
        titles = ("whole box, 128 x 12 x 4", "the same with 16 proposals", "local, 128 x 4 x 1", "128 x 8 x 4")
        rows += [Row(f"{name}, a decision: {of}", 1e3 * s, "ms") for of, s in zip(titles, seconds, strict=True)]
        rows.append(Row(f"{name}, local / whole box", seconds[2] / seconds[0], "x", LARGEST_SHARE))
        many = Robot(model, CEM(whole, ACTION), clone=None, robots=ROBOTS)
        chosen, plain = fastest([many, lambda many=many: by_pytorch(many)], size(ROUNDS // 4, 1))
        rows.append(Row(f"{name}, {ROBOTS} robots / the same by PyTorch's products", chosen / plain, "x"))
    return rows


def by_pytorch(work: Callable[[], object]) -> None:
    """Without oneDNN's products, where those are asked for at all."""
    asked, products.SLOW = products.SLOW, False
    work()
    products.SLOW = asked


class Robot:
    """One or several; plans anew at every step; its model has learnt nothing, which costs as much."""

    def __init__(
        self,
        model: WorldModel,
        planner: Planner,
        clone: BehaviourCloning | None,
        proposals: int = 1,
        robots: int = 1,
    ) -> None:
        advice = None if clone is None else BCProposals(ProposalsConfig(count=proposals), clone)
        self.policy = MPC(MPCConfig(), model, planner, Objective([(1.0, predicted_reward)], 2.0), advice)
        self.robots, self.first = robots, True
        self.policy.start(robots)
        for row in range(robots):
            self.policy.reset(row, HandTask(HandConfig()), seed=row)

    def __call__(self) -> None:
        zeros = np.zeros((self.robots, OBSERVATION), np.float32)
        action = np.zeros((self.robots, ACTION), np.float32)
        first = np.full(self.robots, self.first)
        self.policy.act(Moment(np.arange(self.robots), {"state": zeros}, action, first))
        self.first = False
