"""Environments that break a line of Gymnasium's contract, each refused in a sentence that names both."""

from __future__ import annotations

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from tests.tasks.toy_envs import Line
from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.tasks.gym import GymConfig, GymTask
from wm_lab.tasks.gym.environment import DRIVER

NUMBERS = spaces.Box(-10, 10, (2,), np.float32)


class Plain(Line):
    """As `Line`, with one vector to see."""

    observation_space = NUMBERS

    def look(self):
        return np.array([self.goal, self.place], np.float32)


def stepping(name: str, change):
    """An environment whose step returns `change` of the five values."""

    def step(self, action):
        return change(*Plain.step(self, action))

    return register(name, step=step)


def register(name: str, base: type = Plain, **members: object) -> type:
    kind = type(name, (base,), members)
    gymnasium.register(f"Loose{name}-v0", entry_point=kind, max_episode_steps=20)
    return kind


def resetting(name: str, change):
    def reset(self, *, seed=None, options=None):
        return change(*Plain.reset(self, seed=seed, options=options))

    return register(name, reset=reset)


def seeing(name: str, look, **members: object):
    """An environment that is as it should be at first, and then shows something else."""

    def late(self):
        return Plain.look(self) if self.steps < 1 else look(Plain.look(self))

    return register(name, look=late, **members)


def failing(*args, **kwargs):
    raise ValueError("no such leg")


stepping("Four", lambda s, r, te, tr, i: (s, r, te, i))
stepping("None", lambda *_: None)
stepping("NoReward", lambda s, r, te, tr, i: (s, None, te, tr, i))
stepping("Text", lambda s, r, te, tr, i: (s, "much", te, tr, i))
stepping("Vector", lambda s, r, te, tr, i: (s, np.array([r, 1.0]), te, tr, i))
stepping("NanReward", lambda s, r, te, tr, i: (s, float("nan"), te, tr, i))
stepping("HugeReward", lambda s, r, te, tr, i: (s, 1e42, te, tr, i))
stepping("NoInfo", lambda s, r, te, tr, i: (s, r, te, tr, None))
stepping("NoFlag", lambda s, r, te, tr, i: (s, r, None, tr, i))
stepping("Swapped", lambda s, r, te, tr, i: (s, r, te, i, tr))
resetting("Alone", lambda seen, info: seen)
resetting("NoInfoYet", lambda seen, info: (seen, None))
register("Seedless", reset=lambda self: Plain.reset(self))
register("Optionless", reset=lambda self, seed=None: Plain.reset(self, seed=seed))
register("Failing", step=failing)
register("Stillborn", __init__=failing)
register("Nothing", observation_space=None)
register("Idle", action_space=None)
seeing("Wide", lambda seen: np.append(seen, 0.0))
seeing("Upright", lambda seen: seen[:, None])
seeing("Wordy", lambda seen: ["left", "right"])
seeing("Blank", lambda seen: None)
seeing("Ragged", lambda seen: [[1.0], [1.0, 2.0]])
seeing("Huge", lambda seen: np.array([1e42, 0.0]), observation_space=spaces.Box(-np.inf, np.inf, (2,), np.float64))
seeing("Fractions", lambda seen: seen + 0.5, observation_space=spaces.Box(-10, 10, (2,), np.int64))
register("Keyless", Line, look=lambda self: {"place": np.array([self.place])})
register("Listing", Line, look=lambda self: [self.place, self.goal])

STEP = r"the contract is step\(action\) -> \(observation, reward, terminated, truncated, info\)"
RESET = r"the contract is reset\(self, \*, seed=None, options=None\) -> \(observation, info\)"

