"""The unit of a recording decides nothing: not what is learnt, not how it is judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.data.statistics import METRIC, SCALE_FREE, floors_of, moments, spread_of_changes
from wm_lab.data.windows import WindowSampler
from wm_lab.evaluation.assessment import LINEAR, PERSISTENCE, assess, variable_errors
from wm_lab.evaluation.baselines import LinearDynamics, persistence
from wm_lab.formats.actions import RecordedScale
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.tasks.task import UNTOLD, TaskSpec, Variable

UNITS = [1e-9, 1e-5, 1.0, 1e9]
EPISODES, STEPS = 12, 20
CONSTANT = 3  # a dimension that never moves


def recording(folder, unit):
    """A point pushed about, a constant and a clock, all in multiples of `unit`; the actions are the same."""
    rng = np.random.default_rng(0)
    task_spec = TaskSpec(
        "recorded/point", {"state": (5,)}, 2, STEPS, 20, (), "", "", "", (Variable("all", 0, 5, ""),), {}
    )  # fmt: skip
    folder.mkdir()
    writer = ShardWriter(folder, EPISODES * (STEPS + 1))
    for seed in range(EPISODES):
        action = np.concatenate([np.zeros((1, 2)), rng.uniform(-1, 1, (STEPS, 2))])
        place = np.cumsum(0.05 * np.concatenate([rng.uniform(-10, 10, (1, 2)), action[1:]]), 0)
        goal = np.full((STEPS + 1, 1), rng.uniform(-1, 1))
        clock = 0.01 * np.arange(STEPS + 1)[:, None]
        state = unit * np.concatenate([place, goal, np.full((STEPS + 1, 1), 0.3), clock], 1)
        reward = unit * -np.linalg.norm(place, axis=1)
        reward[0] = 0
        off = np.zeros(STEPS + 1, bool)
        episode = Episode(
            seed,
            {"state": state.astype(np.float32)},
            action.astype(np.float32),
            reward.astype(np.float32),
            off,
            off,
            off,
        )
        writer.append(step_columns([episode]))
    writer.finish([STEPS] * EPISODES, {"seed": np.arange(EPISODES)}, task_spec, ["recorded"], {})
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    return {unit: recording(folder / f"{unit:g}", unit) for unit in UNITS}


@pytest.mark.parametrize("unit", UNITS)
def test_statistics_are_in_the_recording_s_own_unit(datasets, unit):
    spec, known = datasets[unit].spec, datasets[1.0].spec
    for name in ("mean", "std", "std_change"):
        for key in ("state", "reward") if name != "std_change" else ("state",):
            mine, one = np.array(getattr(spec, name)[key]), np.array(getattr(known, name)[key])
            np.testing.assert_allclose(mine / unit, one, rtol=1e-5, atol=1e-8)
    assert spec.changes == known.changes == {"state": [True, True, False, False, True]}
    np.testing.assert_allclose(np.array(spec.linear["state"])[:5], known.linear["state"][:5], atol=1e-4)
    np.testing.assert_allclose(np.array(spec.linear["state"])[5:] / unit, known.linear["state"][5:], atol=1e-4)


@pytest.mark.parametrize("model", [LatentMLP, RSSM])
def test_a_model_learns_the_same_whatever_the_unit(datasets, model):
    losses = []
    for unit in UNITS:
        torch.manual_seed(0)
        data = datasets[unit]
        built = model({LatentMLP: LatentMLPConfig, RSSM: RSSMConfig}[model](), data.spec)
        optimiser = torch.optim.Adam(built.parameters(), 1e-3)
        sampler = WindowSampler(data, "train", 8, 6, seed=0)
        for _ in range(5):
            loss, _ = built.loss(sampler.sample())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    assert losses == pytest.approx([losses[UNITS.index(1.0)]] * len(UNITS), rel=1e-3)


@pytest.mark.parametrize("unit", UNITS)
def test_a_verdict_is_the_same_whatever_the_unit(datasets, unit):
    def horizons(unit):
        data = datasets[unit]
        state = data.column("observation.state").reshape(EPISODES, STEPS + 1, -1)
        action = data.column("action").reshape(EPISODES, STEPS + 1, -1)
        truth, std = state[:, 1:], np.array(data.spec.std["state"])
        guess = truth + 0.1 * std * np.random.default_rng(1).normal(size=truth.shape)
        rows = (np.concatenate(part) for part in (state[:, :-1], action[:, 1:], state[:, 1:]))
        linear = LinearDynamics.fit(*rows).rollout(state[:, 0], action[:, 1:])
        variables = [Variable("all", 0, 5, "")]
        model = variable_errors(guess, truth, variables, std)
        others = {PERSISTENCE: persistence(state[:, 0], STEPS), LINEAR: linear}
        baselines = {name: variable_errors(said, truth, variables, std) for name, said in others.items()}
        found = assess(model, baselines, np.arange(EPISODES), variables, resamples=200)
        return found.useful, found.skill[PERSISTENCE]["all"].value, baselines[LINEAR]["overall"].mean()

    mine, one = horizons(unit), horizons(1.0)
    assert mine[0] == one[0]
    np.testing.assert_allclose(mine[1], one[1], atol=1e-4)
    assert mine[2] == pytest.approx(one[2], rel=0.05, abs=1e-4)


def test_a_constant_stays_one_and_rounding_does_not_move_it():
    rows = np.full((1000, 2), [0.3, 1.0]) + [0, 1] * np.random.default_rng(0).normal(size=(1000, 2))
    rows[::2, 0] += 1e-8  # less than single precision tells apart
    for unit in (1e-9, 1.0, 1e9):
        std = moments([(unit * rows).astype(np.float32)]).std
        assert std[0] == pytest.approx(0.01 * std[1])
        assert std[1] == pytest.approx(unit, rel=0.1)
    assert moments([np.zeros((5, 1))]).std[0] > 0


def test_a_task_that_says_its_units_has_floors_in_them():
    assert floors_of(["m", "rad", ""]) == METRIC and floors_of(["", UNTOLD]) == floors_of([]) == SCALE_FREE
    still = 1e-5 * np.random.default_rng(0).normal(size=(50, 1))
    assert moments([still], METRIC).std == [METRIC.std]
    assert spread_of_changes([still], [METRIC.std], METRIC) == ([METRIC.change], [False])


def test_actions_in_tiny_units_are_brought_to_the_range_of_others():
    raw = np.array([[0.5, -2e-5, 0.0], [-0.5, 1e-5, 0.0]])
    scaled = RecordedScale.of([raw], "it").normalise(raw)
    np.testing.assert_allclose(scaled, [[0.5, -1, 0], [-0.5, 1, 0]])
