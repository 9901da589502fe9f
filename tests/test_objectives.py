"""Objectives against numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.objectives import (
    GoalDistance,
    GoalFeatures,
    Objective,
    ObjectiveConfig,
    TaskCost,
    build_objective,
    predicted_reward,
)
from wm_lab.settings import read_config
from wm_lab.world_model import Imagination

ACTIONS = torch.tensor([[[[0.5, -0.5], [1.0, 0.0], [0.0, 0.0]]]])  # [1, 1, 3, 2]


def imagine(reward=(1.0, 2.0, 6.0), proceed=(1.0, 1.0, 1.0), uncertainty=None) -> Imagination:
    return Imagination(
        features=torch.tensor([[[[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]]]),
        reward=torch.tensor([[reward]]),
        continue_probability=torch.tensor([[proceed]]),
        uncertainty=None if uncertainty is None else torch.tensor([[uncertainty]]),
    )


def model(*keys: str):
    return SimpleNamespace(
        decoded_keys=keys, decode=lambda imagination: {"state": imagination.features}, appearance=lambda shown: shown
    )


def score(config: ObjectiveConfig, imagination: Imagination, **more) -> float:
    return build_objective(config, model("state"), **more)(imagination, ACTIONS).item()


def test_the_score_is_the_mean_over_steps_plus_the_weighted_last_step():
    assert score(ObjectiveConfig(final_weight=0.0), imagine()) == pytest.approx(3)
    assert score(ObjectiveConfig(), imagine()) == pytest.approx(3 + 2 * 6)


def test_steps_after_a_likely_end_count_less_but_the_ending_step_counts_in_full():
    proceed = (0.5, 0.1, 1.0)  # alive before each step: 1, 0.5, 0.05
    expected = (1 + 0.5 * 2 + 0.05 * 6) / 3 + 2 * 0.05 * 6
    assert score(ObjectiveConfig(), imagine(proceed=proceed)) == pytest.approx(expected)


def test_the_terminal_value_counts_only_if_the_last_step_does_not_end_the_episode():
    def terminal(features):
        return features.sum(-1)  # 14 at the last step

    config = ObjectiveConfig(final_weight=0.0)
    assert score(config, imagine(proceed=(1.0, 1.0, 0.25)), terminal_value=terminal) == pytest.approx(3 + 0.25 * 14)


def test_action_cost_is_the_sum_of_squares_weighted():
    config = ObjectiveConfig(reward=0.0, action_cost=0.5, final_weight=0.0)
    assert score(config, imagine()) == pytest.approx(-0.5 * (0.5 + 1.0 + 0.0) / 3)


def test_task_cost_is_charged_on_the_decoded_state():
    config = ObjectiveConfig(reward=0.0, task_cost=2.0, final_weight=1.0)
    expected = -2 * ((0 + 5 + 10) / 3 + 10)
    assert score(config, imagine(), cost=lambda state: state.norm(dim=-1)) == pytest.approx(expected)


def test_goal_distance_is_the_root_mean_square_gap_for_each_row_its_own_goal():
    features = torch.zeros(2, 1, 1, 2)
    term = GoalDistance(GoalFeatures(torch.tensor([[3.0, 4.0], [0.0, 0.0]])), lambda shown: shown)
    values = term(Imagination(features, features[..., 0], features[..., 0]), ACTIONS)
    assert values.flatten().tolist() == pytest.approx([-((25 / 2) ** 0.5), 0])


def test_of_the_last_step_alone_nothing_on_the_way_counts_and_of_features_only_what_they_show():
    config = ObjectiveConfig(reward=0.0, goal_distance=1.0, goal_steps="last", final_weight=0.0)
    looks_at_the_first = SimpleNamespace(decoded_keys=(), appearance=lambda shown: shown[..., :1])
    objective = build_objective(config, looks_at_the_first)
    objective.goal.features = torch.tensor([[2.0, 1e6]])
    assert objective.steps(imagine(), ACTIONS).flatten().tolist() == [0.0, 0.0, -4.0]


def test_steps_of_a_goal_that_there_are_not_are_refused_by_name():
    with pytest.raises(UserError, match=r"objective.goal_steps 'lats'; did you mean last"):
        ObjectiveConfig(goal_distance=1.0, goal_steps="lats")


def test_disagreement_is_a_penalty_on_top_of_the_reward():
    config = ObjectiveConfig(disagreement=3.0, final_weight=0.0)
    assert score(config, imagine(uncertainty=(0.0, 0.1, 0.2))) == pytest.approx(3 - 3 * 0.1)


def test_disagreement_without_an_ensemble_names_the_option_that_brings_one():
    with pytest.raises(UserError, match=r"model\.ensemble"):
        score(ObjectiveConfig(disagreement=1.0), imagine())


def test_only_terms_with_a_weight_are_made():
    objective = build_objective(ObjectiveConfig(reward=0.0, task_cost=1.0), model("state"), cost=torch.sum)
    assert [type(term) for _, term in objective.terms] == [TaskCost]
    assert objective.goal is None
    assert build_objective(ObjectiveConfig(goal_distance=1.0), model("pixels")).goal is not None


def test_weighted_terms_add_up_step_by_step():
    objective = Objective([(1.0, predicted_reward), (10.0, lambda imagination, actions: actions.sum(-1))])
    assert objective.steps(imagine(), ACTIONS).flatten().tolist() == pytest.approx([1.0, 12.0, 6.0])


def test_an_objective_of_nothing_is_refused():
    with pytest.raises(UserError, match="every weight of the objective is 0"):
        ObjectiveConfig(reward=0.0)


def test_a_negative_penalty_is_refused():
    with pytest.raises(UserError, match=r"objective\.action_cost=-1"):
        read_config(ObjectiveConfig, {"action_cost": -1.0}, "objective")


def test_task_cost_without_a_decoded_state_is_refused():
    with pytest.raises(UserError, match="decodes pixels"):
        build_objective(ObjectiveConfig(task_cost=1.0), model("pixels"), cost=torch.sum)


def test_task_cost_without_a_cost_is_refused():
    with pytest.raises(UserError, match="needs a task with a cost"):
        build_objective(ObjectiveConfig(task_cost=1.0), model("state"))


def test_a_goal_that_nobody_set_is_refused():
    with pytest.raises(UserError, match="has no goal"):
        score(ObjectiveConfig(goal_distance=1.0), imagine())
