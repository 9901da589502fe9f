"""EDM's preconditioning and sampler against what can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wm_lab.models.video_diffusion.edm import EDM, NoiseLevels

SIGMAS = torch.tensor([0.002, 0.1, 0.5, 3.0, 20.0], dtype=torch.float64)
WEIGHTS, MEANS, STDS = torch.tensor([0.3, 0.7]), torch.tensor([-1.0, 0.5]), torch.tensor([0.1, 0.2])


def edm(steps: int = 1, order: str = "euler", **levels: float) -> EDM:
    return EDM(steps, order, NoiseLevels(**{"sigma_offset": 0.0, **levels}))


def mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """The ideal denoiser of a mixture of two normals: E[y | y + sigma * noise = x], x [M]."""
    spread = STDS.square() + sigma[..., None] ** 2
    gap = x[..., None] - MEANS
    likely = (WEIGHTS.log() - spread.log() / 2 - gap.square() / (2 * spread)).softmax(-1)
    return (likely * (MEANS + STDS.square() / spread * gap)).sum(-1)


def ideal(model: EDM):
    """The network F with which D is the mixture's ideal denoiser."""

    def network(scaled: Tensor, c_noise: Tensor) -> Tensor:
        sigma = (4 * c_noise).exp()
        s = model.scalings(sigma)
        x = scaled / s.c_in
        return (mixture(x, sigma) - s.c_skip * x) / s.c_out

    return network


def sampled(order: str, steps: int, noise: Tensor) -> Tensor:
    model = edm(order=order, steps=steps, sigma_max=20.0)
    return model.sample(ideal(model), noise)


def test_a_networks_input_and_its_target_have_unit_variance_at_every_noise_level():
    data = 0.5
    s = edm(sigma_data=data).scalings(SIGMAS)
    one = torch.ones_like(SIGMAS)
    torch.testing.assert_close(s.c_in**2 * (data**2 + SIGMAS**2), one)
    # (y - c_skip x) / c_out with x = y + sigma * noise
    target = ((1 - s.c_skip) ** 2 * data**2 + s.c_skip**2 * SIGMAS**2) / s.c_out**2
    torch.testing.assert_close(target, one)


def test_scalings_are_those_of_the_papers_table():
    s = edm(sigma_data=0.5).scalings(torch.tensor([0.5]))
    values = [v.item() for v in s]
    assert values == pytest.approx([2**0.5, 0.5, 0.5 / 2**0.5, math.log(0.5) / 4])


def test_without_noise_what_is_denoised_stays_as_it_is():
    model, x = edm(), torch.randn(4, 3)
    torch.testing.assert_close(model.denoise(lambda x, _: 100 + x, x, torch.zeros(1)), x)
    assert model.scalings(torch.tensor([1e-4])).c_skip.item() == pytest.approx(1)


def test_offset_noise_counts_as_noise():
    with_offset, without = edm(sigma_offset=0.3), edm()
    noise = torch.tensor([0.4])
    for ours, theirs in zip(with_offset.scalings(noise), without.scalings(torch.tensor([0.5])), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_offset_noise_is_shared_by_the_pixels_of_a_channel():
    model = edm(sigma_offset=100.0, p_mean=-6.0)
    seen = []
    model.loss(lambda x, _: seen.append(x) or x, torch.zeros(64, 3, 4, 4))
    spread_within = seen[0].std((-1, -2)).mean()
    assert seen[0].mean((-1, -2)).std() > 100 * spread_within


def test_noise_levels_of_training_are_log_normal():
    torch.manual_seed(0)
    logs = edm().draw_sigma(20_000, torch.device("cpu")).log()
    assert logs.mean() == pytest.approx(-0.4, abs=0.03) and logs.std() == pytest.approx(1.2, abs=0.03)


def test_the_loss_weighs_every_noise_level_alike():
    """A network that knows nothing, F = 0, errs by the target's unit variance: lambda c_out^2 = 1 (eq. 8)."""
    torch.manual_seed(0)
    data = 0.5 * torch.randn(20_000, 1)
    for mean in (-3.0, -0.4, 2.0):
        loss = edm(p_mean=mean, p_std=0.1).loss(lambda x, _: torch.zeros_like(x), data)
        assert loss.mean() == pytest.approx(1, abs=0.05)


def test_noise_levels_of_the_sampler_fall_from_the_highest_to_the_lowest_to_none():
    levels = edm(steps=5).sigmas()
    assert levels[0] == pytest.approx(5.0) and levels[-2] == pytest.approx(0.002) and levels[-1] == 0
    assert levels == sorted(levels, reverse=True) and len(levels) == 6
    gaps = torch.tensor(levels[:-1]).pow(1 / 7).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand(4))  # evenly spaced in sigma^(1/rho), eq. 5
    assert edm(steps=1).sigmas() == pytest.approx([5.0, 0.0])


@pytest.mark.parametrize(("order", "steps"), [("euler", 200), ("heun", 60)])
def test_samples_of_a_known_mixture_have_its_weights_means_and_deviations(order, steps):
    torch.manual_seed(0)
    y = sampled(order, steps, torch.randn(20_000))
    left = y < -0.5
    assert left.float().mean() == pytest.approx(0.3, abs=0.015)
    for part, mean, std in ((y[left], -1.0, 0.1), (y[~left], 0.5, 0.2)):
        assert part.mean() == pytest.approx(mean, abs=0.015)
        assert part.std() == pytest.approx(std, rel=0.06)


def test_heun_follows_the_flow_closer_than_euler_with_equal_steps():
    torch.manual_seed(0)
    noise = torch.randn(2000)
    exact = sampled("heun", 200, noise)
    for steps, share in ((8, 1.0), (20, 0.4)):
        euler, heun = ((sampled(order, steps, noise) - exact).abs().mean() for order in ("euler", "heun"))
        assert heun < share * euler


def test_from_no_noise_one_step_lands_on_the_mean_and_many_on_the_median():
    """In one dimension the flow keeps order, so that the middle of the noise becomes the middle of the data."""
    mean = (WEIGHTS * MEANS).sum().item()
    # 0.3 of the mixture lies left, so its median is the 0.2 / 0.7 quantile of the normal on the right.
    median = torch.distributions.Normal(MEANS[1], STDS[1]).icdf(torch.tensor(0.2 / 0.7)).item()
    assert sampled("euler", 1, torch.zeros(1)).item() == pytest.approx(mean, abs=0.01)
    assert sampled("heun", 60, torch.zeros(1)).item() == pytest.approx(median, abs=0.01)
