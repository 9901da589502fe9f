"""The hand's goals as one task: each plays as it does alone, and states, snapshots and sentences are of one form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.data.dataset import places
from wm_lab.errors import UserError
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS
from wm_lab.tasks.hand_all import PRESENT, WHICH, HandAllConfig, HandAllTask
from wm_lab.tasks.task import SCENE, Task


@pytest.fixture(scope="module")
def task() -> HandAllTask:
    return HandAllTask(HandAllConfig())


def starts(task: HandAllTask) -> dict[str, int]:
    """{goal: the first seed that has it}"""
    found: dict[str, int] = {}
    for seed in range(100):
        task.reset(seed=seed)
        found.setdefault(task.kind, seed)
        if len(found) == len(task.kinds):
            return found
    raise AssertionError(found)


def test_every_goal_is_asked_for_in_its_own_words_and_plays_as_it_does_alone(task) -> None:
    for kind, seed in starts(task).items():
        alone = HandTask(HandConfig(goal=kind))
        alone.reset(seed=seed)
        task.reset(seed=seed)
        assert task.instruction == alone.instruction == GOALS[kind].instruction
        expert, other = task.expert(), alone.expert()
        for _ in range(10):
            _, reward, _, _, info = task.step(expert.act())
            _, same, _, _, alike = alone.step(other.act())
            assert (reward, info) == (same, alike)
        assert task.cost(torch.from_numpy(task.state())).item() == pytest.approx(-reward, abs=1e-5)
        own = task._own(task.state(), task.kinds.index(kind))
        np.testing.assert_array_equal(own, alone.state())
        assert task.state()[PRESENT:WHICH].sum() == GOALS[kind].blocks and task.state()[WHICH:].sum() == 1


def test_a_restored_episode_repeats_bit_for_bit_whatever_ran_in_between(task) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 7)).astype(np.float32)
    for seed in starts(task).values():
        task.reset(seed=seed)
        task.step(actions[0])
        snapshot, told = task.snapshot(), task.instruction
        first = np.array([task.step(action)[0]["state"] for action in actions])
        task.reset(seed=seed + 1)
        task.restore(snapshot)
        assert task.instruction == told
        np.testing.assert_array_equal([task.step(action)[0]["state"] for action in actions], first)


def test_futures_of_unlike_goals_are_those_that_stepping_would_bring(task) -> None:
    snapshots = []
    for seed in starts(task).values():
        task.reset(seed=seed)
        snapshots.append(task.snapshot())
    actions = np.random.default_rng(0).uniform(-1, 1, (len(snapshots), 2, 4, 7)).astype(np.float32)
    states, success = task.simulate_batch(np.stack(snapshots), actions)
    slow_states, slow_success = Task.simulate_batch(task, np.stack(snapshots), actions)
    np.testing.assert_allclose(states, slow_states, atol=1e-6)
    np.testing.assert_array_equal(success, slow_success)
    np.testing.assert_array_equal(task.states(np.stack(snapshots)), Task.states(task, np.stack(snapshots)))
    after = task.successors(np.stack(snapshots), actions[:, 0, 0])
    np.testing.assert_allclose(task.states(after), states[:, 0, 0], atol=1e-6)


def test_the_scene_does_not_say_the_goal_and_models_know_which_blocks_are_there() -> None:
    seen = HandAllTask(HandAllConfig(observation="scene", goals=["push", "place"]))
    observation, _ = seen.reset(seed=0)
    assert observation[SCENE].shape == (WHICH,) and seen.state().shape == (WHICH + 2,)
    found = places(seen.task_spec.variables, seen.task_spec.observation)
    assert found.present[SCENE] == [-1, PRESENT, PRESENT + 1, PRESENT + 2, -1], "hand, three blocks, goal"


def test_it_can_be_told_another_goal_or_nothing(task) -> None:
    task.reset(seed=0)
    right, kind = task.instruction, task.kind
    task.retell("other")
    assert task.instruction != right and task.kind == kind
    task.retell("nothing")
    assert task.instruction == ""


@pytest.mark.parametrize(("goals", "message"), [(["reach"], "at least two"), (["reach", "fly"], "unknown goal")])
def test_goals_that_are_none_are_refused(goals, message) -> None:
    with pytest.raises(UserError, match=message):
        HandAllConfig(goals=goals)
