"""What models hold of the action that led to the present, where images are all there is: they show no velocity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.worlds import ACTION, SIGHT, looking, make, make_informed

KINDS = ("latent_mlp", "video_token", "video_diffusion")
"""Those whose latent says what is seen; the others have a memory that the action goes into."""

AFTER = {"latent_mlp": 8, "video_token": 16, "video_diffusion": 24}
"""Features of the small models before the action: the latent's, the transformer's, those read off an image."""


def recalled(kind: str, features: Tensor) -> Tensor:
    """The numbers [..., A] of features that should be the action that led there."""
    return features[..., AFTER[kind] :][..., :ACTION]


@pytest.mark.parametrize("kind", KINDS)
def test_features_hold_the_action_that_led_there(kind):
    model, data = make(kind, SIGHT).eval(), looking()
    belief, seen = model.observe(data[:, :4])
    led = data.action[:, :4]
    assert not led[:, 0].any() and led[:, 1:].all()
    assert torch.equal(recalled(kind, seen.features[:, 0]), led)
    ahead = model.imagine(belief, data.action[:, None, 4:])
    assert torch.equal(recalled(kind, ahead.features[:, 0]), data.action[:, 4:])


@pytest.mark.parametrize("kind", KINDS)
def test_which_heads_read(kind):
    """Rewards of the same image, reached by another action, differ."""
    model, data = make_informed(kind, SIGHT).eval(), looking()
    rewards = model.observe(data)[1].reward
    data.action[:, -1] *= -1
    changed = model.observe(data)[1].reward
    assert torch.equal(rewards[:, 0, :-1], changed[:, 0, :-1])
    assert not torch.isclose(rewards[:, 0, -1], changed[:, 0, -1], atol=1e-6).any()


@pytest.mark.parametrize("kind", KINDS)
def test_doubt_about_the_first_step_knows_what_led_to_the_present(kind):
    model, data = make_informed(kind, SIGHT, ensemble=3).eval(), looking()
    plans = data.action[:, None, 4:]
    doubt = model.imagine(model.encode(data[:, :4]), plans).uncertainty
    data.action[:, 3] *= -1
    changed = model.imagine(model.encode(data[:, :4]), plans).uncertainty
    assert not torch.isclose(doubt[:, 0, 0], changed[:, 0, 0], atol=1e-6).any()
