"""An arm's recipe names its played episodes in the store: stores made before must still be found."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from tests.exercises.point_world import settings
from wm_lab.experiment.arms import (
    SIMULATOR,
    CloneArm,
    PlanningArm,
    ReactiveArm,
    scripted_arms,
)
from wm_lab.experiment.planning_policy import LEARNED_REWARD, TRUE_COST
from wm_lab.planners import CEM
from wm_lab.policies.proposals import BCProposals
from wm_lab.settings import TARGET

STORE = Path("store") / "model"
MODEL, CLONE, SECOND = (STORE / name / "best.pt" for name in ("point-1", "bc-2", "slow-3"))

LEARNED = {
    "policy": "mpc",
    "checkpoint": "point-1",
    "true_dynamics": False,
    "planner": {TARGET: "wm_lab.planners.cem.CEM", "horizon": 6, "candidates": 24, "iterations": 3, "elites": 6},
    "objective": {},
    "mpc": {"execute": 2},
    "proposals": None,
    "device": "cpu",
    "planner_revision": CEM.REVISION,
}
TRUE = {**LEARNED, "true_dynamics": True}

CLONED = {TARGET: "wm_lab.policies.behaviour_cloning.BehaviourCloning"}
ASKED = settings(STORE.parent, mpc={"execute": 2}, bc={**CLONED, "execute": 1})
IN_PAIRS = settings(STORE.parent, mpc={"execute": 2}, bc=CLONED)
RECIPES = [
    (PlanningArm("mpc", ASKED, MODEL), LEARNED),
    (
        PlanningArm("mpc_reward", ASKED.with_objective(LEARNED_REWARD), MODEL),
        {**LEARNED, "objective": {"reward": 1.0, "task_cost": 0.0, "goal_distance": 0.0}},
    ),
    (
        PlanningArm("greedy", ASKED.with_planner({"horizon": 1, "action_block": 1}), MODEL),
        {**LEARNED, "planner": {**LEARNED["planner"], "horizon": 1, "action_block": 1}},
    ),
    (
        PlanningArm("advised", ASKED, MODEL, proposals=CLONE),
        {**LEARNED, "proposals": "bc-2", "proposals_revision": BCProposals.REVISION},
    ),
    (PlanningArm("mpc_reranked", ASKED, MODEL, reranker=SECOND), {**LEARNED, "reranker": "slow-3"}),
    (PlanningArm("mpc_reranked", ASKED, MODEL, reranker=SIMULATOR), {**LEARNED, "reranker": "simulator"}),
    (
        PlanningArm("simulator", ASKED.with_objective(TRUE_COST), SIMULATOR),
        {**TRUE, "checkpoint": None, "objective": {"reward": 0.0, "task_cost": 1.0, "goal_distance": 0.0}},
    ),
    (
        PlanningArm("simulator_reward", ASKED.with_objective(LEARNED_REWARD), SIMULATOR, judge=MODEL),
        {**TRUE, "objective": {"reward": 1.0, "task_cost": 0.0, "goal_distance": 0.0}},
    ),
    (CloneArm("bc", ASKED, CLONE), {"policy": "bc", "checkpoint": "bc-2"}),
    (
        CloneArm("bc", IN_PAIRS, CLONE),
        {"policy": "bc", "checkpoint": "bc-2", "execute": 2, "temporal_average": 0.0},
    ),
    (ReactiveArm("policy", ASKED, MODEL), {"policy": "reactive", "checkpoint": "point-1", "device": "cpu"}),
    *zip(scripted_arms(), [{"policy": name} for name in ("expert", "random", "do-nothing")], strict=True),
]


@pytest.mark.parametrize(("arm", "recipe"), RECIPES, ids=lambda value: getattr(value, "name", ""))
def test_a_recipe_stays_byte_for_byte_what_stores_were_made_with(arm, recipe):
    assert json.dumps(arm.recipe(), sort_keys=True) == json.dumps(recipe, sort_keys=True)


@pytest.mark.parametrize("arm", [arm for arm, _ in RECIPES], ids=lambda arm: arm.name)
def test_an_arm_travels_to_workers_as_it_is(arm):
    assert pickle.loads(pickle.dumps(arm)) == arm
    assert pickle.loads(pickle.dumps(arm.build)).__self__ == arm


def test_a_learned_model_has_no_other_judge():
    with pytest.raises(ValueError, match="another judge is for the true dynamics"):
        PlanningArm("mpc", ASKED, MODEL, judge=SECOND)
