"""What the heads of an RSSM may see."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models.worlds import SPEC, STATE, make_informed

PIXELS = replace(SPEC, observation={**SPEC.observation, "pixels": (16, 16, 3)})


@pytest.mark.parametrize(
    ("spec", "options", "sees_history"),
    [
        (SPEC, {}, False),
        (SPEC, {"heads_read": "all"}, True),
        (SPEC, {"latent": "categorical"}, True),
        (PIXELS, {}, True),
        (PIXELS, {"heads_read": "latent"}, False),
    ],
)
def test_where_the_latent_holds_the_state_reward_and_picture_do_not_depend_on_h(spec, options, sees_history):
    """A reward that reads h as well is one that a planner can raise without moving anything."""
    kind = f"rssm-{options.pop('latent', 'gaussian')}"
    model = make_informed(kind, spec, variables=8, **options).eval()
    h, z = torch.randn(3, 32), torch.randn(3, model.latent.size)
    judged = []
    for history in (h, h + 1):
        features = model._features(history, z)[:, None, None]  # [B, N, H, F]
        judged.append((model.heads.imagination(features, torch.zeros(3, 1, 1, 2)), model.heads.decoder(features)))
    (one, seen), (other, seen_otherwise) = judged
    assert torch.equal(one.reward, other.reward) != sees_history
    assert torch.equal(one.continue_probability, other.continue_probability) != sees_history
    assert torch.equal(seen["state"], seen_otherwise["state"]) != sees_history
    assert seen["state"].shape[-1] == STATE
