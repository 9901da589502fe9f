"""The data on a real task: what the toy proves must hold with physics, an expert and images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.data.toy import ScriptedPolicy
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import replay
from wm_lab.data.windows import WindowSampler
from wm_lab.tasks.hand import HandConfig, HandTask

CONFIG = DataConfig(episodes=6)


def make(folder, **task):
    factory = partial(HandTask, HandConfig(goal="push", episode_steps=40, **task))
    return factory, Dataset.open(
        collect(folder, factory, ScriptedPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)
    )


def test_every_recorded_step_of_a_push_replays_exactly(tmp_path):
    factory, dataset = make(tmp_path)
    task = factory()
    for index in range(len(dataset)):
        episode = dataset.episode(index)
        snapshots = replay(task, dataset.task_spec, episode, [40, 0, 25])
        observation = task.restore(snapshots[2])
        np.testing.assert_array_equal(observation["state"], episode.state[25])
        for step in range(26, 41):
            _, reward, _, _, info = task.step(episode.action[step])
            np.testing.assert_array_equal(task.state(), episode.state[step])
            assert (info["success"], info["contact"]) == (episode.success[step], episode.contact[step])
            assert reward == pytest.approx(episode.reward[step], abs=1e-6)


def test_images_carry_the_state_beside_them_and_the_actions_do_not_depend_on_them(tmp_path):
    _, seen = make(tmp_path / "pixels", observation="pixels")
    _, plain = make(tmp_path / "state")
    assert seen.spec.observation == {"pixels": (64, 64, 3)} and "state" in seen.spec.mean
    for index in range(len(seen)):
        np.testing.assert_array_equal(seen.episode(index).state, plain.episode(index).state)
    windows = WindowSampler(seen, "train", 4, 10, seed=0).sample()
    assert windows.observation["pixels"].shape == (4, 10, 64, 64, 3)
