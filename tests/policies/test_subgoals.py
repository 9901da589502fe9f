"""Sub-goals: who executes them goes there, who shuffles them does not, and hindsight stays inside its episode."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.data.toy import SPEED, PointTask
from tests.policies.linear_world import A, B, LinearModel
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.imagined_goals import ImaginedGoals
from wm_lab.policies.known_subgoals import DemonstratedStates, ExpertSubgoals, RememberedSubgoals, ShuffledSubgoals
from wm_lab.policies.subgoal_cloning import SubgoalCloning, SubgoalCloningConfig
from wm_lab.policies.subgoals import HoldConfig, SubgoalPolicy, Subgoals
from wm_lab.policy import Moment, Policy
from wm_lab.world_model import DataSpec, Windows

STEPS, AHEAD = 24, 10
SMALL = {"history": 1, "chunk": 1, "execute": 1, "dropout": 0.0}


def wandering(episodes: int = 64) -> Windows:
    """A point mass (position, velocity) under actions that change slowly."""
    action = torch.zeros(episodes, STEPS, 1)
    for step in range(1, STEPS):
        action[:, step] = (0.7 * action[:, step - 1] + 0.7 * torch.randn(episodes, 1)).clamp(-1, 1)
    states = [torch.randn(episodes, 2) * torch.tensor([0.3, 0.2])]
    for step in range(1, STEPS):
        states.append(states[-1] @ torch.from_numpy(A.T) + action[:, step] @ torch.from_numpy(B.T))
    flags = torch.zeros(episodes, STEPS, dtype=torch.bool)
    first = flags.clone()
    first[:, 0] = True
    return Windows({"state": torch.stack(states, 1)}, action, flags.float(), first, flags, ~flags)


def spec() -> DataSpec:
    states = wandering(512).observation["state"]
    mean, std, change = states.mean((0, 1)), states.std((0, 1)), states.diff(dim=1).std((0, 1))
    return DataSpec(
        {"state": (2,)},
        1,
        {"state": mean.tolist()},
        {"state": std.tolist()},
        {"state": change.tolist()},
        changes={"state": [True, True]},
    )


@pytest.fixture(scope="module")
def net() -> SubgoalCloning:
    torch.manual_seed(0)
    config = SubgoalCloningConfig(
        history=1, chunk=1, execute=1, hidden=64, layers=2, dropout=0.0, pairs=32, ahead=AHEAD
    )
    net = SubgoalCloning(config, spec())
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(400):
        loss, _ = net.loss(wandering())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


class Told(Subgoals):
    """The same place for each row, always."""

    def __init__(self, goals: np.ndarray) -> None:
        self.goals = goals

    def propose(self, moment: Moment) -> np.ndarray:
        return self.goals[moment.rows]


def nearest(net: SubgoalCloning, source: Subgoals, starts: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """How near to its goal each row comes, in ordinary steps."""

    def apart(states: np.ndarray, others: np.ndarray) -> np.ndarray:
        return net.apart(torch.from_numpy(states), torch.from_numpy(others)).numpy()

    policy = SubgoalPolicy(BCPolicy(net), source, apart, HoldConfig(steps=AHEAD))
    x, rows, least = starts.copy(), np.arange(len(starts)), np.full(len(starts), np.inf)
    policy.start(len(rows))
    for row in rows:
        policy.reset(int(row), SimpleNamespace(), seed=int(row))
    for step in range(3 * AHEAD):
        action = policy.act(Moment(rows, {"state": x}, np.zeros((len(x), 1), np.float32), np.full(len(x), step == 0)))
        x = (x @ A.T + action @ B.T).astype(np.float32)
        least = np.minimum(least, apart(x, goals))
    return least


def test_an_executor_reaches_what_can_be_reached_and_a_shuffled_one_does_not(net):
    torch.manual_seed(5)
    shown = wandering(32).observation["state"].numpy()
    starts, goals = shown[:, 4].copy(), shown[:, 4 + AHEAD].copy()  # reached once, so they can be
    told = nearest(net, Told(goals), starts, goals)
    memory = DemonstratedStates(shown.reshape(-1, 2), np.repeat(np.arange(STEPS, 33 * STEPS, STEPS) - 1, STEPS))
    shuffled = nearest(net, ShuffledSubgoals(memory), starts, goals)
    assert (told < 1).mean() > 0.9
    assert (shuffled < 1).mean() < 0.6


def test_an_episode_reports_what_it_was_told_and_when():
    goals = np.float32([[5.0, 0.0], [9.0, 0.0]])
    policy = SubgoalPolicy(
        Straight(), Told(goals), lambda states, others: np.full(len(states), 9.0), HoldConfig(steps=4)
    )
    policy.start(2)
    for begun in (0, 1):
        for row in (0, 1):
            policy.reset(row, SimpleNamespace(), seed=begun)
        for step in range(8):
            rows = np.arange(1 if step > 2 else 2)  # the second episode is over sooner
            seen = {"state": np.zeros((len(rows), 2), np.float32)}
            policy.act(Moment(rows, seen, np.zeros((len(rows), 1)), np.full(len(rows), step == 0)))
        for row, asked in enumerate([[0, 6], [0]]):
            told = policy.report(row)
            assert told["asked"].tolist() == asked
            np.testing.assert_array_equal(told["subgoals"], goals[[row] * len(asked)])


def test_hindsight_looks_ahead_as_far_as_it_is_told_and_never_past_the_end_of_an_episode(net):
    ends = torch.tensor([STEPS, 5, 2])
    rows, now, later = net._pairs(ends)
    assert (later > now).all() and (later < ends[rows]).all()
    assert (later - now).max() == AHEAD
    short = wandering()
    short.valid[:, 6:] = False
    spoilt = short.map(torch.clone)
    spoilt.observation["state"][:, 6:] = 1e6
    losses = []
    for windows in (short, spoilt):
        torch.manual_seed(3)
        losses.append(net.loss(windows)[0].item())
    assert losses[0] == losses[1]


def test_a_perfect_model_imagines_the_goals_that_were_seen():
    windows = wandering()
    rows, now, later = SubgoalCloning(SubgoalCloningConfig(**SMALL, ahead=AHEAD), spec())._pairs(windows.valid.sum(1))
    imagined = ImaginedGoals(LinearModel(), ["do it"])(windows, rows, now, later)
    torch.testing.assert_close(imagined, windows.observation["state"][rows, later], atol=1e-5, rtol=1e-5)
    windows.observation["state"][:, 3:] = 1e6  # whoever imagines from the start does not look ahead
    rows = rows[now == 0]
    early, late = now[now == 0], later[now == 0]
    again = ImaginedGoals(LinearModel(), ["do it"])(windows, rows, early, late)
    torch.testing.assert_close(again, imagined[now == 0])


def test_the_share_of_imagined_goals_is_told_in_training_and_none_is_when_it_is_judged():
    class Elsewhere(ImaginedGoals):
        asked = 0

        def __call__(self, windows, rows, now, later):
            self.asked += len(rows)
            return torch.full((len(rows), 2), 50.0)

    windows = wandering(100)
    for share in (0.0, 0.3, 1.0):
        net = SubgoalCloning(SubgoalCloningConfig(**SMALL, pairs=32, imagined=share), spec())
        seen = net._goals(windows, *net._pairs(windows.valid.sum(1)))["state"]
        assert (seen < 50).all()
        imagined = Elsewhere(LinearModel(), ["do it"])
        net.imagine_by(imagined)
        told = net._goals(windows, *net._pairs(windows.valid.sum(1)))["state"]
        assert (told == 50).all(1).float().mean().item() == pytest.approx(share, abs=0.05) == imagined.asked / len(told)
        assert (net.eval()._goals(windows, *net._pairs(windows.valid.sum(1)))["state"] < 50).all()
        assert not [name for name in net.state_dict() if "imagined" in name]


def test_what_goals_do_not_tell_is_not_looked_at():
    net = SubgoalCloning(SubgoalCloningConfig(**SMALL, untold=[1]), spec()).eval()
    seen = {"state": torch.zeros(1, 1, 2)}
    told = [net(seen | {"goal.state": torch.tensor([[[0.3, speed]]])}).item() for speed in (-1.0, 1.0)]
    assert told[0] == told[1]
    assert net.apart(torch.tensor([0.0, -5.0]), torch.tensor([0.0, 5.0])) == 0


class Straight(Policy):
    """A perfect executor for the point mass in the plane."""

    observation_keys = ("state", "goal.state")

    def act(self, moment: Moment) -> np.ndarray:
        gap = moment.observation["goal.state"][:, :2] - moment.observation["state"][:, :2]
        return (gap / SPEED).clip(-1, 1).astype(np.float32)


def place(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
    return np.linalg.norm(goals[:, :2] - states[:, :2], axis=1) / SPEED


@pytest.mark.parametrize("steps", [3, None])
def test_told_by_an_oracle_a_perfect_executor_succeeds(steps):
    task, rows = PointTask(), np.array([0])
    policy = SubgoalPolicy(Straight(), ExpertSubgoals(PointTask(), steps), place, HoldConfig(steps=3, near=0.1))
    policy.start(1)
    for seed in range(5):
        seen, _ = task.reset(seed=seed)
        policy.reset(0, task, seed)
        succeeded = []
        for step in range(12):
            shown = {"state": seen["state"][None], "snapshot": task.snapshot()[None]}
            action = policy.act(Moment(rows, shown, np.zeros((1, 2), np.float32), np.array([step == 0])))
            seen, _, _, _, told = task.step(action[0])
            succeeded.append(told["success"])
        assert any(succeeded)
        assert len(policy.report(0)["milliseconds"]) >= 2


def test_a_sub_goal_is_held_until_it_is_reached_or_has_had_its_time():
    class Counting(Told):
        asked = 0

        def propose(self, moment: Moment) -> np.ndarray:
            self.asked += 1
            return super().propose(moment)

    def asked(action: float, every: int = 1) -> int:
        class Constant(Policy):
            def act(self, moment: Moment) -> np.ndarray:
                return np.full((1, 2), action, np.float32)

        source = Counting(np.array([[2 * SPEED, 0.0]], np.float32))
        policy = SubgoalPolicy(Constant(), source, place, HoldConfig(steps=4, hold=1.5, near=0.5), every)
        policy.start(1)
        policy.reset(0, SimpleNamespace(), 0)
        x = np.zeros((1, 2), np.float32)
        for step in range(12):
            policy.act(Moment(np.array([0]), {"state": x}, np.zeros((1, 2)), np.array([step == 0])))
            x = x + SPEED * np.array([[action, 0.0]], np.float32)
        return source.asked

    assert asked(0.0) == 2  # at the start, and after six steps
    assert asked(0.0, every=4) == 2  # after eight: the executor decides on four at once
    assert asked(1.0) == 3  # also after two, where it is reached, and after six more


def test_a_memory_tells_what_came_later_and_stays_in_its_episode():
    states = np.arange(10, dtype=np.float32)[:, None]
    memory = DemonstratedStates(states, np.array([4] * 5 + [9] * 5))
    source = RememberedSubgoals(memory, 3, np.ones(1))
    here = np.array([[1.2], [3.9], [6.0]], np.float32)
    told = source.propose(Moment(np.arange(3), {"state": here}, np.zeros((3, 1)), np.ones(3, bool)))
    assert told[:, 0].tolist() == [4, 4, 9]
