"""What the memoryless model recalls of the past: nothing, but for the action where images are all there is."""

from __future__ import annotations

import torch

from tests.models.worlds import make, make_informed, noise_windows, windows
from wm_lab.world_model import DataSpec, Windows

SIGHT = DataSpec({"pixels": (8, 8, 3)}, 2)


def looking(steps: int) -> Windows:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (3, steps, 8, 8, 3), dtype=torch.uint8)
    return windows({"pixels": pixels}, torch.rand(3, steps, 2) * 2 - 1)


def test_of_images_alone_the_features_hold_the_action_that_led_there():
    model, data = make("latent_mlp", SIGHT).eval(), looking(7)
    belief, seen = model.observe(data[:, :4])
    led = data.action[:, :4] * ~data.first[:, :4, None]
    assert torch.equal(seen.features[:, 0, :, -2:], led) and not led[:, 0].any() and led[:, 1:].all()
    ahead = model.imagine(belief, data.action[:, None, 4:])
    assert torch.equal(ahead.features[:, 0, :, -2:], data.action[:, 4:])


def test_and_the_next_moment_depends_on_the_last_action_alone():
    model, data = make_informed("latent_mlp", SIGHT).eval(), looking(4)

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
