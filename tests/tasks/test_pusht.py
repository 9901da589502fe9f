"""PushT, which has neither MuJoCo nor an expert: its own success, and an exact way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.extras import need
from wm_lab import config as schema
from wm_lab.settings import build
from wm_lab.tasks.gym import GymTask

need("gym_pusht", "pusht")  # or a GL library of its OpenCV is missing


@pytest.fixture(scope="module")
def pusht() -> GymTask:
    schema.register()
    with initialize_config_dir(str(Path(__file__).parents[2] / "conf"), version_base="1.3"):
        section = compose("config", overrides=["task=gym/pusht"]).task
    return build(GymTask, OmegaConf.to_container(section, resolve=True), "task")


def push(task: GymTask, steps: int, seed: int) -> np.ndarray:
    """States [steps, D] while the agent is sent to and fro around the block."""
    random, states, target = np.random.default_rng(seed), [], np.zeros(2)
    for step in range(steps):
        if step % 3 == 0:
            target = task.state()[2:4] + random.normal(0.0, 40.0, 2)
        task.step(np.clip(target / 256.0 - 1.0, -1.0, 1.0))
        states.append(task.state())
    return np.stack(states)


def test_the_card_is_that_of_ten_decisions_a_second_without_an_expert(pusht: GymTask) -> None:
    assert pusht.task_spec.control_hz == 10.0 and pusht.task_spec.episode_steps == 300 and not pusht.has_expert
    assert pusht.task_spec.success_test == "info['is_success']@1"


def test_a_block_on_its_goal_is_success_and_one_beside_it_is_not(pusht: GymTask) -> None:
    for aside, expected in ((0.0, True), (20.0, False)):
        pusht.reset(seed=0)
        env = pusht._env.unwrapped
        x, y, angle = env.goal_pose
        env.block.angle = angle
        env.block.position = x + aside, y
        env.agent.position = 50.0, 50.0
        assert pusht.step(np.array([50.0, 50.0]) / 256 - 1)[4]["success"] == expected


@pytest.mark.parametrize("seed", range(3))
def test_an_episode_goes_on_exactly_in_the_midst_of_a_push(pusht: GymTask, seed: int) -> None:
    pusht.reset(seed=seed)
    push(pusht, 25, seed)
    snapshot, here = pusht.snapshot(), pusht.state()
    first = push(pusht, 15, seed)
    assert np.abs(first[-1, 2:4] - here[2:4]).max() > 1.0, "the block was pushed"
    pusht.reset(seed=99)
    np.testing.assert_array_equal(pusht.restore(snapshot)["state"], here)
    assert np.abs(push(pusht, 15, seed) - first).max() == 0.0
