"""Ways to a goal on a grid of two rooms with a door between, against the shortest ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.values.grid import GridTask, Walks, batch, pairs, spec, walks
from wm_lab.errors import UserError
from wm_lab.objectives import Objective
from wm_lab.settings import read_config
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.values.distance import StepsToGo, StepsToGoConfig
from wm_lab.values.graph import VisitedGraph, VisitedGraphConfig
from wm_lab.values.quasimetric import GROUPS, WIDE, Quasimetric, interval_distance
from wm_lab.values.ways import LEARNT_BY
from wm_lab.world_model import Imagination

FACTS = {"goal": [0, 1], "tolerance": 2.0}


def graph(data: Walks, **options) -> VisitedGraph:
    found = VisitedGraph(VisitedGraphConfig(**{**FACTS, "cell": 0.5, **options}), spec(data))
    found.prepare(data, None)  # type: ignore[arg-type]
    return found


def learned(data: Walks, learnt_by: str, steps: int = 300) -> StepsToGo:
    torch.manual_seed(0)
    config = StepsToGoConfig(**{**FACTS, "cell": 0.25}, learnt_by=learnt_by, units=64, ahead=5)
    found = StepsToGo(config, spec(data))
    found.prepare(data, None)  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW(found.ways.net.parameters(), 3e-3)
    random = np.random.default_rng(0)
    for _ in range(steps):
        loss, _ = found.loss(batch(data, random.integers(len(data.states), size=16)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return found.eval()


def straight_rank() -> float:
    """How well the straight line ranks the ways around the wall."""
    straight = type("Straight", (), {"way": lambda self, x, g: (x[:, :2] - g).norm(dim=-1)})()
    return float(spearmanr(*pairs(straight))[0])


def test_a_graph_of_visited_cells_knows_the_shortest_ways():
    found, truth = pairs(graph(walks()))
    apart = truth > 2  # nearer ones are straight
    scale = (found[apart] * truth[apart]).sum() / (truth[apart] ** 2).sum()
    assert spearmanr(found, truth)[0] > 0.98
    assert np.abs(found[apart] / scale - truth[apart]).max() < 2.0  # corners are cut at either end


@pytest.mark.parametrize("learnt_by", LEARNT_BY)
def test_learned_ways_lead_around_the_wall(learnt_by):
    rank = spearmanr(*pairs(learned(walks(), learnt_by)))[0]
    assert rank > straight_rank() + 0.1


@pytest.mark.parametrize("learnt_by", LEARNT_BY)
def test_states_in_shuffled_order_teach_no_way(learnt_by):
    """Less than the straight line, which two of them resemble, since they know that a goal reached is no way off."""
    data = walks()
    shuffled = data.states.reshape(-1, 5)[np.random.default_rng(0).permutation(data.states.shape[0] * 60)]
    rank = spearmanr(*pairs(learned(Walks(shuffled.reshape(data.states.shape)), learnt_by)))[0]
    assert rank < straight_rank() - 0.1


def embeddings(*numbers: float) -> torch.Tensor:
    """The same numbers in every group, [GROUPS * WIDE]."""
    return torch.tensor([*numbers, *([0.0] * (WIDE - len(numbers)))]).repeat(GROUPS)


@pytest.mark.parametrize(
    ("u", "v", "way"),
    [
        ((0, 0, 0), (0, 0, 0), 0.0),
        ((1, 5, 0), (3, 6, 0), 3.0),  # [1, 3] and [5, 6]
        ((3, 6, 0), (1, 5, 0), 0.0),  # the other way is free
        ((1, 2, 0), (3, 4, 0), 3.0),  # [1, 3] and [2, 4] overlap
    ],
)
def test_an_interval_distance_is_the_length_of_what_intervals_cover(u, v, way):
    assert interval_distance(embeddings(*u), embeddings(*v)).item() == pytest.approx(way)


def test_ways_of_any_quasimetric_add_up():
    torch.manual_seed(0)
    points = torch.randn(3, 500, 4) * 3
    net = Quasimetric(4, 32)
    a, b, c = points
    assert net(a, a).abs().max() == 0
    assert (net(a, c) <= net(a, b) + net(b, c) + 1e-5).all()
    assert (net(a, b) - net(b, a)).abs().max() > 0.1


@pytest.mark.parametrize("learnt_by", ["quasimetric", "ranking"])
def test_all_ways_at_once_are_each_one_there_and_back(learnt_by):
    ways = learned(walks(4), learnt_by, steps=0).ways
    points = torch.randn(6, 5)
    there = torch.stack([ways(one.expand(6, 5), points[:, :2]) for one in points])
    torch.testing.assert_close(ways.apart(points), (there + there.T) / 2)


def test_where_nobody_was_each_step_costs_its_price():
    task, value = GridTask(), graph(walks(), leaving=2.0)
    objective = value.added_to(Objective([]), Simulator(SimulatorConfig(), task), task)
    free, wall = torch.tensor([1.5, 1.5, 5.5, 5.5, 0.0]), torch.tensor([3.5, 1.5, 5.5, 5.5, 0.0])
    ones = torch.ones(1, 1, 4)
    inside, through = (
        objective(Imagination(torch.stack([*([way] * 3), free])[None, None], ones, ones), ones) for way in (free, wall)
    )
    assert (inside - through).item() == pytest.approx(2.0 * 3 / 4)


def test_an_end_spares_no_way():
    task, value = GridTask(), graph(walks())
    objective = value.added_to(Objective([]), Simulator(SimulatorConfig(), task), task)
    far = torch.tensor([1.5, 1.5, 5.5, 5.5, 0.0]).expand(1, 1, 4, 5)
    lives, ends = (
        objective(Imagination(far, torch.zeros(1, 1, 4), torch.full((1, 1, 4), p)), far).item() for p in (1.0, 0.0)
    )
    assert lives == ends < 0


def test_cells_grow_until_there_are_no_more_than_wanted():
    few = graph(walks(), cells=12)
    assert 1 < int(few.visited.count) <= 12
    assert spearmanr(*pairs(few))[0] > 0.6


def test_a_task_without_a_goal_is_refused_by_what_it_lacks():
    from tests.data.toy import PointTask

    with pytest.raises(LookupError, match="does not say what its goal looks like"):
        VisitedGraph.facts(PointTask(), 0)
    assert VisitedGraph.facts(GridTask(), 0) == {"goal": [0, 1], "tolerance": 0.05}


def test_a_way_of_learning_that_is_none_is_refused():
    with pytest.raises(UserError, match="did you mean ranking"):
        read_config(StepsToGoConfig, {**FACTS, "learnt_by": "rankin"}, "value")
