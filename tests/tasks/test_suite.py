"""The twelve tasks of the suite, and what every task from another library keeps of the contract."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.extras import need
from wm_lab import config as schema
from wm_lab.errors import UserError
from wm_lab.settings import build
from wm_lab.tasks.fetch import FetchConfig, FetchTask
from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask
from wm_lab.tasks.ogbench import OGBenchConfig, OGBenchTask
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.point_maze import PointMazeConfig, PointMazeTask
from wm_lab.tasks.task import Task

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "conf"
SUITE = sorted(file.stem for file in (CONF / "task" / "suite").glob("*.yaml"))
LIBRARIES = {
    "fetch": "gymnasium_robotics",
    "point": "gymnasium_robotics",
    "metaworld": "metaworld",
    "ogbench": "ogbench",
}
OTHERS = [name for name in SUITE if name.partition("_")[0] in LIBRARIES]


@cache
def task(name: str) -> Task:
    """A task of the suite, as its YAML describes it."""
    library = LIBRARIES.get(name.partition("_")[0], "mujoco")
    need(library, "tasks")
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        section = compose("config", overrides=[f"task=suite/{name}"]).task
    return build(Task, OmegaConf.to_container(section, resolve=True), "task")


def test_there_are_twelve() -> None:
    assert len(SUITE) == 12


@pytest.mark.parametrize("name", SUITE)
def test_the_expert_solves_a_held_out_start(name: str) -> None:
    played = task(name)
    played.reset(seed=2**30 + 2**29)
    expert = played.expert()
    assert any(played.step(expert.act())[4]["success"] for _ in range(played.task_spec.episode_steps))


@pytest.mark.parametrize("name", SUITE)
@pytest.mark.parametrize("moment", ["at its start", "amid what the expert does"])
def test_a_restored_episode_repeats_bit_for_bit_over_50_actions(name: str, moment: str) -> None:
    played = task(name)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, played.task_spec.action_size)).astype(np.float32)
    played.reset(seed=1)
    if moment != "at its start":
        follow_until_it_touches(played)
    snapshot, here = played.snapshot(), played.state()
    first = [played.step(action) for action in actions]
    played.reset(seed=2)  # another goal, and another scene
    np.testing.assert_array_equal(played.restore(snapshot)["state"], here)
    for action, (state, reward, _, _, info) in zip(actions, first, strict=True):
        again, paid, _, _, told = played.step(action)
        assert np.abs(again["state"] - state["state"]).max() == 0.0
        assert paid == reward and told == info


def follow_until_it_touches(played: Task) -> None:
    """The expert's way to a few steps after its first touch, or half of the episode where nothing is touched."""
    expert, touched = played.expert(), 0
    for _ in range(played.task_spec.episode_steps // 2):
        touched += played.step(expert.act())[4]["contact"]
        if touched > 3:
            break


@pytest.mark.parametrize("name", OTHERS)
def test_futures_of_several_episodes_are_what_happens_in_them(name: str) -> None:
    played = task(name)
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 2, 4, played.task_spec.action_size)).astype(np.float32)
    snapshots = []
    for seed in (3, 4):
        played.reset(seed=seed)
        snapshots.append(played.snapshot())
    states, success = played.simulate_batch(np.stack(snapshots), actions)
    np.testing.assert_array_equal(played.snapshot(), snapshots[1])
    for b, n in np.ndindex(2, 2):
        played.reset(seed=3 + b)
        for t in range(4):
            *_, info = played.step(actions[b, n, t])
            np.testing.assert_array_equal(played.state(), states[b, n, t])
            assert info["success"] == success[b, n, t]


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_alone_says_at_every_step_whether_the_task_is_solved(name: str) -> None:
    played, states, told = task(name), [], []
    for seed, noise in ((7, 0.0), (8, 0.5), (9, None)):
        played.reset(seed=seed)
        expert, rng = played.expert(), np.random.default_rng(seed)
        for _ in range(played.task_spec.episode_steps):
            action = rng.uniform(-1, 1, played.task_spec.action_size)
            if noise is not None:
                action = np.clip(expert.act() + noise * action, -1, 1)
            info = played.step(action.astype(np.float32))[4]
            states.append(played.state())
            told.append(info["success"])
    assert any(told) and not all(told)
    np.testing.assert_array_equal(played.solved(np.stack(states)), told)


@pytest.mark.parametrize("name", OTHERS)
def test_the_cost_falls_by_more_than_half_on_the_experts_way(name: str) -> None:
    played = task(name)
    played.reset(seed=3)
    expert = played.expert()
    before = played.cost(torch.from_numpy(played.state()))
    for _ in range(played.task_spec.episode_steps):
        if played.step(expert.act())[4]["success"]:
            break
    assert played.cost(torch.from_numpy(played.state())) < before / 2


@pytest.mark.parametrize("name", [name for name in OTHERS if "insert" not in name])  # there it is a hole in a box
def test_the_goal_is_seen(name: str) -> None:
    played = task(name)
    played.reset(seed=5)
    red, green, blue = np.moveaxis(played._pixels().astype(int), -1, 0)  # type: ignore[attr-defined]
    assert np.any((red > 1.5 * green) & (blue > 1.5 * green))


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_for_people_shows_what_an_imagined_state_is_of(name: str) -> None:
    played = task(name)
    played.reset(seed=5)
    assert played.points(played.state()), "where a ghost's things are"
    ghost = played.state() + np.float32(0.05)
    assert np.any(played.render((64, 48), overlay=Overlay(ghost=ghost)) != played.render((64, 48)))


