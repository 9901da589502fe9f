"""Both latents against textbook formulas and torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from wm_lab.models.parts.latents import CategoricalLatent, GaussianLatent, balanced_kl, gaussian_for
from wm_lab.world_model import DataSpec

LEAD = (4, 6)
SCALE = torch.tensor([1.0, 0.2, 0.01])


def gaussians() -> tuple[GaussianLatent, torch.Tensor, torch.Tensor]:
    latent = GaussianLatent(SCALE)
    return latent, *(latent.distribution(torch.randn(*LEAD, 6), torch.randn(*LEAD, 3)) for _ in range(2))


def categoricals(spread: float = 3.0) -> tuple[CategoricalLatent, torch.Tensor, torch.Tensor]:
    latent = CategoricalLatent(5, 4, unimix=0.01)
    return latent, *(latent.distribution(spread * torch.randn(*LEAD, 20)) for _ in range(2))


def test_gaussian_kl_is_the_closed_form():
    latent, p, q = gaussians()
    (m1, s1), (m2, s2) = p.chunk(2, -1), q.chunk(2, -1)
    torch.testing.assert_close(latent.kl(p, q), kl_divergence(Normal(m1, s1), Normal(m2, s2)).sum(-1))
    torch.testing.assert_close(latent.kl(p, p), torch.zeros(LEAD))


def test_categorical_kl_is_the_closed_form_of_the_mixed_probabilities():
    latent, logits = CategoricalLatent(5, 4, unimix=0.01), 3 * torch.randn(2, *LEAD, 20)
    p, q = latent.distribution(logits)
    mixed = 0.99 * logits.unflatten(-1, (5, 4)).softmax(-1) + 0.01 / 4
    expected = kl_divergence(*(Categorical(probs=probs) for probs in mixed)).sum(-1)
    torch.testing.assert_close(latent.kl(p, q), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(latent.kl(p, p), torch.zeros(LEAD))


def test_unimix_bounds_the_kl_however_sure_the_logits_are():
    latent = CategoricalLatent(5, 4, unimix=0.01)
    sure, wrong = torch.zeros(5, 4), torch.zeros(5, 4)
    sure[:, 0], wrong[:, 1] = 1e4, 1e4
    bound = 5 * torch.log(torch.tensor((0.99 + 0.0025) / 0.0025))
    assert 0.9 * bound < latent.kl(*(latent.distribution(logits.flatten()) for logits in (sure, wrong))) <= bound


def test_unimix_is_in_the_samples_too():
    torch.manual_seed(0)
    latent = CategoricalLatent(1, 4, unimix=0.2)
    sure = latent.distribution(torch.tensor([50.0, 0, 0, 0])).expand(20_000, 4)
    share = latent.sample(sure, latent.noise(20_000, device=sure.device)).mean(0)
    torch.testing.assert_close(share, torch.tensor([0.85, 0.05, 0.05, 0.05]), atol=0.01, rtol=0)


def test_classes_are_drawn_as_often_as_their_probabilities_say():
    torch.manual_seed(0)
    latent, p = CategoricalLatent(2, 3, unimix=0.0), torch.tensor([0.6, 0.3, 0.1, 0.05, 0.0, 0.95])
    share = latent.sample(p.expand(20_000, 6), latent.noise(20_000, device=p.device)).mean(0)
    torch.testing.assert_close(share, p, atol=0.012, rtol=0)
    assert latent.mode(p).tolist() == [1, 0, 0, 0, 0, 1]


def test_categorical_samples_are_one_hot_with_the_gradient_of_the_probabilities():
    latent, logits = CategoricalLatent(5, 4, unimix=0.01), (3 * torch.randn(*LEAD, 20)).requires_grad_()
    weights = torch.randn(20)
    p = latent.distribution(logits)
    z = latent.sample(p, latent.noise(*LEAD, device=p.device))
    hot = z.detach().unflatten(-1, (5, 4))
    torch.testing.assert_close(hot.amax(-1), torch.ones(*LEAD, 5))
    torch.testing.assert_close(hot.sum(-1), torch.ones(*LEAD, 5))
    (through,) = torch.autograd.grad((z * weights).sum(), logits, retain_graph=True)
    (direct,) = torch.autograd.grad((latent.mean(p) * weights).sum(), logits)
    torch.testing.assert_close(through, direct)


def test_gaussian_samples_have_the_moments_they_were_drawn_for():
    torch.manual_seed(0)
    latent = GaussianLatent(SCALE)
    parameters = latent.distribution(torch.randn(6), torch.tensor([5.0, -2.0, 0.5]))
    z = latent.sample(parameters.expand(50_000, -1), latent.noise(50_000, device=parameters.device))
    mean, std = parameters.chunk(2)
    torch.testing.assert_close((z.mean(0) - mean) / std, torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(0) / std, torch.ones(3), atol=0.02, rtol=0)


def test_a_gaussian_speaks_of_changes_in_units_of_its_scale_and_never_collapses():
    latent = GaussianLatent(SCALE, minimum_std=0.1)
    anchor = torch.tensor([5.0, -2.0, 0.5])
    mean, std = latent.distribution(torch.tensor([1.0, 1, 1, -100, -100, -100]), anchor).chunk(2)
    torch.testing.assert_close(mean, anchor + SCALE)
    torch.testing.assert_close(std, 0.1 * SCALE)


@pytest.mark.parametrize("latent", [GaussianLatent(SCALE), CategoricalLatent(3, 4)], ids=["gaussian", "categorical"])
def test_what_is_likely_is_the_distributions_mode_to_the_bit(latent):
    raw, begun = torch.randn(*LEAD, latent.raw_size), torch.randn(*LEAD, latent.size)
    for mean_init in (None, begun):
        assert torch.equal(latent.likely(raw, mean_init), latent.mode(latent.distribution(raw, mean_init)))


def test_free_nats_cut_the_sum_over_variables_and_not_each_one():
    latent = GaussianLatent(torch.ones(10))
    raw = torch.zeros(2, 20)
    raw[0, :10] = 0.5  # every variable is off by a little, all together by more than the free nats
    raw[1, :10] = 0.1  # all together still free
    prior, posterior = latent.distribution(torch.zeros(2, 20)), latent.distribution(raw)
    each = kl_divergence(Normal(posterior[:, :10], posterior[:, 10:]), Normal(prior[:, :10], prior[:, 10:]))
    assert each.max() < 1.0 < each[0].sum(), "the example must tell the two orders apart"
    dynamics, representation, plain = balanced_kl(latent, posterior, prior, free_nats=1.0)
    expected = torch.stack([each[0].sum(), torch.tensor(1.0)])
    torch.testing.assert_close(dynamics, expected)
    torch.testing.assert_close(representation, expected)
    torch.testing.assert_close(plain, each.sum(-1))


@pytest.mark.parametrize("make", [gaussians, categoricals])
def test_dynamics_teach_the_prior_only_and_representation_the_posterior_only(make):
    latent, posterior, prior = make()
    posterior.requires_grad_(), prior.requires_grad_()
    dynamics, representation, plain = balanced_kl(latent, posterior, prior, free_nats=0.0)
    towards = torch.autograd.grad(dynamics.sum(), [posterior, prior], allow_unused=True)
    assert towards[0] is None and towards[1].abs().sum() > 0
    towards = torch.autograd.grad(representation.sum(), [posterior, prior], allow_unused=True)
    assert towards[0].abs().sum() > 0 and towards[1] is None
    assert not plain.requires_grad


def test_free_steps_teach_nothing():
    latent, posterior, _ = gaussians()
    prior = (posterior * 1.0001).requires_grad_()
    dynamics, *_ = balanced_kl(latent, posterior, prior, free_nats=1.0)
    dynamics.sum().backward()
    assert (prior.grad == 0).all()


def test_a_gaussian_for_data_takes_the_unit_of_each_dimension_and_at_least_the_variables_asked_for():
    spec = DataSpec({"state": (3,)}, 1, std={"state": [2.0, 1.0, 1.0]}, std_change={"state": [1.0, 0.0, 9.0]})
    assert gaussian_for(spec, 5, 0.1, min_step_std=0.02).scale.tolist() == pytest.approx([0.5, 0.02, 1, 1, 1])
    assert gaussian_for(spec, 2, 0.1, min_step_std=0.02).size == 3


def test_of_states_a_latent_shows_the_vectors_and_of_images_what_was_read_off_them_too():
    both = DataSpec({"state": (3,), "pixels": (8, 8, 3)}, 2)
    states = DataSpec({"state": (3,)}, 2)
    assert gaussian_for(states, 12, 0.1, 0.01).shown_size == 3
    assert gaussian_for(both, 12, 0.1, 0.01).shown_size == 3 + 12
    assert CategoricalLatent(4, 5).shown_size == 20
