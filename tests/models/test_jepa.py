"""A representation that sees no reward and no decoder, and what keeps it from collapsing, against known answers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.exercises.hand_lab import settings
from tests.models.worlds import SIGHT, SPEC, fit, looking, make, make_informed, noise_windows
from wm_lab.errors import UserError
from wm_lab.models.jepa.collapse import FLOOR, SIGReg, effective_rank, variance_covariance
from wm_lab.models.jepa.model import LOOKED_AT, JEPAConfig
from wm_lab.models.jepa_block import BlockJEPAConfig
from wm_lab.settings import build
from wm_lab.world_model import DataSpec, WorldModel


def draws(b: int, steps: int = 8, size: int = 16) -> torch.Tensor:
    return torch.randn(b, steps, size, generator=torch.Generator().manual_seed(0))


def everything(embedded: torch.Tensor) -> torch.Tensor:
    return torch.ones(embedded.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("b", [32, 256])
def test_sigreg_of_a_normal_distribution_is_its_floor_whatever_the_batch(b):
    torch.manual_seed(0)
    assert SIGReg(256)(draws(b), everything(draws(b))).item() == pytest.approx(FLOOR, rel=0.15)


@pytest.mark.parametrize(
    "change", [lambda z: 0 * z, lambda z: 0 * z + 3, lambda z: 0.3 * z, lambda z: 3 * z, lambda z: z.sign()]
)
def test_sigreg_of_whatever_is_no_standard_normal_is_large(change):
    embedded = change(draws(256, size=2))
    assert SIGReg(256)(embedded, everything(embedded)).item() > 4 * FLOOR


def test_sigreg_of_a_point_is_what_the_integral_says():
    """n times the integral of (1 - exp(-s^2/2))^2 exp(-s^2/2) over the whole line."""
    point = torch.zeros(100, 3, 5)
    exact = 100 * math.sqrt(2 * math.pi) * (1 - 2 / math.sqrt(2) + 1 / math.sqrt(3))
    assert SIGReg(4)(point, everything(point)).item() == pytest.approx(exact, rel=0.02)


def test_what_is_padded_is_not_asked_to_be_normal():
    embedded, valid = draws(64), everything(draws(64))
    embedded[10:, 3:], valid[10:, 3:] = 99.0, False
    torch.manual_seed(0)
    assert SIGReg(256)(embedded, valid).item() == pytest.approx(FLOOR, rel=0.3)
    missing, shared = variance_covariance(embedded, valid)
    assert missing.item() < 0.1 and shared.item() < 0.2


def test_variance_and_covariance_by_hand():
    """Three embeddings of two variables: variances 1 and 0.25, covariance 0.5."""
    embedded = torch.tensor([[[-1.0, -0.5]], [[0.0, 0.0]], [[1.0, 0.5]]])
    missing, shared = variance_covariance(embedded, everything(embedded))
    assert missing.item() == pytest.approx((0 + 0.5) / 2, abs=1e-3)
    assert shared.item() == pytest.approx(2 * 0.5**2 / 2)


def test_effective_rank_of_known_spectra():
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)  # four directions, equally wide
    assert effective_rank(corners) == pytest.approx(4)
    assert effective_rank(corners * torch.tensor([1.0, 1, 0, 0])) == pytest.approx(2)
    assert effective_rank(corners[:, :1] @ torch.ones(1, 7)) == pytest.approx(1)
    share = torch.tensor([8.0, 4, 2, 1]) / 15
    assert effective_rank(corners * share * 15) == pytest.approx(math.exp(-(share * share.log()).sum()), rel=1e-5)
    assert effective_rank(torch.full((9, 4), 2.0)) == effective_rank(corners / 20) == 0


@pytest.mark.parametrize(("spec", "data"), [(SPEC, noise_windows()), (SIGHT, looking())], ids=["state", "pixels"])
def test_neither_rewards_nor_the_decoder_teach_the_representation(spec, data):
    """What is learned from the future alone is learned whatever the probes weigh."""
    gradients = []
    for weight in (0.0, 7.0):
        model = make_informed("jepa", spec, reward_scale=weight, decoder_scale=weight)
        torch.manual_seed(1)
        model.loss(data)[0].backward()
        learns = [model.encoder, model.embed, model.predictor]
        gradients.append(torch.cat([p.grad.flatten() for part in learns for p in part.parameters()]))
    torch.testing.assert_close(*gradients)
    assert gradients[0].any()


@pytest.mark.parametrize("regulariser", ["sigreg", "variance_covariance"])
def test_either_regulariser_fills_directions_and_none_ends_in_a_sentence(regulariser):
    data = noise_windows(b=64)
    model = make("jepa", regulariser=regulariser, open_loop=0)
    fit(model, data, steps=2 * LOOKED_AT, batch=64, rate=3e-3)
    with torch.no_grad():
        assert model.loss(data)[1]["effective_rank"] > 4  # of 5 numbers that know nothing of one another
    alone = make("jepa", sigreg_scale=0, variance_scale=0, covariance_scale=0, regulariser=regulariser, open_loop=0)
    with pytest.raises(UserError, match=r"collapsed: after \d+ steps they fill [01]\.\d of 8 directions"):
        fit(alone, data, steps=10 * LOOKED_AT, batch=64, rate=3e-3)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"regulariser": "sigregg"}, "did you mean sigreg"), ({"variables": 1}, "exceeds the directions")],
)
def test_what_cannot_be_trained_is_refused_before_any_work(options, told):
    with pytest.raises(UserError, match=told):
        JEPAConfig(**options)


def test_the_past_before_an_episode_is_its_first_moment():
    model, data = make_informed("jepa").eval(), noise_windows()
    moments = model.observe(data[:, :1])[0].moments
    assert torch.equal(moments[:, 0], moments[:, 2])
    later = model.observe(data)[0].moments
    torch.testing.assert_close(later[:, 1, -2:], data.action[:, -2])


def test_the_preset_of_lewm_has_its_sizes():
    """Published (arXiv 2603.19312, and stable-worldmodel's scripts/train/config/lewm.yaml at addbab4): 192 numbers, a
    history of 3, 1024 directions, weight 0.09, about 5 M parameters of the encoder and 10 M of the predictor."""
    section = dict(settings("task=swm/two_room", "task.observation=pixels", "model=jepa_lewm").model)
    spec = DataSpec({"pixels": (64, 64, 3)}, 2, mean={"pixels": [0.0] * 64 * 64 * 3}, std={"pixels": [1.0]})
    model = build(WorldModel, section, "model", spec)

    def count(*parts):
        return sum(parameter.numel() for part in parts for parameter in part.parameters())

    config = model.config
    assert (config.variables, config.history, config.directions, config.sigreg_scale) == (192, 3, 1024, 0.09)
    assert count(model.encoder, model.embed) == pytest.approx(5e6, rel=0.15)
    assert count(model.predictor) == pytest.approx(10e6, rel=0.15)
    features = model.encode_goal({"pixels": torch.zeros(1, 64, 64, 3, dtype=torch.uint8)})
    assert features.shape == (1, 192)


def test_within_a_block_what_is_looked_at_is_as_if_all_were():
    model = make_informed("jepa_block", replace(SPEC, ends=False), open_loop=0).eval()  # blocks of 3
    belief, plans = model.encode(noise_windows()), torch.rand(3, 4, 7, 2) * 2 - 1
    every, some = model.imagine(belief, plans), model.foresee(belief, plans, {"continue_probability"}, {1, 6})
    for step in (1, 2, 5, 6):  # these, and where blocks end
        torch.testing.assert_close(some.features[:, :, step], every.features[:, :, step])
    assert not some.features[:, :, [0, 3, 4]].any()


def test_a_head_that_is_asked_is_told_of_every_step_of_a_block():
    model = make_informed("jepa_block", open_loop=0).eval()
    belief, plans = model.encode(noise_windows()), torch.rand(3, 4, 7, 2) * 2 - 1
    asked = model.foresee(belief, plans, {"reward"}, {6})
    torch.testing.assert_close(asked.reward, model.imagine(belief, plans).reward)


def test_of_a_block_only_the_actions_taken_so_far_are_read():
    model = make_informed("jepa_block").eval()
    belief, plans = model.encode(noise_windows()), torch.rand(3, 1, 7, 2) * 2 - 1
    other = plans.clone()
    other[:, :, 4:] *= -1
    early, late = (model.imagine(belief, each).features for each in (plans, other))
    torch.testing.assert_close(early[:, :, :4], late[:, :, :4])
    assert (early[:, :, 4:] != late[:, :, 4:]).any(-1).all()


def test_a_block_departs_from_one_moment():
    with pytest.raises(UserError, match=r"model\.history=3 is more than a block departs from"):
        BlockJEPAConfig(history=3)
