"""Synthetic episodes on disk are read like any other, and stay on their parent's side of every split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.data.toy import PointTask
from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import play
from wm_lab.data.windows import WindowSampler
from wm_lab.synthesis.disturbed import DisturbedExpert, as_intended, with_state_noise
from wm_lab.synthesis.shards import save

STEPS = 5


@pytest.fixture(scope="module")
def mixed(lab, tmp_path_factory) -> Dataset:
    """Real demonstrations and three times as many synthetic actions."""
    folder = tmp_path_factory.mktemp("shard")
    segments = lab.make(lab.imagined(), steps=STEPS, count=100)
    episodes = segments.episodes(lab.demonstrations, 5)
    save(folder, PointTask().task_spec, episodes, "recovery", {"from": "a test"}, {"kept": segments.achieved})
    extra = Dataset.open(folder, split=lab.demonstrations.split_config)
    assert (extra.shards[0].columns["episode.kept"] == segments.achieved).all()
    np.testing.assert_array_equal(extra.episode(7).action[1:], segments.labels[7])
    np.testing.assert_array_equal(extra.episode(7).state, segments.observation["state"][7])
    return Dataset([*lab.demonstrations.shards, *extra.shards], lab.demonstrations.split_config)


def test_segments_train_and_never_validate(lab, mixed):
    synthetic = mixed.table.shard == 1
    assert synthetic.sum() == 100 and (mixed.table.split[synthetic] == "train").all()
    np.testing.assert_array_equal(mixed.episodes("validation"), lab.demonstrations.episodes("validation"))


def share(mixed: Dataset, weights) -> list[float]:
    """Share of synthetic windows in each of some batches; a clock far beyond the real ones marks them."""
    marked = Dataset(mixed.shards, mixed.split_config)
    clock = marked.column("observation.state").copy()
    clock[marked.first_row[1] :, 4] = 1000.0
    marked._joined["observation.state"] = clock
    sampler = WindowSampler(marked, "train", 32, 4, 0, shard_weights=weights)
    return [float((sampler.sample().observation["state"][:, 0, 4] == 1000.0).float().mean()) for _ in range(40)]


def test_one_to_one_batches_are_one_to_one(mixed):
    assert set(share(mixed, [0.5, 0.5])) == {0.5}


def test_proportional_batches_are_proportional(mixed):
    train = mixed.episodes("train")
    places = np.maximum(mixed.table.length[train] + 2 - 4, 1)
    expected = places[mixed.table.shard[train] == 1].sum() / places.sum()
    assert np.mean(share(mixed, None)) == pytest.approx(expected, abs=0.04)


def test_a_state_that_nobody_told_is_not_invented(lab):
    segments = lab.make(lab.imagined(), count=2)
    (first, _) = segments[:2].episodes(lab.demonstrations, 5)
    assert np.isfinite(first.state).all()
    segments.observation.pop("state")
    assert np.isnan(segments.episodes(lab.demonstrations, 5)[0].state).all()


def test_dart_is_labelled_by_what_the_expert_meant():
    """The point's expert is a clipped proportional controller: its intent is known in every frame that noise led to."""
    from functools import partial

    played = play(PointTask, partial(DisturbedExpert, 0.5, 0.8), [1, 2, 3])
    for episode in map(as_intended, played):
        x = episode.state[:-1].astype(np.float64)
        np.testing.assert_allclose(episode.action[1:], ((x[:, 2:4] - x[:, :2]) / 0.1).clip(-1, 1), atol=1e-4)
    moved = np.diff(played[0].state[:, :2], axis=0) / 0.1
    assert np.abs(moved - as_intended(played[0]).action[1:]).max() > 0.1, "but it was not what was played"


def test_state_noise_is_of_the_asked_size_and_leaves_actions_alone(lab):
    spec = lab.demonstrations.spec
    every = [lab.demonstrations.episode(int(e)) for e in lab.demonstrations.episodes("train")]
    noisy = with_state_noise(every, spec, 0.5, 3, np.random.default_rng(0))
    assert len(noisy) == 3 * len(every)
    off = np.concatenate([n.state - e.state for n, e in zip(noisy, every * 3, strict=True)])
    np.testing.assert_allclose(off.std(0), 0.5 * np.array(spec.std_change["state"]), rtol=0.1)
    assert all(torch.equal(torch.tensor(n.action), torch.tensor(e.action)) for n, e in zip(noisy, every, strict=False))
