"""The presets of planner, objective and policy fit the classes they configure."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import wm_lab
from wm_lab.objectives import ObjectiveConfig
from wm_lab.planners import CEM, MPPI, CEMConfig, Local, LocalConfig, MPPIConfig, RandomShooting, RandomShootingConfig
from wm_lab.policies import BehaviourCloningConfig, MPCConfig

CONF = Path(wm_lab.__file__).parent.parent / "conf"
PRESETS = {
    "planner/cem": CEMConfig,
    "planner/mppi": MPPIConfig,
    "planner/random_shooting": RandomShootingConfig,
    "planner/local": LocalConfig,
    "objective/reward": ObjectiveConfig,
    "objective/task_cost": ObjectiveConfig,
    "policy/mpc": MPCConfig,
    "policy/bc": BehaviourCloningConfig,
}


def load(name: str, schema: type, task: dict) -> object:
    """The dataclass that a preset makes beside a task, as Hydra would build it."""
    preset = OmegaConf.load(CONF / f"{name}.yaml")
    del preset["defaults"]
    group = name.split("/")[0]
    whole = OmegaConf.create({"task": task, group: OmegaConf.merge(OmegaConf.structured(schema), preset)})
    return OmegaConf.to_object(whole[group])


@pytest.mark.parametrize(("name", "schema"), PRESETS.items())
def test_every_preset_makes_its_config_whatever_the_task_says(name, schema):
    assert isinstance(load(name, schema, {}), schema)


@pytest.mark.parametrize("name", ["planner/cem", "planner/mppi", "planner/random_shooting"])
def test_planners_look_as_far_ahead_as_the_task_asks(name):
    task = {"planning": {"horizon": 18, "action_block": 3, "execute": 3}}
    config = load(name, PRESETS[name], task)
    assert (config.horizon, config.action_block) == (18, 3)
    assert load("policy/mpc", MPCConfig, task).execute == 3


def test_objectives_do_what_their_names_say():
    reward, cost = (load(f"objective/{name}", ObjectiveConfig, {}) for name in ("reward", "task_cost"))
    assert (reward.reward, reward.task_cost) == (1, 0)
    assert (cost.reward, cost.task_cost) == (0, 1)


def test_each_class_names_its_config():
    assert [kind.Config for kind in (CEM, Local, MPPI, RandomShooting)] == [
        CEMConfig,
        LocalConfig,
        MPPIConfig,
        RandomShootingConfig,
    ]
