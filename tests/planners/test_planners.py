"""What every planner promises, checked against known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from wm_lab.errors import UserError
from wm_lab.planners import CEM, ICEM, MPPI, Gradient, Planner, PlannerConfig, RandomShooting
from wm_lab.settings import read_config

SAMPLING = [CEM, ICEM, MPPI, RandomShooting]
ALL = [*SAMPLING, Gradient]
REFINING = [CEM, MPPI]


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def build(kind: type[Planner], action_size: int, **settings: object) -> Planner:
    return kind(kind.Config(**settings), action_size)


def quadratic(target: Tensor):
    """-(a - target)^2 summed step by step, so that its value does not depend on how a batch is laid out."""

    def score(actions: Tensor) -> Tensor:
        loss = torch.zeros(actions.shape[:2])
        for step in range(actions.shape[2]):
            for dim in range(actions.shape[3]):
                loss = loss + (actions[:, :, step, dim] - target[step, dim]) ** 2
        return -loss

    return score


class Recorder:
    """A score that remembers every action it was asked about."""

    def __init__(self, score) -> None:
        self.score, self.calls = score, []

    def __call__(self, actions: Tensor) -> Tensor:
        self.calls.append(actions.clone())
        return self.score(actions)


@pytest.mark.parametrize("kind", REFINING)
def test_finds_the_minimum_of_a_quadratic_inside_the_bounds(kind):
    target = torch.linspace(-0.8, 0.8, 8).view(4, 2)
    planner = build(kind, 2, horizon=4, candidates=256, iterations=15, std_min=0.002, elites=16)
    plan = planner.plan(quadratic(target), seeds(0, 1))
    assert (plan.actions - target).abs().max() < 0.02
    assert plan.score.min() > -0.002


@pytest.mark.parametrize("kind", REFINING)
def test_finds_the_minimum_of_a_quadratic_on_the_bounds(kind):
    target = torch.tensor([[3.0, -3.0], [0.2, 2.0]])
    planner = build(kind, 2, horizon=2, candidates=128, iterations=10, std_min=0.002, elites=16)
    plan = planner.plan(quadratic(target), seeds(0))
    assert (plan.actions[0] - target.clamp(-1, 1)).abs().max() < 0.02


def lqr(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray, x: np.ndarray, horizon: int):
    """Optimal controls [H, A] and cost-to-go of x' = ax + bu with cost sum x'qx' + uru, by the Riccati recursion."""
    p, gains = np.zeros_like(q), []
    for _ in range(horizon):
        s = p + q
        gain = np.linalg.solve(r + b.T @ s @ b, b.T @ s @ a)
        p = a.T @ s @ (a - b @ gain)
        gains.append(gain)
    cost, controls = x @ p @ x, []
    for gain in reversed(gains):
        controls.append(-gain @ x)
        x = a @ x + b @ controls[-1]
    return np.array(controls), cost


@pytest.mark.parametrize("kind", REFINING)
def test_reaches_the_lqr_solution_of_a_linear_system(kind):
    a, b = np.array([[1.0, 0.2], [0.0, 1.0]]), np.array([[0.02], [0.2]])
    q, r, x0, horizon = np.diag([1.0, 0.1]), np.array([[0.1]]), np.array([0.3, 0.0]), 8
    controls, optimum = lqr(a, b, q, r, x0, horizon)
    assert np.abs(controls).max() < 1  # else the bounds would change the answer

    ta, tb, tq = (torch.tensor(m, dtype=torch.float32) for m in (a, b, q))

    def score(actions: Tensor) -> Tensor:
        x = torch.tensor(x0, dtype=torch.float32).expand(*actions.shape[:2], 2)
        cost = torch.zeros(actions.shape[:2])
        for step in range(horizon):
            u = actions[:, :, step]
            x = x @ ta.T + u @ tb.T
            cost = cost + ((x @ tq) * x).sum(-1) + 0.1 * u.square().sum(-1)
        return -cost

    planner = build(kind, 1, horizon=horizon, candidates=256, iterations=20, std_min=0.002, elites=24)
    plan = planner.plan(score, seeds(0))
    assert -plan.score.item() == pytest.approx(optimum, rel=0.005)
    assert np.abs(plan.actions[0].numpy() - controls).max() < 0.08


