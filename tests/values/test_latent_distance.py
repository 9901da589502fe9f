"""Steps to go on what a frozen model shows: on a grid of two rooms they lead around the wall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.values.grid import GridTask, Walks, batch, pairs, spec, walks
from tests.values.test_ways import straight_rank
from wm_lab.objectives import Objective
from wm_lab.values.latent_distance import LatentWay, LatentWayConfig
from wm_lab.world_model import Imagination

FEATURES = 6


class Warped:
    """What a model would show: places, bent into more numbers, and one that shows nothing."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, FEATURES)).requires_grad_(False)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., :FEATURES]

    def shown(self, places: Tensor) -> Tensor:
        hidden = torch.rand(*places.shape[:-1], 1)
        return torch.cat([self.net((places - 3.5) / 2), hidden], -1)


def learned(data: Walks, model: Warped, steps: int = 400) -> LatentWay:
    torch.manual_seed(0)
    config = LatentWayConfig(features=FEATURES, units=64, ahead=5, stretch=3)
    found = LatentWay(config, spec(data))
    shown = model.appearance(model.shown(torch.from_numpy(data.states[..., :2])))
    found.points, found.lengths = shown.flatten(0, 1), torch.full((len(shown),), shown.shape[1])
    found.ways.prepare(found.lengths - 1, found.points.mean(0), found.points.std(0))
    optimiser = torch.optim.AdamW(found.ways.net.parameters(), 3e-3)
    rows = np.arange(16)
    for _ in range(steps):
        loss, _ = found.loss(batch(data, rows))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return found.eval()


class Seen:
    """`pairs` asks for ways between states and goals."""

    def __init__(self, model: Warped, value: LatentWay) -> None:
        self.model, self.value = model, value

    def way(self, states: Tensor, goals: Tensor) -> Any:
        return self.value.ways(*(self.model.appearance(self.model.shown(x[:, :2])) for x in (states, goals)))


def test_ways_in_a_latent_lead_around_the_wall_to_the_goal_that_an_episode_has():
    from scipy.stats import spearmanr

    data, model = walks(), Warped()
    value = learned(data, model)
    assert spearmanr(*pairs(Seen(model, value)))[0] > straight_rank() + 0.1
    objective = value.added_to(Objective([]), model, GridTask())  # type: ignore[arg-type]
    assert objective.goal is not None
    here, beyond = (model.shown(torch.tensor([[x, 6.5]]))[None] for x in (1.5, 5.5))
    nearer = model.shown(torch.tensor([[3.5, 0.5]]))[None]  # the door
    ones = torch.ones(1, 1, 1)
    objective.goal.features = beyond[0]
    score = {
        name: objective(Imagination(x[:, None], ones, ones), ones[..., None]).item()
        for name, x in {"here": here, "door": nearer, "there": beyond}.items()
    }
    assert score["here"] < score["door"] < score["there"] == pytest.approx(0, abs=1e-4)


def test_a_plan_pays_for_a_leap_through_the_wall():
    data, model = walks(), Warped()
    value = learned(data, model)
    around = torch.tensor([[2.5, 2.5], [2.5, 1.5], [2.5, 0.5], [3.5, 0.5], [4.5, 0.5], [4.5, 1.5], [4.5, 2.5]])
    through = torch.tensor([[2.5, 2.5]] * 3 + [[4.5, 2.5]] * 4)
    features = torch.stack([model.shown(way) for way in (around, through)])[None]  # [1, 2, 7, F]
    ones = torch.ones(1, 2, 7)

    def score(leaps: float) -> Tensor:
        value.config.leaps = leaps
        objective = value.added_to(Objective([]), model, GridTask())  # type: ignore[arg-type]
        assert objective.goal is not None
        objective.goal.features = features[:, 0, -1]
        return objective(Imagination(features, ones, ones), ones[..., None])[0]

    free, priced = score(0.0).detach(), score(10.0).detach()
    assert free[0] == pytest.approx(free[1].item(), abs=1e-4)  # both end at the goal
    assert priced[0] > priced[1] + 1.0
    assert priced[0] > free[0] - 0.3  # a way that can be gone is hardly taxed
