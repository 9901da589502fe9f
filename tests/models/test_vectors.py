"""Vectors as a latent holds them, against numbers worked out by hand."""

from __future__ import annotations

import torch

from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec

SPEC = DataSpec(
    {"pixels": (8, 8, 3), "arm": (2,), "block": (1,)},
    action_size=1,
    mean={"arm": [1.0, 0.0], "block": [4.0]},
    std={"arm": [2.0, 1.0], "block": [0.5]},
    std_change={"arm": [1.0, 3.0], "block": [0.0]},
    linear={"block": [[0.0], [0.25], [-0.5]]},  # moves by a quarter of the action, less half a unit
)
SEEN = {"arm": torch.tensor([3.0, 2.0]), "block": torch.tensor([5.0])}


def test_they_stand_side_by_side_by_mean_and_deviation_and_come_back():
    vectors = Vectors(SPEC, min_step_std=0.1)
    z = vectors.normalise(SEEN)
    torch.testing.assert_close(z, torch.tensor([1.0, 2.0, 2.0]))
    for key, value in vectors.denormalise(z).items():
        torch.testing.assert_close(value, SEEN[key])


def test_errors_count_in_ordinary_steps_and_linearly_beyond_one():
    vectors = Vectors(SPEC, min_step_std=0.1)
    torch.testing.assert_close(vectors.step_std, torch.tensor([0.5, 1.0, 0.1]))  # at most 1, at least 1 / 10
    target = torch.zeros(3)
    half, three = torch.tensor([0.25, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.3])
    torch.testing.assert_close(vectors.error(half, target), torch.tensor(0.5 * 0.5**2))
    torch.testing.assert_close(vectors.error(three, target), torch.tensor(3 - 0.5))


def test_the_linear_prediction_is_that_of_the_data_and_leaves_the_rest_of_the_latent_alone():
    vectors = Vectors(SPEC, min_step_std=0.1, extra=2)
    z = torch.cat([vectors.normalise(SEEN), torch.tensor([7.0, -7.0])])
    after = vectors.prior(z, torch.tensor([1.0]))
    torch.testing.assert_close(vectors.denormalise(after[:3])["block"], SEEN["block"] + 0.25 - 0.5)
    torch.testing.assert_close(after[[0, 1, 3, 4]], z[[0, 1, 3, 4]])


def test_where_only_images_are_observed_there_are_none():
    vectors = Vectors(DataSpec({"pixels": (8, 8, 3)}, action_size=1))
    z = vectors.normalise({"pixels": torch.zeros(4, 6, 8, 8, 3, dtype=torch.uint8)})
    assert z.shape == (4, 6, 0) and z.dtype == torch.float32 and vectors.denormalise(z) == {}
    assert vectors.error(z, z).tolist() == torch.zeros(4, 6).tolist()