@pytest.mark.parametrize("kind", ALL)
def test_every_proposed_and_returned_action_is_within_the_bounds(kind):
    score = Recorder(lambda actions: actions.sum((-1, -2)))  # pulls outwards
    planner = build(kind, 3, horizon=6, action_block=2, std_init=[5.0], candidates=64)
    proposals = torch.full((2, 4, 6, 3), 9.0)
    plan = planner.plan(score, seeds(0, 1), proposals=proposals)
    plan = planner.plan(score, seeds(2, 3), warm_start=plan.shift(1))
    seen = torch.cat([call.flatten() for call in score.calls] + [plan.actions.flatten(), plan.mean.flatten()])
    assert seen.min() == -1
    assert seen.max() == 1


@pytest.mark.parametrize("kind", SAMPLING)
def test_a_warm_start_outside_the_bounds_is_brought_inside_even_when_the_search_fails(kind):
    planner = build(kind, 1, horizon=2, candidates=32)
    outside = replace(planner.blank(1), mean=torch.full((1, 2, 1), 3.0))
    plan = planner.plan(lambda actions: torch.full(actions.shape[:2], torch.nan), seeds(0), outside)
    assert plan.failed.all()
    assert (plan.actions == 1).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("kind", ALL)
def test_a_score_that_is_no_number_never_wins(kind, bad):
    def score(actions: Tensor) -> Tensor:
        value = actions[:, :, 0, 0]
        return torch.where(value > 0, bad, value - 1e-10)  # the good half is negative

    plan = build(kind, 1, horizon=1, candidates=128).plan(score, seeds(0, 1, 2))
    assert not plan.failed.any()
    assert (plan.actions[:, 0, 0] <= 0).all()
    assert plan.score.isfinite().all()


@pytest.mark.parametrize("kind", ALL)
def test_without_any_finite_score_the_mean_stays_and_the_plan_says_so(kind):
    planner = build(kind, 2, horizon=3, candidates=32)
    warm = planner.plan(quadratic(torch.full((3, 2), 0.3)), seeds(0, 1))
    score = quadratic(torch.full((3, 2), -0.3))

    def second_row_only(actions: Tensor) -> Tensor:
        return torch.where(torch.tensor([[False], [True]]), score(actions), torch.nan)

    plan = planner.plan(second_row_only, seeds(2, 3), warm_start=warm)
    assert plan.failed.tolist() == [True, False]
    assert torch.equal(plan.actions[0], warm.mean[0])
    assert plan.score[0] == -torch.inf


@pytest.mark.parametrize("kind", REFINING)
def test_the_best_candidate_stands_in_for_a_mean_that_is_impossible(kind):
    def ring(actions: Tensor) -> Tensor:  # good sequences left and right, nothing in between
        distance = actions[:, :, 0, 0].abs()
        return torch.where(distance > 0.3, -distance, torch.nan)

    settings = {"iterations": 1, "keep_elites": 0, "candidates": 512, "elites": 128}
    plan = build(kind, 1, horizon=1, **settings).plan(ring, seeds(0))
    assert plan.actions.abs().item() > 0.3
    assert plan.score.isfinite().all()


def past_an_obstacle(actions: Tensor) -> Tensor:
    """A point starts at 0 and wants to be at (2, 0); a disc of radius 0.4 stands half-way: two ways round it."""
    place = (0.25 * actions).cumsum(dim=2)
    left = (place - torch.tensor([2.0, 0.0])).norm(dim=-1)
    hit = ((place - torch.tensor([1.0, 0.0])).norm(dim=-1) < 0.4).any(dim=-1)
    return -left[..., -1] - 0.1 * left.mean(dim=-1) - 5.0 * hit


@pytest.mark.parametrize("kind", REFINING)
@pytest.mark.parametrize(("candidates", "iterations", "elites"), [(64, 3, 8), (128, 4, 16), (256, 5, 32)])
def test_elites_from_two_ways_round_are_not_averaged_into_the_obstacle(kind, candidates, iterations, elites):
    settings = {"horizon": 12, "candidates": candidates, "iterations": iterations, "elites": elites}
    plan = build(kind, 2, **settings).plan(past_an_obstacle, seeds(*range(100)))
    assert (plan.score >= plan.elite_scores[:, -1]).all(), "no plan is worse than every elite that it was made of"
    assert (plan.score > -5.0).all(), "none runs into the obstacle"
    assert torch.equal(past_an_obstacle(plan.actions[:, None])[:, 0], plan.score)
    replaced = (plan.mean == plan.elites[:, 0]).flatten(1).all(dim=1)
    assert replaced.any(), "some means of elites lie between the two ways: the test tests something"


