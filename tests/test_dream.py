"""A dream is an environment like any other, and as true as the model that dreams it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from torch import Tensor

from tests.data.toy import SPEED
from tests.exercises.point_world import PointWorld, PointWorldConfig
from tests.models.worlds import SIGHT, make, make_informed
from tests.training.examples import point_data, small
from wm_lab.data.dataset import Dataset
from wm_lab.dream import Dream, DreamEnv, as_shown
from wm_lab.errors import UserError
from wm_lab.training.checkpoint import save_model
from wm_lab.world_model import Imagination

PUSH = np.array([0.5, -0.25], np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return point_data(tmp_path_factory.mktemp("data") / "shard")


@pytest.fixture
def truth(dataset) -> PointWorld:
    return PointWorld(PointWorldConfig(), dataset.spec)


class Mortal(PointWorld):
    """Ends two imagined steps after wherever it began: when the point has been pushed right twice."""

    def _imagination(self, x: Tensor) -> Imagination:
        seen = super()._imagination(x)
        return seen._replace(continue_probability=(x[..., 0] < 0).double())


@pytest.mark.parametrize("observation", ["decoded", "latent"])
@pytest.mark.parametrize("kind", ["rssm", "latent_mlp"])
def test_gymnasiums_own_checker_passes_it(dataset, kind, observation):
    env = gymnasium.make(
        "wm_lab/Dream-v0", model=small(kind, dataset.spec), dataset=dataset, horizon=4, observation=observation
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|different from the unwrapped).*")
        check_env(env.unwrapped)


def test_the_dream_of_a_perfect_model_is_the_task_itself(dataset, truth):
    env = DreamEnv(truth, dataset, 3, horizon=6)
    seen, _ = env.reset(seed=5)
    where = seen["state"].copy()
    assert all((where[row] == dataset.column("observation.state")).all(1).any() for row in range(3)), "not recorded"
    for step in range(1, 7):
        seen, reward, _, _, _ = env.step(np.tile(PUSH, (3, 1)))
        np.testing.assert_allclose(seen["state"][:, :2], where[:, :2] + step * SPEED * PUSH, atol=1e-5)
        np.testing.assert_allclose(reward, -np.linalg.norm(seen["state"][:, :2] - where[:, 2:4], axis=1), atol=1e-5)


def test_a_row_dreams_the_same_whatever_is_dreamt_beside_it(dataset, truth):
    together, alone = DreamEnv(truth, dataset, 4, horizon=3), Dream(truth, dataset, horizon=3)
    dreams = [together.reset(seed=7)[0]["state"][2]]
    dreams += [together.step(np.tile(PUSH, (4, 1)))[0]["state"][2] for _ in range(5)]
    (begun, _), actions = alone.reset(seed=9), [PUSH] * 3
    for dreamt, seen in zip(dreams, [begun, *(alone.step(action)[0] for action in actions)], strict=False):
        np.testing.assert_allclose(dreamt, seen["state"], atol=1e-6)
    np.testing.assert_allclose(dreams[4], alone.reset()[0]["state"], atol=1e-6), "the next dream is the row's own, too"


def test_a_dream_is_cut_at_its_horizon_and_the_next_step_begins_another(dataset, truth):
    env = DreamEnv(truth, dataset, 2, horizon=2)
    env.reset(seed=0)
    flags = []
    for _ in range(5):
        _, reward, over, truncated, _ = env.step(np.tile(PUSH, (2, 1)))
        flags.append((bool(over.any()), bool(truncated.all()), bool((reward == 0).all())))
    goes, cut, begins = (False, False, False), (False, True, False), (False, False, True)
    assert flags == [goes, cut, begins, goes, cut]


def test_a_dream_ends_where_the_model_expects_the_episode_to(dataset):
    env = Dream(Mortal(PointWorldConfig(speed=1.0), dataset.spec), dataset, horizon=9)
    env.reset(seed=1)
    *_, ends, cut, _ = env.step(np.array([1.0, 0.0], np.float32))
    assert ends and not cut


def test_actions_beyond_the_bounds_are_clipped(dataset, truth):
    env = DreamEnv(truth, dataset, 1)
    seen = [(env.reset(seed=0), env.step(np.full((1, 2), push, np.float32)))[1][0]["state"] for push in (1.0, 9.0)]
    np.testing.assert_array_equal(*seen)


def test_a_checkpoint_is_dreamt_in_as_the_model_itself(dataset, tmp_path):
    model = small("latent_mlp", dataset.spec).eval()
    save_model(tmp_path / "best.pt", model, model.state_dict())
    envs = [
        gymnasium.make_vec("wm_lab/Dream-v0", 2, model=given, dataset=dataset)
        for given in (model, tmp_path / "best.pt")
    ]
    seen = [(env.reset(seed=3), env.step(env.action_space.sample() * 0 + 0.1))[1][0]["state"] for env in envs]
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"horizon": 15, "trusted": 9}, "horizon=15 dreams further than this model can be trusted, 9 steps"),
        ({"horizon": 0}, "horizon=0 leaves nothing to dream"),
        ({"num_envs": 0}, "num_envs=0 leaves nothing to dream"),
        ({"context": 99}, "windows of 99 steps do not fit the data"),
        ({"observation": "pixels"}, "unknown observation of a dream 'pixels'"),
        ({"split": "evaluation"}, "unknown split 'evaluation'"),
    ],
)
def test_what_cannot_be_dreamt_is_refused_in_a_sentence(dataset, truth, options, sentence):
    with pytest.raises(UserError, match=sentence):
        DreamEnv(truth, dataset, **options)


def test_a_dream_of_nothing_is_refused():
    with pytest.raises(UserError, match="a dream needs a model and a dataset, or the folder of a run"):
        DreamEnv()


def test_a_dream_is_no_longer_than_its_model_can_be_trusted_unless_told_so(dataset, truth):
    assert [DreamEnv(truth, dataset, trusted=steps).horizon for steps in (None, 1, 4, 99)] == [15, 1, 4, 15]


def test_a_finished_run_is_dreamt_in_as_far_as_it_says_that_it_can_be_trusted(dataset, truth, monkeypatch):
    folder = dataset.shards[0].folder
    told = SimpleNamespace(
        settings=SimpleNamespace(data={}),
        artifact={"collection": folder}.get,
        result={"H_skill": 3.0},
        world_model=truth,
    )
    monkeypatch.setattr("wm_lab.dream.load_run", lambda run: told)
    env = gymnasium.make("wm_lab/Dream-v0", run=folder).unwrapped
    assert env.dreams.horizon == 3 and env.reset(seed=0)[0]["state"].shape == (5,)
    with pytest.raises(UserError, match="horizon=4 dreams further than this model can be trusted, 3 steps"):
        Dream(run=folder, horizon=4)


def test_a_model_of_another_task_is_refused(dataset):
    with pytest.raises(UserError, match=r"give episodes of the model's own task"):
        DreamEnv(make("latent_mlp", SIGHT), dataset)


def test_a_step_before_the_first_reset_is_refused(dataset, truth):
    with pytest.raises(UserError, match="call reset first"):
        DreamEnv(truth, dataset).step(np.zeros((1, 2), np.float32))


def test_images_are_seen_in_whole_numbers_and_vectors_as_they_are():
    assert as_shown(torch.full((2, 4, 4, 3), 254.7)).tolist() == np.full((2, 4, 4, 3), 255).tolist()
    assert as_shown(torch.full((2, 4, 4, 3), 258.0)).dtype == np.uint8
    assert as_shown(torch.full((2, 1), 0.5)).tolist() == [[0.5], [0.5]]


def test_a_dream_may_be_told_what_to_do_and_shows_what_comes_of_it(dataset):
    model = make_informed("decoder_only", dataset.spec, language=True, action_head="regression").eval()
    env = DreamEnv(model, dataset, 2, horizon=4)

    def told(sentence: str | list[str], by_video: bool = False) -> tuple[np.ndarray, np.ndarray]:
        env.reset(seed=3, options={"sentence": sentence})
        acted = env.act(by_video)
        return acted, env.step(acted)[0]["state"]

    go, stay = "Move the point to the goal.", "Stay where you are."
    for by_video in (False, True):
        went, stayed, each = told(go, by_video), told(stay, by_video), told([go, stay], by_video)
        for here, there, both in zip(went, stayed, each, strict=True):
            assert not np.allclose(here, there, atol=1e-4)
            np.testing.assert_allclose(both, [here[0], there[1]], atol=1e-5)


def test_a_dream_that_cannot_be_told_or_asked_says_so(dataset, truth):
    env = DreamEnv(truth, dataset, 2, horizon=4)
    with pytest.raises(UserError, match="reset first"):
        env.act()
    with pytest.raises(UserError, match="its model reads none"):
        env.reset(options={"sentence": "go"})
    env.reset()
    with pytest.raises(UserError, match="a model that cannot act so"):
        env.act()
    told = DreamEnv(make_informed("decoder_only", dataset.spec, language=True).eval(), dataset, 2, horizon=4)
    with pytest.raises(UserError, match="3 sentences for 2 dreams"):
        told.reset(options={"sentence": ["go", "stay", "turn"]})
