"""One decision with everything untrained: what cannot work together is refused here, before hours are spent.

A planner that has no room for proposals, a cost of states that the model does not decode, a disagreement without an
ensemble: such things show only when a plan is made. Making one from noise costs less than foreseeing them one by one.
"""

from __future__ import annotations

import torch

from wm_lab.data.rollout import PlayConfig, Player
from wm_lab.experiment.arms import is_simulator, planning
from wm_lab.experiment.run_settings import Settings
from wm_lab.models.parts.images import is_image
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.settings import build
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task
from wm_lab.tasks.true_dynamics import JudgedSimulator
from wm_lab.world_model import DataSpec, Windows, WorldModel


def dry_run(
    settings: Settings,
    task: Task,
    *,
    advised: bool = False,
    true_dynamics: bool = False,
    reranker: Settings | None = None,
) -> None:
    """Raise UserError where an arm of these settings could not make its first decision.

    advised: with proposals of a cloned policy
    true_dynamics: of the simulator, judged by the model
    reranker: settings whose model is the second one, which chooses among the elites
    """
    if "iterations" in settings.planner:
        settings = settings.with_planner({"iterations": 1})  # the others would only repeat it
    with torch.random.fork_rng():
        model: WorldModel = build_model(settings, task).to(settings.device)
        if true_dynamics:
            model = JudgedSimulator(Simulator(SimulatorConfig(), task), model)
        clone = build(BehaviourCloning, settings.bc, "bc", blank_spec(task)).to(settings.device) if advised else None
        second = None if reranker is None else build_model(reranker, task).to(settings.device)
        policy = planning(settings, task, model, clone, second)
        Player(lambda: task, policy, PlayConfig(steps=1, group=1))([0])


def dry_run_training(model: WorldModel, steps: int) -> None:
    """Raise UserError where a model cannot learn from windows of so many steps, as when its context is longer."""
    with torch.random.fork_rng(), torch.no_grad():
        model.loss(blank_windows(model.spec, steps))


def build_model(settings: Settings, task: Task) -> WorldModel:
    """The chosen world model before it has learnt anything; UserError where it cannot be built for the task."""
    return build(WorldModel, settings.model, "model", task if is_simulator(settings) else blank_spec(task))


def blank_windows(spec: DataSpec, steps: int) -> Windows:
    """The beginning of one episode in which nothing is seen and nothing happens, [1, steps]."""
    zeros = torch.zeros(1, steps)
    first = torch.arange(steps)[None] == 0
    observation = {
        key: torch.zeros(1, steps, *shape, dtype=torch.uint8 if is_image(shape) else torch.float32)
        for key, shape in spec.observation.items()
    }
    none = torch.zeros(1, steps, dtype=torch.bool)
    return Windows(observation, torch.zeros(1, steps, spec.action_size), zeros, first, none, ~none)


def blank_spec(task: Task) -> DataSpec:
    """What a dataset of this task will say of itself, with statistics that change nothing (mean 0, deviation 1)."""
    shapes = dict(task.task_spec.observation)
    sizes = {key: shape[0] for key, shape in shapes.items() if len(shape) == 1}
    sizes |= {"state": len(task.state()), "reward": 1}
    zeros = {key: [0.0] * size for key, size in sizes.items()}
    ones = {key: [1.0] * size for key, size in sizes.items()}
    changes = {key: values for key, values in ones.items() if key != "reward"}
    points = [v.start for v in task.task_spec.variables if v.unit == "m" and v.stop - v.start == 3]
    told = [task.task_spec.instruction]
    return DataSpec(
        shapes, task.task_spec.action_size, zeros, ones, changes, points={"state": points}, instructions=told
    )