@pytest.mark.parametrize("kind", REFINING)
def test_kept_elites_are_worth_more_than_they_cost_beside_the_textbook(kind):
    """Over replans of one bowl, as in control: CEM and MPPI without memory are what textbooks describe."""
    target = torch.linspace(-0.8, 0.8, 24).view(12, 2)

    def after_five_plans(**settings: object) -> float:
        planner = build(kind, 2, horizon=12, candidates=128, iterations=4, elites=16, **settings)
        generators, plan = seeds(*range(50)), None
        for _ in range(5):
            plan = planner.plan(lambda actions: -(actions - target).square().sum((2, 3)), generators, plan)
        return plan.score.mean().item()

    textbook = after_five_plans(keep_elites=0)
    assert after_five_plans() > textbook


@pytest.mark.parametrize("kind", REFINING)
def test_std_never_falls_below_its_floor(kind):
    planner = build(kind, 2, horizon=3, iterations=20, std_min=0.04, candidates=64)
    plan = planner.plan(quadratic(torch.zeros(3, 2)), seeds(0, 1))
    assert plan.std.min() >= 0.04
    assert plan.std.max() < 0.3  # it did collapse as far as it may


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("shape", [(5, 3, 1), (4, 2, 3), (10, 7, 3)])
def test_eight_rows_equal_eight_batches_of_one_bit_for_bit(kind, shape):
    horizon, action_size, block = shape
    planner = build(kind, action_size, horizon=horizon, action_block=block, candidates=48, elites=12)
    score = quadratic(torch.linspace(-1, 1, horizon * action_size).view(horizon, action_size))
    proposals = torch.linspace(-1, 1, 8 * 2 * horizon * action_size).view(8, 2, horizon, action_size)
    together = planner.plan(score, seeds(*range(8)))
    together = planner.plan(score, seeds(*range(8, 16)), together.shift(block), proposals)
    for row in range(8):
        alone = planner.plan(score, seeds(row))
        alone = planner.plan(score, seeds(row + 8), alone.shift(block), proposals[row : row + 1])
        for name in ("actions", "score", "mean", "std", "elites", "elite_scores"):
            assert torch.equal(getattr(together, name)[row], getattr(alone, name)[0]), name


@pytest.mark.parametrize("kind", SAMPLING)
def test_reset_clears_the_warm_start_of_its_row_only(kind):
    planner = build(kind, 2, horizon=4, candidates=64, iterations=2, elites=8)
    good = quadratic(torch.full((4, 2), 0.9))
    known = planner.plan(good, seeds(0, 1, 2))
    cleared = known.reset([1])
    flat = Recorder(quadratic(torch.zeros(4, 2)))
    with_reset = planner.plan(flat, seeds(5, 6, 7), cleared)
    fresh = planner.plan(flat, seeds(5, 6, 7))
    kept = planner.plan(flat, seeds(5, 6, 7), known)
    assert torch.equal(with_reset.actions[1], fresh.actions[1])
    assert torch.equal(with_reset.elites[1], fresh.elites[1])
    for row in (0, 2):
        assert torch.equal(with_reset.actions[row], kept.actions[row])
        assert not torch.equal(with_reset.actions[row], fresh.actions[row])
    assert (flat.calls[0][1, 0] == 0).all()  # the reset row starts from zero, and forgot its elites
    assert not (flat.calls[0][1][:, None] == known.elites[1][None]).flatten(2).all(-1).any()
    assert torch.equal(flat.calls[0][0, 1], known.elites[0, 0])


@pytest.mark.parametrize("kind", ALL)
def test_the_mean_and_every_finite_proposal_are_among_the_first_candidates(kind):
    score = Recorder(quadratic(torch.zeros(6, 2)))
    planner = build(kind, 2, horizon=6, action_block=3, candidates=32, elites=8)
    proposals = torch.rand(2, 3, 6, 2, generator=torch.Generator().manual_seed(9))
    proposals[1, 2, 4] = torch.nan
    plan = planner.plan(score, seeds(0, 1), proposals=proposals)
    first = score.calls[0]
    averaged = proposals.view(2, 3, 2, 3, 2).mean(3).repeat_interleave(3, dim=2)
    start = 1 + planner.config.keep_elites
    assert (first[:, 0] == 0).all()
    assert torch.allclose(first[0, start : start + 3], averaged[0])
    assert torch.allclose(first[1, start : start + 2], averaged[1, :2])
    assert first.isfinite().all()
    assert not plan.failed.any()


