"""What the memoryless model recalls of the past: nothing, but for the action where images are all there is."""

from __future__ import annotations

import torch

from tests.models.worlds import SIGHT, looking, make_informed, noise_windows


def test_of_images_alone_the_next_moment_depends_on_the_last_action_and_no_other():
    model, data = make_informed("latent_mlp", SIGHT).eval(), looking(steps=4)

    def foreseen(flipped: slice) -> torch.Tensor:
        told = data[:]
        told.action = told.action.clone()
        told.action[:, flipped] *= -1
        return model.imagine(model.encode(told), torch.zeros(3, 1, 1, 2)).features

    as_it_was = foreseen(slice(0))
    assert torch.equal(as_it_was, foreseen(slice(-1)))
    assert not torch.allclose(as_it_was, foreseen(slice(-1, None)))


def test_a_state_says_all_by_itself():
    model, data = make_informed("latent_mlp").eval(), noise_windows()
    features = model.observe(data)[1].features
    data.action = -data.action
    assert torch.equal(features, model.observe(data)[1].features)
