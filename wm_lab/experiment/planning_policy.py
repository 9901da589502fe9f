"""A policy that plans, put together from the options of a run: who imagines, proposes, judges, and chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.experiment.run_settings import Settings
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.planners.planner import Planner
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.behaviour_policy import BehaviourProposals
from wm_lab.policies.model_rollout import ModelRollout
from wm_lab.policies.mpc import MPC, MPCConfig, Proposer
from wm_lab.policies.proposals import BCProposals, demonstrated_share
from wm_lab.settings import build, read_config
from wm_lab.tasks.task import Task
from wm_lab.values.value import Value
from wm_lab.world_model import WorldModel

LEARNED_REWARD = {"reward": 1.0, "task_cost": 0.0, "goal_distance": 0.0}
TRUE_COST = {"reward": 0.0, "task_cost": 1.0, "goal_distance": 0.0}
"""The two ways of judging an imagined future that attribution compares; other weights stay the user's."""


def planning(
    settings: Settings,
    task: Task,
    model: WorldModel,
    clone: BehaviourCloning | None = None,
    reranker: WorldModel | None = None,
    value: Value | None = None,
    behaviour: Behaviour | None = None,
) -> MPC:
    """Planning in `model` for `task` with the options of these settings; the clone, if any, proposes, the value judges
    what comes after the horizon, and the reranker chooses, by the objective alone. A behaviour proposes in the clone's
    place, and its own value of the last step, where it has one, counts as further rewards."""
    config = read_config(MPCConfig, settings.mpc, "mpc")
    search = build(Planner, settings.planner, "planner", task.task_spec.action_size)
    config = replace(config, execute=min(config.execute, search.config.horizon))  # greedy planning sees one step
    weights = read_config(ObjectiveConfig, settings.objective, "objective")
    proposals: Proposer | None = None
    terminal_value: Callable[[Tensor], Tensor] | None = None
    if behaviour is not None:
        proposals = BehaviourProposals(config.proposals, behaviour)
        terminal_value = value_of_the_rest(behaviour, search.config.horizon)
    elif clone is not None:
        advice = config.proposals
        if search.needs_proposals:  # and reads the first alone
            advice = replace(advice, count=min(advice.count, 1))
        proposals = BCProposals(advice, clone)
        search.narrow(demonstrated_share(clone.spec))
    second = None if reranker is None else ModelRollout(reranker, build_objective(weights, reranker, task.cost))
    objective = build_objective(weights, model, task.cost, terminal_value)
    if value is not None:
        objective = value.added_to(objective, model, task)
    return MPC(config, model, search, objective, proposals, second)


def value_of_the_rest(behaviour: Behaviour, horizon: int) -> Callable[[Tensor], Tensor] | None:
    """The worth of a plan's last step as objectives count it, which average rewards over the horizon."""
    if not behaviour.knows_value:
        return None
    return lambda features: behaviour.value(features) / horizon


def truth(task: Task) -> dict[str, float]:
    """How the true dynamics are judged: by the task's cost of states or, where only playing tells, by what it paid."""
    return TRUE_COST if task.judges_states else LEARNED_REWARD