LOOSE = {
    "Four": rf"step returned 4 values .* {STEP}",
    "None": rf"step returned None .* {STEP}",
    "NoReward": rf"step returned None as its reward .* {STEP}",
    "Text": "step returned a str as its reward",
    "Vector": r"a reward of shape \(2,\), and the lab plans for one number .* LinearReward",
    "NanReward": "the reward is not a finite number after 1 steps of the episode with seed",
    "HugeReward": r"the reward is not a finite number .* single precision, up to 3.4e\+38",
    "NoInfo": rf"step returned None as info .* {STEP}",
    "NoFlag": "step returned None as terminated .* True or False as terminated",
    "Swapped": "step returned a dict as truncated",
    "Alone": rf"reset returned a ndarray .* {RESET}",
    "NoInfoYet": rf"reset returned None as info .* {RESET}",
    "Seedless": rf"reset of Seedless takes no seed and no options; {RESET}",
    "Optionless": rf"reset of Optionless takes no options; {RESET}",
    "Failing": r"step raised ValueError: no such leg \(.*test_gym_contract.py:\d+\); HYDRA_FULL_ERROR=1 shows",
    "Stillborn": r"making it raised .*no such leg.*; HYDRA_FULL_ERROR=1 shows",
    "Nothing": "declares no observation_space",
    "Idle": "takes None, but planners here need bounded continuous actions",
    "Wide": r"the observation of step has shape \(3,\) .* its observation_space, Box",
    "Upright": r"the observation of step has shape \(2, 1\)",
    "Wordy": "step returned a list of 2 as the observation",
    "Blank": "step returned None as the observation",
    "Ragged": "step returned a list of 2 as the observation",
    "Huge": "the observation of step is not a finite number after 1 steps",
    "Fractions": "the observation of reset holds numbers of float32 that int64 cannot",
    "Keyless": r"the observation of reset lacks goal .* Dict",
    "Listing": "reset returned a list of 2 as the observation",
}


@pytest.mark.parametrize("name", LOOSE)
def test_a_broken_line_of_the_contract_is_named_with_the_environment(name: str) -> None:
    with pytest.raises(UserError, match=LOOSE[name]) as told:
        GymTask(GymConfig(id=f"Loose{name}-v0")).step(np.zeros(1, np.float32))
    assert str(told.value).startswith(f"task.id=Loose{name}-v0") and "\n" not in str(told.value)


def test_what_is_meant_without_doubt_is_taken() -> None:
    """A reward in an array of one, flags of NumPy's, a list as observation, keys beyond those declared."""
    stepping("Wrapped", lambda s, r, te, tr, i: (s.tolist(), np.array([r]), np.array([te]), np.bool_(tr), i))
    register("Telling", Line, look=lambda self: {**Line.look(self), "more": "words"})
    for name in ("Wrapped", "Telling"):
        task = GymTask(GymConfig(id=f"Loose{name}-v0"))
        state, reward, terminated, *_ = task.step(np.zeros(1, np.float32))
        assert reward == pytest.approx(-abs(np.subtract(*state["state"])), abs=1e-6) and terminated is False


@pytest.mark.parametrize("fps", [0, None, float("nan"), "fast", 30])
def test_how_fast_a_film_is_shown_is_no_length_of_a_step(fps: object) -> None:
    register(f"Fps{fps}", metadata={"render_modes": [], "render_fps": fps})
    assert GymTask(GymConfig(id=f"LooseFps{fps}-v0")).task_spec.control_hz is None
    assert GymTask(GymConfig(id=f"LooseFps{fps}-v0", control_hz=12.5)).task_spec.control_hz == 12.5


