"""What the memoryless model recalls of the past: nothing, but for the action where images are all there is."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("apart", [False, True])
def test_the_dynamics_teach_the_encoder_unless_they_are_learned_apart(apart):
    def gradient(scale: float) -> torch.Tensor:
        torch.manual_seed(0)
        options = {"dynamics_apart": apart, "dynamics_scale": scale, "free_nats": 0.0}
        model = make_informed("latent_mlp", SIGHT, **options)
        model.loss(looking(steps=4))[0].backward()
        return torch.cat([weight.grad.flatten() for weight in model.encoder.parameters() if weight.grad is not None])

    assert torch.equal(gradient(0.0), gradient(10.0)) == apart


def test_a_state_says_all_by_itself():
    model, data = make_informed("latent_mlp").eval(), noise_windows()
    features = model.observe(data)[1].features
    data.action = -data.action
    assert torch.equal(features, model.observe(data)[1].features)
