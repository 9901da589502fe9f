"""The true dynamics behind the contract of a world model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.worlds import make_informed
from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.true_dynamics import JudgedSimulator
from wm_lab.tasks.varied import vary
from wm_lab.world_model import DataSpec, Windows


def windows(snapshots: np.ndarray) -> Windows:
    """Windows [B, T] around snapshots [B, T, S]."""
    batch, steps = snapshots.shape[:2]
    flags = torch.zeros(batch, steps, dtype=torch.bool)
    observation = {"snapshot": torch.from_numpy(snapshots)}
    return Windows(observation, torch.zeros(batch, steps, 7), torch.zeros(batch, steps), flags, flags, ~flags)


@pytest.mark.parametrize("goal", list(GOALS))
def test_what_is_imagined_is_what_happens(goal: str) -> None:
    task = HandTask(HandConfig(goal=goal))
    model = Simulator(SimulatorConfig(threads=2), task)
    task.reset(seed=0)
    expert, snapshots = task.expert(), []
    for _ in range(25):
        task.step(expert.act())
        snapshots.append(task.snapshot())
    state = model.encode(windows(np.stack(snapshots)[None]))
    actions = torch.rand(1, 2, 15, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    imagined = model.imagine(state, actions)
    for n in range(2):
        task.restore(snapshots[-1])
        for t in range(15):
            _, reward, *_ = task.step(actions[0, n, t].numpy())
            assert np.abs(task.state().astype(float) - imagined.features[0, n, t].double().numpy()).max() <= 1e-9
            assert imagined.reward[0, n, t].item() == pytest.approx(reward, abs=1e-5)


@pytest.mark.parametrize("kind", ["none", "physics"])
@torch.inference_mode()
def test_steps_are_one_imagination_and_the_running_episode_stays_where_it_is(kind: str) -> None:
    task = vary(HandTask(HandConfig(goal="push")), kind)
    snapshots = []
    for seed in range(3):
        task.reset(seed=seed)
        snapshots.append(task.snapshot())
    here, size = task.snapshot(), task.state().shape
    simulator = Simulator(SimulatorConfig(), task)
    judge = make_informed("rssm-gaussian", DataSpec({"state": size}, 7)).eval()
    data = windows(np.stack(snapshots)[:, None])
    data.first[:] = True
    data.observation["state"] = simulator.observe(data)[1].features[:, 0]
    plans = torch.rand(3, 2, 8, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for model in (simulator, JudgedSimulator(simulator, judge)):
        belief = model.encode(data)
        whole, (_, steps) = model.imagine(belief, plans), model.advance(belief.expand(2), plans.flatten(0, 1))
        for together, apart in zip(whole[:3], steps[:3], strict=True):
            torch.testing.assert_close(apart[:, 0].unflatten(0, (3, 2)), together, rtol=1e-4, atol=1e-4)
        with pytest.raises(ValueError, match=r"actions must be \[B, A\] with B=3"):
            model.step(belief, plans[:, 0])
    np.testing.assert_array_equal(task.snapshot(), here)


def test_observing_gives_the_true_states_seen_and_the_last_snapshot() -> None:
    task = HandTask(HandConfig(goal="push"))
    model = Simulator(SimulatorConfig(), task)
    seen, snapshots = [], []
    for seed in range(3):
        task.reset(seed=seed)
        seen.append(task.state())
        snapshots.append(task.snapshot())
    state, posterior = model.observe(windows(np.stack(snapshots)[None]))
    np.testing.assert_array_equal(posterior.features[0, 0], np.stack(seen))
    np.testing.assert_array_equal(state.snapshot[0], snapshots[-1])
    assert posterior.reward.shape == posterior.continue_probability.shape == (1, 1, 3)
    assert posterior.uncertainty is None and model.decode(posterior)["state"] is posterior.features


def test_there_is_nothing_to_learn_and_snapshots_must_be_exact() -> None:
    task = HandTask(HandConfig())
    model = Simulator(SimulatorConfig(), task)
    batch = windows(task.snapshot()[None, None])
    with pytest.raises(UserError, match="nothing to learn"):
        model.loss(batch)
    with pytest.raises(UserError, match="float64"):
        model.observe(batch.map(lambda value: value.float()))
    with pytest.raises(UserError, match=r"model\.threads=0"):
        read_config(SimulatorConfig, {"threads": 0}, "model")


def test_sampling_futures_and_following_the_best_reaches_the_goal() -> None:
    """A cross-entropy search of the test's own: the cost alone leads there, whatever planner follows it."""
    task = HandTask(HandConfig())
    model = Simulator(SimulatorConfig(), task)
    random = np.random.default_rng(0)
    task.reset(seed=0)
    mean = np.zeros((4, 7))
    for step in range(40):
        if step % 2 == 0:
            state = model.encode(windows(task.snapshot()[None, None]))
            std = np.full((4, 7), 0.6)
            for _ in range(3):
                knots = np.clip(mean + std * random.standard_normal((48, 4, 7)), -1, 1)
                plans = torch.from_numpy(np.repeat(knots, 2, axis=1)).float()
                score = model.imagine(state, plans[None]).reward[0].mean(-1)
                elites = knots[score.topk(8).indices]
                mean, std = elites.mean(0), elites.std(0) + 0.05
        solved = task.step(mean[0].astype(np.float32))[4]["success"]
        if solved:
            break
    assert solved, "the goal was not reached in 40 steps"