@pytest.mark.parametrize("kind", SAMPLING)
def test_a_proposal_that_sampling_would_not_find_decides_the_plan(kind):
    secret = torch.tensor([0.731, -0.412, 0.055, 0.999]).view(4, 1)

    def needle(actions: Tensor) -> Tensor:
        return ((actions - secret).abs().amax((-1, -2)) < 1e-3).float()

    planner = build(kind, 1, horizon=4, candidates=64, elites=1, keep_elites=1)
    without = planner.plan(needle, seeds(0))
    found = planner.plan(needle, seeds(0), proposals=secret[None, None])
    assert without.score.item() == 0
    assert found.score.item() == 1
    assert torch.allclose(found.actions[0], secret)


@pytest.mark.parametrize("kind", ALL)
def test_the_last_call_of_the_score_rates_the_chosen_plan(kind):
    score = Recorder(quadratic(torch.full((5, 2), 0.4)))
    plan = build(kind, 2, horizon=5, action_block=2, candidates=32).plan(score, seeds(0, 1, 2))
    assert torch.equal(score.calls[-1][:, 0], plan.actions)
    assert torch.equal(score(plan.actions[:, None])[:, 0], plan.score)
    assert torch.all(plan.elite_scores[:, :-1] >= plan.elite_scores[:, 1:])


@pytest.mark.parametrize("kind", ALL)
def test_action_blocks_hold_every_knot_and_cut_the_last_one_short(kind):
    score = Recorder(quadratic(torch.zeros(7, 1)))
    build(kind, 1, horizon=7, action_block=3, candidates=32).plan(score, seeds(0))
    for actions in score.calls:
        assert actions.shape[2] == 7
        assert torch.equal(actions[:, :, :3], actions[:, :, :1].expand(-1, -1, 3, -1))
        assert torch.equal(actions[:, :, 3:6], actions[:, :, 3:4].expand(-1, -1, 3, -1))


@pytest.mark.parametrize("kind", ALL)
def test_all_planners_spend_the_same_budget(kind):
    score = Recorder(quadratic(torch.zeros(3, 1)))
    build(kind, 1, horizon=3, candidates=40, iterations=4).plan(score, seeds(0, 1))
    assert sum(call.shape[1] for call in score.calls) == 40 * 4 + 1


@pytest.mark.parametrize("kind", REFINING)
def test_refining_beats_random_shooting_at_equal_budget(kind):
    def scores(planner_kind):
        planner = build(planner_kind, 4, horizon=6, candidates=64, iterations=5, elites=8)
        generator = torch.Generator().manual_seed(1)
        found = []
        for trial in range(10):
            target = torch.rand(6, 4, generator=generator) * 2 - 1
            found.append(planner.plan(quadratic(target), seeds(*range(trial * 4, trial * 4 + 4))).score)
        return torch.cat(found)

    assert (scores(kind) > scores(RandomShooting)).float().mean() > 0.95


def test_std_init_is_one_number_for_all_or_one_each():
    score = Recorder(quadratic(torch.zeros(2, 3)))
    build(RandomShooting, 3, horizon=2, std_init=[0.1, 0.2, 0.4], candidates=2000, iterations=1).plan(score, seeds(0))
    assert score.calls[0][0].std((0, 1)).tolist() == pytest.approx([0.1, 0.2, 0.4], rel=0.1)
    with pytest.raises(UserError, match="std_init has 2 entries for 3"):
        build(CEM, 3, std_init=[0.1, 0.2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"elites": 64, "candidates": 32}, "planner.elites=64 exceeds planner.candidates=32"),
        ({"horizon": 0}, "planner.horizon=0"),
        ({"iterations": 0}, "planner.iterations=0"),
        ({"keep_elites": 33}, "planner.keep_elites=33"),
        ({"elites": 4, "candidates": 4, "keep_elites": 4}, "planner.keep_elites=4"),
        ({"std_init": [0.5, 0.0]}, "planner.std_init"),
        ({"std_min": -0.1}, "planner.std_min"),
        ({"momentum": 0.1}, "planner.momentum is no option any more, but always 0.0"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(settings, message):
    with pytest.raises(UserError, match=message):
        read_config(PlannerConfig, settings, "planner")


def test_more_proposals_than_candidates_are_refused():
    planner = build(CEM, 1, horizon=2, candidates=8, elites=4)
    with pytest.raises(UserError, match="8 proposals"):
        planner.plan(quadratic(torch.zeros(2, 1)), seeds(0), proposals=torch.zeros(1, 8, 2, 1))


def test_a_score_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="score returned shape"):
        build(CEM, 1, horizon=2).plan(lambda actions: actions.sum((-1, -2, -3)), seeds(0))
