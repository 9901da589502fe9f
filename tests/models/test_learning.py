"""Trained for seconds, the models know what can be known of small worlds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.models.worlds import (
    KINDS,
    LATENT,
    SIGHT,
    LinearWorld,
    fit,
    imagined,
    make,
    moving_square,
    rmse,
    spec_of,
    windows,
)
from wm_lab.world_model import Windows

CONTEXT, STEPS = 5, 10


@pytest.mark.slow
def test_rssm_forecasts_a_partly_seen_linear_system_nearly_as_well_as_its_kalman_filter():
    world = LinearWorld()
    data, held_out = world.play(1024, STEPS, seed=0), world.play(512, STEPS, seed=1)
    ahead = {"open_loop": STEPS - CONTEXT, "open_loop_starts": 4, "open_loop_scale": 5.0}
    model = make("rssm-gaussian", spec_of(data), units=16, heads_read="all", **ahead)  # z holds half of the state
    fit(model, data, steps=300, rate=1.5e-2)
    truth = held_out.observation["state"][:, CONTEXT:]
    best = rmse(world.forecast(held_out, CONTEXT), truth)
    still = rmse(held_out.observation["state"][:, CONTEXT - 1 : CONTEXT].expand_as(truth), truth)
    assert still > 2.5 * best, "the world must be worth knowing"
    # After a few seconds of training; with 800 steps it comes to within a fifth.
    assert rmse(imagined(model, held_out, CONTEXT), truth) < 1.5 * best


def test_latent_mlp_forecasts_a_noisy_linear_system_nearly_as_well_as_its_own_matrices():
    a = torch.tensor([[0.98, 0.1, 0.0], [-0.1, 0.98, 0.0], [0.0, 0.05, 0.95]])
    b = torch.tensor([[0.3, 0.0], [0.0, 0.3], [0.15, -0.15]])

    def play(episodes: int, seed: int) -> Windows:
        generator = torch.Generator().manual_seed(seed)
        action = torch.rand(episodes, STEPS, 2, generator=generator) * 2 - 1
        x = torch.randn(episodes, 3, generator=generator)
        seen = [x]
        for t in range(1, STEPS):
            noise = 0.1 * torch.randn(episodes, 3, generator=generator)
            seen.append(seen[-1] @ a.T + action[:, t] @ b.T + noise)
        return windows(torch.stack(seen, 1), action, -torch.stack(seen, 1).norm(dim=-1))

    data, held_out = play(512, 0), play(256, 1)
    model = make("latent_mlp", spec_of(data), transition_units=64, units=16, open_loop=4)
    fit(model, data, steps=350, rate=1e-2)
    start, truth = held_out.observation["state"][:, 0], held_out.observation["state"][:, 1:]
    exact = [start]
    for t in range(1, STEPS):
        exact.append(exact[-1] @ a.T + held_out.action[:, t] @ b.T)
    best = rmse(torch.stack(exact[1:], 1), truth)
    assert rmse(start[:, None].expand_as(truth), truth) > 2.5 * best, "the world must be worth knowing"
    assert rmse(imagined(model, held_out, 1), truth) < 1.3 * best


@pytest.mark.slow
@pytest.mark.parametrize("kind", LATENT)
def test_a_tiny_batch_is_learnt_by_heart(kind):
    torch.manual_seed(3)
    data = windows(torch.randn(4, 6, 3), torch.rand(4, 6, 2) * 2 - 1, torch.randn(4, 6))
    data.terminal[0, -1] = True
    model = make(kind, spec_of(data), units=64, variables=16, open_loop=0, ensemble=0, representation_scale=0.0)
    fit(model, data, steps=300, batch=4, rate=1e-2)
    _, seen = model.observe(data)
    scale = data.observation["state"].std()
    assert rmse(model.decode(seen)["state"][:, 0], data.observation["state"]) < 0.25 * scale
    assert rmse(seen.reward[:, 0][:, 1:], data.reward[:, 1:]) < 0.35
    goes_on = seen.continue_probability[:, 0]
    assert goes_on[0, -1] < 0.2 and goes_on[1:].min() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_ensemble_doubts_what_lies_outside_of_its_data(kind):
    torch.manual_seed(4)

    def play(reach: float) -> Windows:
        action = reach * (torch.rand(256, 5, 2) * 2 - 1)
        return windows(reach * torch.randn(256, 1, 2) + (0.2 * action).cumsum(1), action)

    data = play(1.0)
    model = make(kind, spec_of(data), ensemble=5, open_loop=0)
    fit(model, data, steps=60, rate=1e-2)
    doubt = []
    for reach in (1.0, 5.0):
        far = play(reach)
        belief = model.encode(far[:, :2])
        doubt.append(model.imagine(belief, far.action[:, None, 2:]).uncertainty.mean().item())
    assert doubt[1] > 1.5 * doubt[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_from_pixels_a_moving_square_is_foreseen(kind):
    torch.manual_seed(0)
    data, held_out = moving_square(512, 0), moving_square(64, 1)
    sizes: dict[str, Any] = {"image_scale": 3.0 * 8**2}  # there is nothing else to foresee
    if kind in LATENT:
        sizes["variables"] = 16
    if kind == "video_diffusion":
        sizes = {"drawn_share": 0.5, "patch": 2, "channels": [32], "open_loop": 1}
    model = make(kind, SIGHT, **{"depth": 16, "units": 32, "open_loop": 3, **sizes})
    fit(model, data, steps=300, batch=16, rate=4e-3)
    truth = held_out.observation["pixels"][:, 3:].float()
    frame = imagined(model, held_out, 3, "pixels")
    assert frame.shape == truth.shape and frame.min() >= 0 and frame.max() <= 255
    still = rmse(held_out.observation["pixels"][:, 2:3].float().expand_as(truth), truth)
    assert rmse(frame, truth) < 0.85 * still
    held_out.action = held_out.action.roll(1, 0)
    assert rmse(imagined(model, held_out, 3, "pixels"), truth) > 1.1 * rmse(frame, truth), "the actions tell where"
