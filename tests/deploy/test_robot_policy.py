"""One robot's policy: what it remembers by itself, what it refuses, and a loop that says when it was late."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from wm_lab.deploy.loop import control_loop
from wm_lab.deploy.robot_policy import RobotPolicy
from wm_lab.errors import UserError
from wm_lab.policy import Moment, Policy
from wm_lab.world_model import DataSpec

SPEC = DataSpec(
    observation={"state": (2,), "pixels": (8, 8, 3)},
    action_size=1,
    mean={"state": [0.2, 0.0]},
    std={"state": [0.1, 0.4]},
)
SEEN = {"state": np.array([0.3, -0.5]), "pixels": np.zeros((8, 8, 3), np.uint8)}


class Remembers(Policy):
    """Keeps every moment, and acts by counting."""

    observation_keys = ("state", "pixels")

    def __init__(self, seconds: float = 0.0) -> None:
        self.moments: list[Moment] = []
        self.seeds: list[int] = []
        self.seconds = seconds

    def reset(self, row, task, seed):
        self.seeds.append(seed)

    def act(self, moment: Moment) -> np.ndarray:
        time.sleep(self.seconds)
        self.moments.append(Moment(moment.rows, moment.observation, moment.previous_action.copy(), moment.first))
        return np.full((1, 1), len(self.moments) / 10, np.float32)


def robot(policy: Policy, **options: bool) -> RobotPolicy:
    task = SimpleNamespace(command=lambda action: 100 * action)
    return RobotPolicy(policy, SPEC, lambda: task, "mine", **options)


def test_first_and_previous_actions_are_kept_for_the_robot():
    policy = Remembers()
    one = robot(policy)
    actions = [one.act(SEEN), one.act(SEEN), one.act(SEEN, executed=np.array([-1.0001]))]
    one.reset(seed=5)
    one.act(SEEN)
    assert [float(action[0]) for action in actions] == pytest.approx([0.1, 0.2, 0.3])
    assert [bool(moment.first[0]) for moment in policy.moments] == [True, False, False, True]
    assert [float(m.previous_action[0, 0]) for m in policy.moments] == pytest.approx([0.0, 0.1, -1.0, 0.0])
    assert policy.seeds == [0, 5]


def test_own_units_are_the_tasks_commands():
    assert robot(Remembers(), own_units=True).act(SEEN) == pytest.approx([10.0])


def test_an_array_alone_is_what_the_only_key_names():
    policy = Remembers()
    policy.observation_keys = ("state",)
    robot(policy).act(SEEN["state"])
    np.testing.assert_allclose(policy.moments[0].observation["state"], [SEEN["state"]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"state": np.zeros(3)}, r"'state' has shape \[3\], where the model was trained on \[2\]"),
        ({"state": np.array(["a", "b"])}, "'state' is of <U1, where the model was trained on float32 numbers"),
        ({"state": np.array([0.3, np.nan])}, "'state' holds a number that is not finite, at 1"),
        ({"state": np.array([0.3, -28.6])}, r"state\[1\] is -28.6, where the model was trained on 0 ± 0.4; give it in"),
        ({"pixels": np.zeros((8, 8, 3))}, "'pixels' is an image of float64, where the model was trained on uint8"),
        ({"pixels": np.zeros((3, 8, 8), np.uint8)}, r"'pixels' has shape \[3, 8, 8\]"),
    ],
)
def test_what_is_not_like_the_data_is_said_in_a_sentence(wrong, said):
    with pytest.raises(UserError, match=said):
        robot(Remembers()).act(SEEN | wrong)


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match="the observation lacks 'pixels'; it has 'state'"):
        robot(Remembers()).act({"state": SEEN["state"]})
    with pytest.raises(UserError, match="a dictionary of arrays with the keys state, pixels, and not a ndarray"):
        robot(Remembers()).act(SEEN["state"])
    one = robot(Remembers())
    one.act(SEEN)
    for wrong in ([0.0, 0.0], [5.0], [np.nan]):
        with pytest.raises(UserError, match=r"executed must be 1 numbers in \[-1, 1\], also where"):
            one.act(SEEN, executed=np.array(wrong))


def test_a_loop_keeps_its_rate_and_says_when_it_missed_it(caplog):
    sent: list[np.ndarray] = []
    began = time.perf_counter()
    report = control_loop(robot(Remembers()), lambda: SEEN, sent.append, hz=50, steps=5)
    assert time.perf_counter() - began >= 4 / 50 and len(sent) == 5
    late = control_loop(robot(Remembers(seconds=0.03)), lambda: SEEN, sent.append, hz=50, steps=3)
    assert late.missed == [0, 1, 2] and "missed its deadline: 3" in caplog.text
    assert str(late).startswith("3 steps of 20.0 ms: median") and str(late).endswith("3 missed their deadline")
    assert len(report.milliseconds) == 5