@pytest.mark.parametrize("hz", [0.0, -5.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(hz: float) -> None:
    with pytest.raises(UserError, match=r"task.control_hz=.* must be"):
        read_config(GymConfig, {"control_hz": hz}, "task")


def test_mujocos_clock_tells_how_long_a_step_is_also_where_a_wrapper_repeats_it() -> None:
    pytest.importorskip("imageio", reason="gymnasium's MuJoCo environments import it; pip install 'gymnasium[mujoco]'")

    class Thrice(gymnasium.Wrapper):
        def step(self, action):
            for _ in range(2):
                self.env.step(action)
            return self.env.step(action)

    gymnasium.register(
        "LooseThrice-v0", entry_point=lambda: Thrice(gymnasium.make("InvertedPendulum-v5")), max_episode_steps=20
    )
    assert GymTask(GymConfig(id="Reacher-v5")).task_spec.control_hz == 50.0
    assert GymTask(GymConfig(id="InvertedPendulum-v5")).task_spec.control_hz == 25.0
    assert GymTask(GymConfig(id="LooseThrice-v0")).task_spec.control_hz == pytest.approx(25.0 / 3)


def test_arguments_reach_the_constructor_and_are_part_of_the_task() -> None:
    def init(self, *, end=5.0):
        Plain.__init__(self)
        self.end = end

    register("Told", __init__=init)
    near = GymTask(GymConfig(id="LooseTold-v0", make={"end": 2.0}))
    assert near._env.unwrapped.end == 2.0
    assert (
        near.task_spec.settings["make"]
        == {"end": 2.0}
        != GymTask(GymConfig(id="LooseTold-v0")).task_spec.settings["make"]
    )
    with pytest.raises(UserError, match=r"making it raised TypeError: .*unexpected keyword argument 'ende'"):
        GymTask(GymConfig(id="LooseTold-v0", make={"ende": 2.0}))
    with pytest.raises(UserError, match=r"task.make.max_episode_steps=5 .* task.episode_steps says it"):
        GymTask(GymConfig(id="LooseTold-v0", make={"max_episode_steps": 5}))


def test_a_missing_screen_is_told_where_a_picture_is_asked_for_and_no_hindrance_where_none_is() -> None:
    drawing = {"metadata": {"render_modes": ["rgb_array"]}, "render_mode": "rgb_array"}
    register("Dark", render=lambda self: failing(), **drawing)
    register("Grey", render=lambda self: np.zeros((8, 8), np.uint8), **drawing)

    def init(self, render_mode=None):
        if render_mode is not None:
            raise OSError("libGL.so.1: cannot open shared object file")
        self.render_mode = render_mode

    register("Headless", __init__=init, metadata={"render_modes": ["rgb_array"]})
    for name, told in (
        ("Dark", "cannot draw itself: no such leg; install OpenGL .* task.observation=state"),
        ("Grey", r"render returned an array \(8, 8\) of uint8; the contract is render"),
        ("Headless", "cannot draw itself: OSError: libGL.so.1: .*; install OpenGL"),
    ):
        GymTask(GymConfig(id=f"Loose{name}-v0"))
        with pytest.raises(UserError, match=told):
            GymTask(GymConfig(id=f"Loose{name}-v0", observation="pixels"))


def test_what_a_users_function_says_or_raises_is_told_by_its_name() -> None:
    told = {"no such leg": failing, "and success is True or False": lambda seen, info: seen["goal"] * np.ones(3)}
    for sentence, function in told.items():
        globals()["judge"] = function
        with pytest.raises(UserError, match=f"task.success={__name__}:judge .*{sentence}"):
            GymTask(GymConfig(id="tests.tasks.toy_envs:Line-v0", success=f"{__name__}:judge"))


def test_a_missing_package_is_told_with_the_way_to_get_it() -> None:
    def lacking(error: Exception) -> str:
        def init(self):
            raise error

        name = f"Lacking{type(error).__name__}{len(str(error))}"
        register(name, __init__=init)
        with pytest.raises(UserError) as told:
            GymTask(GymConfig(id=f"Loose{name}-v0"))
        return str(told.value)

    assert lacking(ModuleNotFoundError("No module named 'jax'", name="jax")).endswith("'jax'; pip install jax")
    imageio = ModuleNotFoundError("No module named 'imageio.core'", name="imageio.core")
    assert lacking(imageio).endswith("pip install 'gymnasium[mujoco]'")
    said = gymnasium.error.DependencyNotInstalled("Box2D is not installed, run `pip install gymnasium[box2d]`")
    assert lacking(said).endswith("lacks a package: Box2D is not installed, run `pip install gymnasium[box2d]`")


@pytest.mark.parametrize(
    ("space", "mend"),
    [
        (spaces.Discrete(2), "choose one whose action_space is a Box"),
        (spaces.Dict({"arm": NUMBERS}), "choose one whose action_space is a Box"),
        (spaces.Box(-np.inf, 1.0, (2,)), "give its action_space finite bounds"),
    ],
)
def test_actions_that_nobody_can_plan_are_refused_with_what_helps(space: spaces.Space, mend: str) -> None:
    name = f"Acting{type(space).__name__}"
    register(name, action_space=space)
    with pytest.raises(UserError, match=f"need bounded continuous actions; {mend}"):
        GymTask(GymConfig(id=f"Loose{name}-v0"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_an_environment_that_draws_with_pygame_looks_for_no_screen_where_there_is_none():
    pytest.importorskip("pygame")
    told = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", DRIVER)}
    look = (
        "from wm_lab.tasks.gym import GymConfig, GymTask\n"
        "task = GymTask(GymConfig(id='Pendulum-v1', observation='pixels'))\n"
        "print(task.reset(seed=0)[0]['pixels'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", look], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(64, 64, 3)") and "XDG" not in done.stderr
