"""The mixture density of World Models against torch's own, and what temperature does to dreams."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from tests.models.worlds import SIGHT, looking, make, make_informed, noise_windows
from wm_lab.models.mdn_rnn.mixture import Mixture


def mixture(*lead: int, components: int = 5) -> Mixture:
    generator = torch.Generator().manual_seed(0)
    logits, mean, std = torch.randn(3, *lead, components, generator=generator, dtype=torch.float64)
    return Mixture(2 * logits, mean, std.exp())


def torchs(mine: Mixture) -> MixtureSameFamily:
    return MixtureSameFamily(Categorical(logits=mine.logits), Normal(mine.mean, mine.std))


def test_the_likelihood_is_that_of_a_mixture():
    mine, z = mixture(4, 3), torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(mine.log_prob(z), torchs(mine).log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mine.expected(), torchs(mine).mean, rtol=1e-12, atol=1e-12)


def test_far_from_all_components_the_likelihood_is_finite_and_still_leads_back():
    mine = Mixture(*(part.float().requires_grad_() for part in mixture(1)))
    mine.log_prob(torch.tensor([1e4])).sum().backward()
    assert mine.mean.grad.isfinite().all() and mine.mean.grad.abs().sum() > 0


def test_temperature_divides_logits_and_multiplies_variances():
    plain = mixture(3)
    warm = plain.tempered(1.3)
    powers = plain.logits.softmax(-1) ** (1 / 1.3)
    torch.testing.assert_close(warm.logits.softmax(-1), powers / powers.sum(-1, keepdim=True))
    torch.testing.assert_close(warm.std.square(), 1.3 * plain.std.square())
    assert torch.equal(warm.mean, plain.mean)
    for same, other in zip(plain.tempered(1.0), plain, strict=True):
        assert torch.equal(same, other)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
def test_draws_have_the_moments_of_the_tempered_mixture(temperature):
    torch.manual_seed(0)
    warm = mixture(3).tempered(temperature)
    draws = Mixture(*(part.expand(200_000, 3, 5) for part in warm)).sample()
    error = torchs(warm).stddev / math.sqrt(len(draws))
    assert ((draws.mean(0) - torchs(warm).mean).abs() < 4 * error).all()
    torch.testing.assert_close(draws.std(0), torchs(warm).stddev, rtol=0.02, atol=0)


@torch.inference_mode()
def test_dreams_spread_with_temperature_about_what_is_expected():
    model = make_informed("mdn_rnn").eval()
    belief, action = model.encode(noise_windows(b=1)).expand(4000), torch.full((4000, 2), 0.3)
    calm, _ = model.step(belief, action)
    torch.manual_seed(0)
    spread = []
    for temperature in (1e-4, 0.5, 1.0, 1.5):
        drawn, _ = model.at(temperature).step(belief, action)
        spread.append(drawn.z.std(0))
        assert torch.equal(drawn.h, calm.h), "what it remembers is no matter of chance, until it goes on from a draw"
        if temperature == 1.0:
            assert ((drawn.z.mean(0) - calm.z[0]).abs() < 5 * drawn.z.std(0) / math.sqrt(4000)).all()
    assert all((low < high).all() for low, high in pairwise(spread))
    assert model.temperature is None and model.at(0.5).memory is model.memory


def test_what_was_seen_is_not_drawn():
    model, data = make_informed("mdn_rnn").eval(), noise_windows()
    warm, calm = (each.observe(data)[1] for each in (model.at(1.5), model))
    assert torch.equal(warm.features, calm.features)


def test_the_likelihood_teaches_the_memory_and_not_the_eye():
    """As if V had been trained first: what is hard to foretell is no reason to see it otherwise."""
    model = make_informed("mdn_rnn", open_loop=0, decoder_scale=0, reward_scale=0, representation_scale=0)
    model.heads.losses = lambda *_: {}
    model.loss(noise_windows())[0].backward()
    assert all(p.grad is None or not p.grad.any() for p in [*model.encoder.parameters(), *model.posterior.parameters()])
    assert all(p.grad.any() for p in [*model.memory.parameters(), *model.mixture.parameters()])


def test_of_images_alone_heads_read_the_memory_and_the_decoder_does_not():
    model, data = make_informed("mdn_rnn", SIGHT).eval(), looking(steps=4)
    seen = model.observe(data)[1]
    data.action[:, 1] *= -1
    otherwise = model.observe(data)[1]
    assert not torch.isclose(seen.reward[:, 0, -1], otherwise.reward[:, 0, -1], atol=1e-6).any()
    assert torch.equal(model.decode(seen)["pixels"], model.decode(otherwise)["pixels"])


def test_the_components_start_apart_around_the_linear_prediction():
    model = make("mdn_rnn").eval()
    before, h = torch.randn(3, 8), torch.randn(3, 32)
    start = model._foretold(h, before, torch.zeros(3, 2))
    torch.testing.assert_close(start.expected(), before)
    assert (start.mean.diff(dim=-1) > 0).all()
