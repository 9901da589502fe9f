"""DeepMind Control behind the contract of a task: exact ways back, the suite's own rewards, no GL."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.extras import need
from wm_lab import config as schema
from wm_lab.errors import UserError
from wm_lab.settings import build
from wm_lab.tasks.dmc import DmcConfig, DmcTask

need("dm_control", "dmc")

CONF = Path(__file__).parents[2] / "conf"
NAMED = sorted(file.stem for file in (CONF / "task" / "dmc").glob("*.yaml"))


@cache
def task(name: str) -> DmcTask:
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        section = compose("config", overrides=[f"task=dmc/{name}"]).task
    return build(DmcTask, OmegaConf.to_container(section, resolve=True), "task")


def actions(played: DmcTask, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, played.task_spec.action_size)).astype(np.float32)


@pytest.mark.parametrize("name", NAMED)
def test_a_restored_episode_repeats_bit_for_bit_though_another_began_in_between(name: str) -> None:
    played = task(name)
    played.reset(seed=1)
    for action in actions(played, 20):
        played.step(action)
    snapshot, here = played.snapshot(), played.state()
    first = [played.step(action) for action in actions(played, 50)]
    played.reset(seed=2)
    np.testing.assert_array_equal(played.restore(snapshot)["state"], here)
    for action, (state, reward, *_) in zip(actions(played, 50), first, strict=True):
        again, paid, *_ = played.step(action)
        np.testing.assert_array_equal(again["state"], state["state"])
        assert paid == reward


@pytest.mark.parametrize("name", NAMED)
def test_futures_are_what_happens_and_what_is_paid_then(name: str) -> None:
    played = task(name)
    chosen, snapshots = actions(played, 2, 2, 4), []
    for seed in (3, 4):
        played.reset(seed=seed)
        snapshots.append(played.snapshot())
    states, _, rewards = played.futures(np.stack(snapshots), chosen)
    np.testing.assert_array_equal(played.snapshot(), snapshots[1])
    for b, n in np.ndindex(2, 2):
        played.reset(seed=3 + b)
        for t in range(4):
            assert np.float32(played.step(chosen[b, n, t])[1]) == rewards[b, n, t]
            np.testing.assert_array_equal(played.state(), states[b, n, t])
    np.testing.assert_array_equal(played.rewards(played.snapshot()[None]), rewards[-1, -1, -1:])


@pytest.mark.parametrize("repeat", [1, 4])
def test_a_step_is_so_many_of_the_suites_and_pays_their_sum(repeat: int) -> None:
    from dm_control import suite

    played = DmcTask(DmcConfig(name="cheetah_run", action_repeat=repeat))
    played.reset(seed=7)
    env = suite.load("cheetah", "run", task_kwargs={"random": 7})
    env.reset()
    assert played.task_spec.episode_steps * repeat == 1000
    for action in actions(played, 10):
        steps = [env.step(action) for _ in range(repeat)]
        state, reward, *_ = played.step(action)
        assert reward == sum(step.reward for step in steps)
        np.testing.assert_array_equal(state["state"], np.concatenate([*steps[-1].observation.values()]).astype("f4"))


def test_a_joint_that_turns_without_end_is_seen_by_sine_and_cosine() -> None:
    played = task("reacher_easy")
    assert [v.name for v in played.task_spec.variables] == ["position", "to_target", "velocity", "turns"]
    played.reset(seed=0)
    for _ in range(60):
        seen = played.step(np.array([1, 0], np.float32))[0]["state"]
    shoulder, elbow = played._env.data.qpos
    assert shoulder > 2 * np.pi
    np.testing.assert_allclose(seen[[0, 5, 6]], [elbow, np.sin(shoulder), np.cos(shoulder)], atol=1e-6)


def test_nothing_changes_or_is_paid_after_the_end() -> None:
    played = DmcTask(DmcConfig())
    played.reset(seed=0)
    played._terminated = True
    before = played.state()
    state, reward, terminated, *_ = played.step(actions(played))
    assert terminated and reward == 0.0 and np.array_equal(state["state"], before)


@pytest.mark.parametrize("name", NAMED)
def test_pictures_show_what_moves_and_change_nothing(name: str) -> None:
    section = DmcConfig(name=name, observation="pixels")
    seen, ends = DmcTask(section), []
    for look in (False, True):
        seen.reset(seed=6)
        for action in actions(seen, 10):
            if look:
                seen.render((8, 6))
            frame = seen.step(action)[0]["pixels"]
        ends.append(seen.state())
    np.testing.assert_array_equal(*ends)
    assert frame.shape == (64, 64, 3) and np.any(frame != seen.reset(seed=7)[0]["pixels"])


def test_a_wrong_name_is_met_with_the_nearest_and_one_that_does_not_run_with_the_reason() -> None:
    with pytest.raises(UserError, match="did you mean cartpole_swingup"):
        DmcTask(DmcConfig(name="cartpole_swing"))
    with pytest.raises(UserError, match=r"quadruped_escape does not run with what is installed \("):
        DmcTask(DmcConfig(name="quadruped_escape"))  # it asks for a screen at its start


def test_no_screen_is_looked_for_and_the_users_own_choice_stands() -> None:
    script = (
        "import os; from wm_lab.tasks.dmc import DmcConfig, DmcTask; DmcTask(DmcConfig());"
        "from dm_control._render import BACKEND; print(os.environ.get('MUJOCO_GL'), BACKEND)"
    )
    for chosen, told in ({}, "None off"), ({"MUJOCO_GL": "false"}, "false off"):
        clean = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
        ran = subprocess.run([sys.executable, "-c", script], env=clean | chosen, capture_output=True, text=True)
        assert ran.stdout.split() == told.split(), ran.stderr


def test_actions_without_bounds_are_refused() -> None:
    with pytest.raises(UserError, match=r"task.name=lqr_lqr_2_1 takes actions without bounds, and planners here need"):
        DmcTask(DmcConfig(name="lqr_lqr_2_1"))