@pytest.mark.parametrize("name", OTHERS)
def test_an_episode_goes_on_as_it_would_have_unseen(name: str) -> None:
    played, ends = task(name), []
    for look in (False, True):
        played.reset(seed=6)
        for action in np.random.default_rng(0).uniform(-1, 1, (10, played.task_spec.action_size)).astype(np.float32):
            played.step(action)
            if look:
                played.render((8, 6))
        ends.append(played.state())
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("name", OTHERS)
def test_the_variables_are_the_whole_state_and_hold_its_points(name: str) -> None:
    variables = task(name).task_spec.variables
    assert [v.start for v in variables] == [0, *(v.stop for v in variables[:-1])]
    assert variables[-1].stop == len(task(name).state())


def test_the_way_through_a_maze_is_longer_than_through_its_walls_and_never_shorter() -> None:
    maze = task("point_maze_large").maze  # type: ignore[attr-defined]
    free = maze._centres[(maze._length.diagonal() == 0).nonzero().ravel()]
    places = free[torch.randint(len(free), (200,), generator=torch.Generator().manual_seed(0))]
    way, straight = maze.way(places[:100], places[100:]), (places[:100] - places[100:]).norm(dim=-1)
    assert (way >= straight - 0.01).all() and (way > 2 * straight).any()
    torch.testing.assert_close(way, maze.way(places[100:], places[:100]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FetchTask(FetchConfig(id="FetchPush-v5")), "did you mean FetchPush-v4"),
        (lambda: PointMazeTask(PointMazeConfig(id="PointMaze_Big-v3")), "did you mean PointMaze_"),
        (lambda: MetaworldTask(MetaworldConfig(name="push-v2")), "did you mean push-v3"),
        (lambda: OGBenchTask(OGBenchConfig(id="cube-doubles-v0")), "did you mean cube-double-v0"),
    ],
)
def test_a_name_that_does_not_exist_is_met_with_the_nearest(make, message: str) -> None:
    for library in LIBRARIES.values():
        need(library, "tasks")
    with pytest.raises(UserError, match=message):
        make()


def test_a_missing_library_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(UserError, match=r"task.id=FetchPush-v4 needs .* pip install 'wm_lab\[tasks\]'"):
        FetchTask(FetchConfig())


def test_the_experiment_of_the_suite_sweeps_over_all_of_it() -> None:
    swept = OmegaConf.load(CONF / "experiment" / "suite.yaml").hydra.sweeper.params.task
    assert sorted(swept.replace(" ", "").split(",")) == [f"suite/{name}" for name in SUITE]


@pytest.mark.parametrize(
    "make",
    [
        lambda: FetchTask(FetchConfig(id="FetchReach-v4")),
        lambda: FetchTask(FetchConfig(id="FetchPush-v4")),
        lambda: FetchTask(FetchConfig(id="FetchPickAndPlace-v4")),
        lambda: PointMazeTask(PointMazeConfig(id="PointMaze_TwoRooms-v3")),
    ],
)
def test_at_the_goal_state_nothing_is_left_to_do(make: Callable[[], Task]) -> None:
    pytest.importorskip("gymnasium_robotics")
    made = make()
    state = torch.from_numpy(made.state())
    assert made.cost(made.goal_state(state)) < 0.35 * made.cost(state)


@pytest.mark.parametrize("name", ["point_maze_large", "fetch_push", "fetch_pick_and_place"])
def test_a_goal_that_a_state_shows_is_reached_there_and_comes_back_with_a_snapshot(name: str) -> None:
    played = task(name)
    played.reset(seed=1)
    own = played.snapshot()
    shown = played.state().copy()
    played.set_goal(shown)
    given, still = played.snapshot(), np.zeros(played.task_spec.action_size, np.float32)
    assert played.step(still)[4]["success"]
    played.reset(seed=2)
    np.testing.assert_array_equal(played.restore(given)["state"], played.states(given[None])[0])
    assert played.step(still)[4]["success"]
    played.restore(own)  # of the same start, with the goal that it drew
    np.testing.assert_array_equal(played.state(), shown)
    assert not played.step(still)[4]["success"]


def test_a_maze_is_put_where_a_recorded_state_says() -> None:
    played = task("point_maze_large")
    played.reset(seed=1)
    there = np.array([0.5, -1.2, 0.3, -0.4, 2.5, 1.5], np.float32)
    here, put = played.state().copy(), played.snapshot_like(there)
    np.testing.assert_array_equal(played.state(), here)
    np.testing.assert_array_equal(played.restore(put)["state"], there)
    moved = played.step(np.zeros(2, np.float32))[0]["state"]
    np.testing.assert_allclose(moved[:2], there[:2] + there[2:4] * 0.01, atol=2e-3)
    np.testing.assert_array_equal(moved[4:], there[4:])
