"""Any Gymnasium environment is put back in time exactly, or refused before any work."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from wm_lab.errors import UserError
from wm_lab.tasks.gym import GymConfig, GymTask

pytest.importorskip("imageio", reason="gymnasium's MuJoCo environments import it; pip install 'gymnasium[mujoco]'")

ODD = "tests.tasks.odd_envs:"
IN_MUJOCO = ["Reacher-v5", "Ant-v5", "Humanoid-v5", "Ant-v4", "Humanoid-v4", "HalfCheetah-v5", "Pusher-v5"]
IN_MUJOCO += [ODD + name for name in ("Rescaled-v0", "Limited-v0")]
PLAYED_AGAIN = ["Pendulum-v1", "MountainCarContinuous-v0", ODD + "MyCheetah-v0"]
PLAYED_AGAIN += [ODD + f"{name}-v0" for name in ("Pickled", "Scaling", "Windy", "OwnLimit", "TiredCheetah")]
PLAYED_AGAIN += [ODD + f"{name}-v0" for name in ("Stacked", "Delayed", "Timed", "Lagging")]
THIRD = {
    "AdroitHandDoor-v1": "gymnasium_robotics",
    "HandReach-v3": "gymnasium_robotics",
    "AntMaze_UMaze-v5": "gymnasium_robotics",
    "gym_pusht/PushT-v0": "gym_pusht",
    "LunarLanderContinuous-v3": "Box2D",
    "PandaReach-v3": "panda_gym",
    "parking-v0": "highway_env",
}
BEFORE, AHEAD = 5, 8  # steps


@pytest.mark.parametrize("name", [*IN_MUJOCO, *PLAYED_AGAIN])
def test_what_a_search_foresees_is_what_happens(name: str) -> None:
    foresees(GymTask(GymConfig(id=name)))


@pytest.mark.parametrize("name", THIRD)
def test_what_a_search_foresees_in_an_environment_of_other_people_is_what_happens(name: str) -> None:
    library = THIRD[name]
    pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "gymnasium_robotics":
        gymnasium.register_envs(pytest.importorskip(library))
    foresees(GymTask(GymConfig(id=name, episode_steps=30)))


def foresees(task: GymTask) -> None:
    """Futures and restored episodes are those of an instance that Gymnasium alone has made and played."""
    rng = np.random.default_rng(0)
    before = rng.uniform(-1, 1, (BEFORE, *task.action_space.shape)).astype(np.float32)
    plans = rng.uniform(-1, 1, (1, 3, AHEAD, *task.action_space.shape)).astype(np.float32)
    task.reset(seed=3)
    for action in before:
        task.step(action)
    here = task.snapshot()
    foreseen = task.futures(here[None], plans)
    np.testing.assert_array_equal(task.snapshot(), here)
    states, rewards = played_by_gymnasium(task, 3, [*before, *plans[0, -1]])
    np.testing.assert_array_equal(foreseen.states[0, -1], states[BEFORE:])
    if not task.judges_states:
        np.testing.assert_array_equal(foreseen.rewards[0, -1], rewards[BEFORE:])
    task.reset(seed=4)
    task.step(before[0])
    task.restore(here)
    np.testing.assert_array_equal([task.step(action)[0]["state"] for action in plans[0, -1]], states[BEFORE:])


def played_by_gymnasium(task: GymTask, seed: int, actions: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    env = gymnasium.make(task.config.id.rpartition(":")[2], disable_env_checker=True)
    env.reset(seed=seed)
    states: list[np.ndarray] = []
    rewards: list[float] = []
    over = False
    for action in actions:
        if over:  # an ended episode stays as it is, and pays nothing
            states, rewards = [*states, states[-1]], [*rewards, 0.0]
            continue
        seen, paid, terminated, truncated, _ = env.step(task._scale(action))
        over = terminated or truncated
        states, rewards = [*states, spaces.flatten(env.observation_space, seen)], [*rewards, float(paid)]
    return np.array(states, np.float32), np.array(rewards, np.float32)


@pytest.mark.parametrize(("names", "in_mujoco"), [(IN_MUJOCO, True), (PLAYED_AGAIN, False)])
def test_the_faster_way_back_is_taken_where_it_is_proven(names: list[str], in_mujoco: bool) -> None:
    assert [GymTask(GymConfig(id=name)).repeats.in_mujoco for name in names] == [in_mujoco] * len(names)


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("Gusty", r"4 steps into the episode with seed 0, observation\[0\] was .* at first"),
        ("Shaky", r"1 steps into .* observation\[0\]"),
        ("Harder", "after other episodes"),
        ("Unseeded", "after other episodes"),
        ("Shared", "in a second instance"),
        ("Fickle", "the reward was"),
        ("Moody", "does not repeat itself: .* steps into the episode"),
        ("Unsure", "success was"),
    ],
)
def test_an_environment_that_does_not_repeat_itself_is_refused_with_what_differed(name: str, difference: str) -> None:
    with pytest.raises(UserError, match=difference):
        GymTask(GymConfig(id=f"{ODD}{name}-v0", success_key="there"))


def test_a_start_from_numpys_global_generator_is_refused() -> None:
    pytest.importorskip("ogbench", reason="ogbench is not installed; pip install 'wm_lab[tasks]'")
    with pytest.raises(UserError, match=r"0 steps into the episode with seed 0.* set task.stochastic=true"):
        GymTask(GymConfig(id="ogbench:pointmaze-medium-v0"))


def test_what_does_not_repeat_itself_may_be_played_but_nobody_goes_back_there() -> None:
    task = GymTask(GymConfig(id=f"{ODD}Gusty-v0", stochastic=True))
    task.reset(seed=0)
    task.step(np.ones(1, np.float32))
    with pytest.raises(UserError, match=r"task.stochastic=true accepts that .* does not repeat itself"):
        task.snapshot()


def test_seeded_chance_is_known_to_be_foreseen() -> None:
    assert GymTask(GymConfig(id=f"{ODD}Windy-v0")).repeats.chance
    assert not GymTask(GymConfig(id=f"{ODD}Pickled-v0")).repeats.chance


def test_a_way_back_that_leads_elsewhere_is_told_and_never_used() -> None:
    task = GymTask(GymConfig(id=f"{ODD}LaterForgetful-v0"))
    task.reset(seed=101)
    for _ in range(5):
        task.step(np.ones(1, np.float32))
    with pytest.raises(UserError, match="5 steps into the episode with seed 101, it was elsewhere when it was played"):
        task.restore(task.snapshot())


@pytest.mark.parametrize("name", ["Reseeded", "Pickled"])
def test_a_start_that_is_drawn_anew_for_being_solved_is_the_same_every_time(name: str) -> None:
    one, other = (GymTask(GymConfig(id=f"{ODD}{name}-v0", success="tests.tasks.odd_envs:near")) for _ in range(2))
    for seed in range(20):
        one.reset(seed=seed)
        other.reset(seed=seed)
        np.testing.assert_array_equal(one.state(), other.state())
        np.testing.assert_array_equal(other.restore(one.snapshot())["state"], one.state())


def test_a_limit_inside_the_environment_is_the_length_of_episodes_and_cuts_no_future() -> None:
    task = GymTask(GymConfig(id=f"{ODD}Limited-v0"))
    assert task.task_spec.episode_steps == 25
    task.reset(seed=0)
    cut = [task.step(np.zeros(6, np.float32))[3] for _ in range(25)]
    assert cut == [False] * 24 + [True]
    assert np.all(task.futures(task.snapshot()[None], np.ones((1, 1, 5, 6), np.float32)).rewards != 0.0)


def test_the_running_episode_is_not_disturbed_by_futures() -> None:
    task = GymTask(GymConfig(id=f"{ODD}Pickled-v0"))
    task.reset(seed=0)
    running = task.environment
    task.step(np.ones(1, np.float32))
    place = running.unwrapped.place
    task.simulate_batch(task.snapshot()[None], np.ones((1, 4, 9, 1), np.float32))
    assert task.environment is running and running.unwrapped.steps == 1 and running.unwrapped.place == place


def test_a_future_that_began_before_the_end_can_be_gone_back_to() -> None:
    task = GymTask(GymConfig(id=f"{ODD}Pickled-v0", episode_steps=10))
    task.reset(seed=0)
    for _ in range(15):
        task.step(np.ones(1, np.float32))
    here, state = task.snapshot(), task.state()
    task.reset(seed=1)
    np.testing.assert_array_equal(task.restore(here)["state"], state)
