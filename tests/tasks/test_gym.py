"""The task contract on an environment that is not ours: Gymnasium's Reacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.tasks.gym import GymConfig, GymTask
from wm_lab.tasks.simulator import Simulator, SimulatorConfig, SimulatorState

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
    (states,), _ = reacher.simulate_batch(snapshot[None], actions[None])
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
    assert seen["pixels"].shape == task.task_spec.observation["pixels"] == (64, 64, 3)
    assert np.any(seen["pixels"] != other["pixels"])


TOYS = "tests.tasks.toy_envs:"


def toy(name: str = "Line", **options: object) -> GymTask:
    return GymTask(GymConfig(id=f"{TOYS}{name}-v0", **options))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Reacher-v55", "did you mean Reacher-v5"),
        ("no_such_module:Reacher-v5", "module no_such_module cannot be imported"),
        ("CartPole-v1", "bounded continuous actions"),
        (TOYS + "Unbounded-v0", "bounded continuous actions"),
        (TOYS + "Seeing-v0", "shows pictures"),
        (TOYS + "Forgetful-v0", "does not repeat itself"),
        (TOYS + "Short-v0", "ends in its first step"),
    ],
)
def test_an_environment_that_cannot_be_a_task_is_refused_in_a_sentence(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        GymTask(GymConfig(id=name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Blind", r"observation\['place'\] of step is not a finite number after 3 steps of the episode with seed 77"),
        ("Far", "is not a finite number .* must fit single precision"),
        ("Priceless", "the reward is not a finite number after 3 steps"),
        ("Growing", r"has shape \(2,\) after 3 steps .* its observation_space, Box"),
    ],
)
def test_an_environment_that_breaks_its_promise_midway_is_named_with_the_episode(name: str, message: str) -> None:
    task = toy(name)
    task.reset(seed=77)
    with pytest.raises(UserError, match=message):
        stand_still(task, 5)


def stand_still(task: GymTask, steps: int) -> None:
    for _ in range(steps):
        task.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("told", [{"success_key": "there"}, {"success": "tests.tasks.toy_envs:close"}])
def test_an_environment_of_ones_own_has_the_expert_and_the_success_that_it_was_given(told: dict[str, str]) -> None:
    task = toy(expert="tests.tasks.toy_envs:expert", **told)
    assert task.has_expert
    task.reset(seed=1000)
    expert = task.expert()
    assert [task.step(expert.act())[4]["success"] for _ in range(10)][-1]


@pytest.mark.parametrize("told", [{"success_key": "there"}, {"success": "tests.tasks.toy_envs:said"}])
def test_a_start_that_is_solved_already_is_drawn_anew_and_counted(told: dict[str, str]) -> None:
    task = toy("Lucky", **told)
    redrawn = [task.reset(seed=seed)[1]["redrawn"] for seed in range(20)]
    assert 5 <= np.count_nonzero(redrawn) <= 15, "every other one was solved"
    for seed, count in enumerate(redrawn):
        _, info = task.reset(seed=seed)
        assert info["redrawn"] == count and not task._env.unwrapped.lucky


def test_success_may_be_a_return() -> None:
    task = toy(success_return=-1e3)
    task.reset(seed=0)
    assert task.step(np.zeros(1, np.float32))[4]["success"]
    assert task.task_spec.success_test == "return>=-1000@1"


def test_what_is_said_of_success_and_expert_is_checked() -> None:
    with pytest.raises(UserError, match=r"success_key=done is not in the info .* found: there"):
        toy(success_key="done")
    with pytest.raises(UserError, match="both say when the task is solved"):
        toy(success_key="there", success_return=1.0)
    with pytest.raises(UserError, match="write module:function"):
        toy(expert="tests.tasks.toy_envs:nobody")
    with pytest.raises(UserError, match="outside of the action space"):
        toy(expert="tests.tasks.toy_envs:wild").expert().act()


def test_an_environment_with_rewards_alone_is_paid_by_playing_and_never_shows_its_reward() -> None:
    task = toy()
    assert not task.has_expert and task.task_spec.success_test == "" and not task.judges_states
    assert [v.name for v in task.task_spec.variables] == ["goal", "place"] and task.task_spec.observation == {
        "state": (2,)
    }
    task.reset(seed=0)
    state, reward, *_ = task.step(np.ones(1, np.float32))
    assert state["state"].shape == (2,) and reward == pytest.approx(-abs(np.subtract(*state["state"])), abs=1e-6)
    assert task.rewards(task.snapshot()[None]) == pytest.approx([reward])
    with pytest.raises(LookupError, match="nobody can tell them from a state"):
        task.cost(torch.from_numpy(state["state"]))
    with pytest.raises(UserError, match="has no expert"):
        task.expert()


def test_the_true_dynamics_promise_the_reward_that_is_then_paid() -> None:
    task = toy()
    task.reset(seed=3)
    task.step(np.ones(1, np.float32))
    snapshot, plans = task.snapshot(), np.random.default_rng(0).uniform(-1, 1, (1, 4, 6, 1)).astype(np.float32)
    simulator = Simulator(SimulatorConfig(), task)
    promised = simulator.imagine(SimulatorState(torch.from_numpy(snapshot[None])), torch.from_numpy(plans)).reward
    for plan, told in zip(plans[0], promised[0], strict=True):
        task.restore(snapshot)
        np.testing.assert_array_equal([np.float32(task.step(action)[1]) for action in plan], told)
    start, actions = SimulatorState(torch.from_numpy(snapshot[None])), torch.from_numpy(plans[:, 0])
    np.testing.assert_array_equal(simulator.advance(start, actions)[1].reward[0, 0], promised[0, 0])


def test_a_subclass_with_a_cost_of_its_own_pays_by_it() -> None:
    class Judged(GymTask):
        def cost(self, state: torch.Tensor) -> torch.Tensor:
            return (state[..., 0] - state[..., 1]).abs() * 2

    task = Judged(GymConfig(id=f"{TOYS}Line-v0"))
    task.reset(seed=0)
    state, reward, *_ = task.step(np.ones(1, np.float32))
    assert task.judges_states and reward == pytest.approx(-2 * abs(np.subtract(*state["state"])), abs=1e-6)
    assert task.rewards(task.snapshot()[None]) == pytest.approx([reward])


def test_an_environment_that_cannot_draw_itself_says_so_and_is_asked_for_no_picture() -> None:
    assert toy().render_mode is None
    with pytest.raises(UserError, match=r"has no render_mode rgb_array; set task.observation=state"):
        toy(observation="pixels")


def test_a_constructor_that_takes_no_render_mode_is_no_hindrance() -> None:
    assert toy("Promising").render_mode is None


def test_actions_in_the_unit_range_reach_the_environments_own_bounds() -> None:
    task = toy()
    task.reset(seed=0)
    start = task.state()[1]
    task.step(np.ones(1, np.float32))
    assert task.state()[1] - start == pytest.approx(0.4, abs=0.01)


def test_an_environment_without_mujoco_goes_back_in_time_by_playing_its_episode_again() -> None:
    task = toy()
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 3, 8, 1)).astype(np.float32)
    snapshots, states = [], []
    for seed in (1, 2):
        task.reset(seed=seed)
        for action in actions[0, 0]:
            task.step(action)
        snapshots.append(task.snapshot())
        for action in actions[seed - 1, 2]:
            task.step(action)
            states.append(task.state())
    here = task.snapshot()
    simulated, _ = task.simulate_batch(np.stack(snapshots), actions)
    np.testing.assert_array_equal(simulated[:, 2].reshape(-1, 2), states)
    np.testing.assert_array_equal(task.snapshot(), here)


def test_nothing_more_happens_or_is_paid_after_the_end_of_an_episode() -> None:
    task = toy()
    task.reset(seed=0)
    ended = next(result for _ in range(30) if (result := task.step(np.ones(1, np.float32)))[2])
    state, reward, terminated, *_ = task.step(np.ones(1, np.float32))
    assert terminated and reward == 0.0
    np.testing.assert_array_equal(state["state"], ended[0]["state"])
    assert not task.futures(task.snapshot()[None], np.ones((1, 1, 3, 1), np.float32)).rewards.any()


def test_the_given_expert_sees_what_there_is_after_a_way_back() -> None:
    task = toy(expert="tests.tasks.toy_envs:expert")
    task.reset(seed=0)
    snapshot, chosen = task.snapshot(), task.expert().act()
    for _ in range(8):
        task.step(task.expert().act())
    assert task.expert().act() != pytest.approx(chosen)
    task.restore(snapshot)
    assert task.expert().act() == pytest.approx(chosen)
