"""Pictures without a GL library: right colours, at the right place, at the right distance."""

from __future__ import annotations

import itertools
import sys

import mujoco
import numpy as np
import pytest

from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.lit_camera import LitCamera
from wm_lab.tasks.overlay import Line, Overlay
from wm_lab.tasks.raycast import Marker, RayCamera, View

SCENE = """
<mujoco><worldbody>
  <camera name="down" pos="0 0 2" fovy="90"/>
  <geom name="floor" type="plane" size="5 5 .1" rgba="0 0 1 1"/>
  <geom name="box" type="box" size=".5 .5 .5" pos="1 0 .5" rgba="1 0 0 1"/>
</worldbody></mujoco>"""


@pytest.fixture
def scene() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(SCENE)
    return model, mujoco.MjData(model)


def test_depth_is_the_distance_along_each_ray(scene: tuple[mujoco.MjModel, mujoco.MjData]) -> None:
    model, data = scene
    depth = RayCamera(model, 65, 65, "down").depth(data, farthest=10.0)
    assert depth[32, 32] == pytest.approx(2.0)  # straight down to the floor
    # The ray through the middle of the picture's left edge leans by 64/65 of 45 degrees' tangent.
    assert depth[32, 0] == pytest.approx(2.0 * np.hypot(1, 64 / 65))
    assert depth[32, 60] == pytest.approx(np.hypot(1, 56 / 65))  # onto the top of the box, one metre below


def test_depth_stops_at_the_farthest(scene: tuple[mujoco.MjModel, mujoco.MjData]) -> None:
    model, data = scene
    assert RayCamera(model, 9, 9, "down").depth(data, farthest=1.5).max() == 1.5


def test_things_have_their_colours_on_their_side_of_the_picture(scene: tuple[mujoco.MjModel, mujoco.MjData]) -> None:
    model, data = scene
    image = RayCamera(model, 64, 64, "down").render(data)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert image[32, 60, 0] > 50 and image[32, 60, 2] == 0  # the red box to the right, along +x
    assert image[32, 4, 2] > 50 and image[32, 4, 0] == 0  # the blue floor to the left


def test_both_signatures_of_multi_ray_are_spoken(
    scene: tuple[mujoco.MjModel, mujoco.MjData], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = scene
    lengths = []

    def multi_ray(*arguments: object) -> None:
        lengths.append(len(arguments))

    monkeypatch.setattr(mujoco, "mj_multiRay", multi_ray)
    for normals in (False, True):
        monkeypatch.setattr("wm_lab.tasks.raycast._GIVES_NORMALS", normals)
        RayCamera(model, 4, 4, "down").render(data)
    assert lengths == [11, 12]


def test_looking_changes_nothing_in_the_episode() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 7)).astype(np.float32)
    ends = []
    for observation in ("state", "pixels"):
        task = HandTask(HandConfig(goal="stack", observation=observation))
        task.reset(seed=0)
        for action in actions:
            task.step(action)
        ends.append(task.snapshot())
    np.testing.assert_array_equal(*ends)


def test_the_picture_after_a_restore_is_the_picture_at_the_snapshot() -> None:
    task = HandTask(HandConfig(goal="insert", observation="pixels_proprio"))
    task.reset(seed=0)
    seen, *_ = task.step(np.ones(7, np.float32))
    snapshot = task.snapshot()
    task.reset(seed=1)
    again = task.restore(snapshot)
    np.testing.assert_array_equal(again["pixels"], seen["pixels"])
    np.testing.assert_array_equal(again["proprio"], seen["proprio"])


@pytest.mark.parametrize("goal", ["reach", "push", "place", "insert", "stack"])
def test_the_goal_can_be_seen(goal: str) -> None:
    task = HandTask(HandConfig(goal=goal, observation="pixels"))
    first, _ = task.reset(seed=0)
    goal_there = task.snapshot()
    task._physics.data.mocap_pos[0, 2] = -5.0
    assert np.any(task._pixels() != first["pixels"])
    assert np.array_equal(task.restore(goal_there)["pixels"], first["pixels"])


def test_the_hand_is_seen_wherever_it_can_go() -> None:
    task = HandTask(HandConfig(goal="push", observation="pixels"))
    for corner in itertools.product((-0.3, 0.3), (-0.3, 0.3), (-0.15, 0.2)):
        task._physics.data.qpos[:3] = corner
        red, green, blue = np.moveaxis(task._pixels().astype(int), -1, 0)
        assert np.any((green > 2 * red) & (blue > 2 * red)), f"no fingers in sight at {corner}"


def test_only_what_is_seen_is_told_by_the_look() -> None:
    """Data of states are those that they were, whatever pictures look like."""
    seen = {name: HandTask(HandConfig(observation=name)).task_spec.physics for name in ("state", "depth", "pixels")}
    assert "look" not in seen["state"] + seen["depth"] and "look" in seen["pixels"]


