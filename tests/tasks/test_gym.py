"""The task contract on an environment that is not ours: Gymnasium's Reacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.tasks.gym import GymConfig, GymTask

pytest.importorskip("imageio", reason="gymnasium's MuJoCo environments import it; pip install 'gymnasium[mujoco]'")


@pytest.fixture(scope="module")
def reacher() -> GymTask:
    return GymTask(GymConfig())


def test_the_expert_reaches_every_held_out_target(reacher: GymTask) -> None:
    for seed in range(1000, 1020):
        reacher.reset(seed=seed)
        expert = reacher.expert()
        assert any(reacher.step(expert.act())[4]["success"] for _ in range(50))


def test_a_restored_reacher_repeats_bit_for_bit(reacher: GymTask) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    reacher.reset(seed=1)
    for action in actions[:10]:
        reacher.step(action)
    snapshot, here = reacher.snapshot(), reacher.state()
    first = [reacher.step(action)[0]["state"] for action in actions[10:]]
    reacher.reset(seed=2)
    np.testing.assert_array_equal(reacher.restore(snapshot)["state"], here)
    again = [reacher.step(action)[0]["state"] for action in actions[10:]]
    assert np.abs(np.array(again) - first).max() == 0.0


def test_simulation_equals_stepping_and_leaves_the_episode_alone(reacher: GymTask) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 5, 2)).astype(np.float32)
    reacher.reset(seed=3)
    snapshot = reacher.snapshot()
    states, _ = reacher.simulate(snapshot, actions)
    np.testing.assert_array_equal(reacher.snapshot(), snapshot)
    np.testing.assert_array_equal([reacher.step(action)[0]["state"] for action in actions[1]], states[1])


def test_no_start_is_solved_and_the_goal_state_is(reacher: GymTask) -> None:
    for seed in range(30):
        reacher.reset(seed=seed)
        state = torch.from_numpy(reacher.state())
        assert torch.linalg.vector_norm(state[8:10]) >= 0.02
        assert reacher.cost(reacher.goal_state(state)) == 0.0


def test_the_goal_state_lies_on_the_target(reacher: GymTask) -> None:
    reacher.reset(seed=5)
    there = reacher.goal_state(torch.from_numpy(reacher.state()))
    shoulder, elbow = torch.atan2(there[2], there[0]), torch.atan2(there[3], there[1])
    tip = [
        0.1 * shoulder.cos() + 0.11 * (shoulder + elbow).cos(),
        0.1 * shoulder.sin() + 0.11 * (shoulder + elbow).sin(),
    ]
    assert tip == pytest.approx(there[4:6].tolist(), abs=1e-5)


def test_pixels_come_without_gl_and_show_the_target(reacher: GymTask) -> None:
    task = GymTask(GymConfig(observation="pixels"))
    seen, _ = task.reset(seed=0)
    other, _ = task.reset(seed=1)
    assert seen["pixels"].shape == task.card.observation["pixels"] == (64, 64, 3)
    assert np.any(seen["pixels"] != other["pixels"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Reacher-v55", "did you mean Reacher-v5"),
        ("CartPole-v1", "bounded continuous actions"),
        ("Pendulum-v1", "does not run on MuJoCo"),
        ("HalfCheetah-v5", "set task.success_key"),
    ],
)
def test_an_environment_that_cannot_be_a_task_is_refused_in_a_sentence(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        GymTask(GymConfig(id=name))


def test_an_unknown_environment_plays_by_its_success_key_and_says_what_it_lacks() -> None:
    task = GymTask(GymConfig(id="HalfCheetah-v5", success_key="solved"))
    task.reset(seed=0)
    *_, info = task.step(np.zeros(6, np.float32))
    assert info["success"] is False
    with pytest.raises(UserError, match="has no expert"):
        task.expert()