def test_a_shadow_lies_where_something_stands_before_the_lamp(
    scene: tuple[mujoco.MjModel, mujoco.MjData],
) -> None:
    model, data = scene
    image = LitCamera(model, 64, 64, "down", lamp=(-3.0, 0.0, 2.0)).render(data)
    assert image[32, 62, 2] < 0.8 * image[10, 62, 2], "the floor behind the box is darker than beside it"
    assert np.array_equal(image[32, 4], image[31, 4]) and image[32, 4, 2] > image[32, 62, 2]


def test_a_ball_that_is_half_there_shows_what_is_behind_it(scene: tuple[mujoco.MjModel, mujoco.MjData]) -> None:
    model, data = scene
    camera = LitCamera(model, 65, 65, "down", lamp=(-3.0, 0.0, 2.0))
    half = camera.render(data, [Marker((-0.5, 0.0, 1.0), 0.2, (1.0, 0.0, 0.0), opacity=0.5)])
    assert half[32, 16, 0] > 50 and half[32, 16, 2] > 50
    assert np.array_equal(camera.render(data), LitCamera(model, 65, 65, "down", lamp=(-3.0, 0.0, 2.0)).render(data))


@pytest.mark.parametrize("goal", ["push", "insert", "stack"])
def test_what_never_moves_is_looked_at_once_and_the_picture_is_the_same(goal: str) -> None:
    task = HandTask(HandConfig(goal=goal, observation="pixels"))
    for seed in (1, 2):  # goals that are geoms stand elsewhere
        task.reset(seed=seed)
        expert = task.expert()
        for _ in range(20):
            known, *_ = task.step(expert.act())
        task._eye = None
        np.testing.assert_array_equal(known["pixels"], task._pixels())
        camera = task._eye
        assert camera is not None
        camera._may_hit = lambda origin, rays, balls: np.ones(len(rays), bool)  # type: ignore[method-assign, assignment]
        np.testing.assert_array_equal(known["pixels"], task._pixels())


def test_every_observation_is_what_the_card_says() -> None:
    for observation in ("state", "pixels", "pixels_proprio", "depth"):
        task = HandTask(HandConfig(goal="push", observation=observation, image_size=32))
        seen, _ = task.reset(seed=0)
        assert {key: value.shape for key, value in seen.items()} == task.task_spec.observation
        assert task.observation_space.contains(seen)
    assert seen["depth"].shape == (512,) and 0.2 < seen["depth"].min() < seen["depth"].max() <= 2.0


def test_people_are_shown_a_larger_picture() -> None:
    task = HandTask(HandConfig())
    assert task.render().shape == (240, 320, 3) and task.render((128, 96), "front").shape == (96, 128, 3)


def test_a_ghost_stands_where_its_state_says_and_the_truth_stays() -> None:
    task = HandTask(HandConfig(goal="push"))
    task.reset(seed=0)
    plain, state = task.render(), task.state().copy()
    assert np.abs(task.render(overlay=Overlay(ghost=state)).astype(int) - plain).sum(-1)[:60].max() < 160
    state[task.layout.position(0) : task.layout.position(0) + 2] = 0.2, -0.1  # the block alone, elsewhere
    changed = np.argwhere(np.abs(task.render(overlay=Overlay(ghost=state)).astype(int) - plain).sum(-1) > 60)
    x, y = task.in_picture(np.array([0.2, -0.1, 0.022])) * (320, 240)
    assert np.abs(changed - (y, x)).max(axis=1).min() < 2, "something new is where the ghost's block is"
    np.testing.assert_array_equal(task.render(), plain)


def test_a_line_goes_through_the_places_that_it_names() -> None:
    task = HandTask(HandConfig())
    task.reset(seed=0)
    points = np.array([[-0.2, -0.1, 0.0], [0.2, 0.1, 0.0]])
    drawn = task.render(overlay=Overlay(lines=[Line(points, (1.0, 1.0, 0.0))]))
    for x, y in (task.in_picture(points) * (320, 240)).astype(int):
        assert drawn[y - 2 : y + 3, x - 2 : x + 3, 0].max() > 180
    behind = [Line(points - np.array([0.0, 5.0, 0.0]))]
    np.testing.assert_array_equal(task.render(overlay=Overlay(lines=behind)), task.render())


def test_no_gl_library_is_loaded() -> None:
    assert not any(name.split(".")[0] == "OpenGL" for name in sys.modules)


def test_a_marker_is_seen_where_it_stands_and_hidden_behind_what_stands_before_it() -> None:
    xml = '<mujoco><worldbody><geom type="box" size=".1 .1 .1" rgba="0 0 1 1"/></worldbody></mujoco>'
    model = mujoco.MjModel.from_xml_string(xml)
    camera = RayCamera(model, 65, 65, View.towards((0, 0, 0), eye=(2, 0, 0)))
    data = mujoco.MjData(model)

    def middle(x: float) -> np.ndarray:
        return camera.render(data, [Marker((x, 0.0, 0.0), 0.05, (1.0, 0.0, 0.0))])[32, 32]

    assert middle(0.5)[0] > middle(0.5)[2]  # before the box
    np.testing.assert_array_equal(middle(-0.5), camera.render(data)[32, 32])  # behind it
