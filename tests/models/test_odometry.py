"""Odometry against ways that are known, and what it is for: an eye that finds what the actions move."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.worlds import ACTION, KINDS, SIGHT, make, moving_square, noise_windows
from wm_lab.models.parts.images import ImageEncoder
from wm_lab.models.parts.odometry import Odometer
from wm_lab.world_model import DataSpec, Windows


def reading(weight: float) -> Odometer:
    """That takes `weight` times what it is shown for the place."""
    odometer = Odometer(ACTION, ACTION)
    with torch.no_grad():
        odometer.place.weight.copy_(weight * torch.eye(ACTION))
        odometer.place.bias.fill_(3.0)
    return odometer


def mean(odometer: Odometer, seen: Tensor, data: Windows) -> float:
    return float(odometer.loss(seen, data).detach()[data.valid].mean())


def test_who_sees_the_place_has_no_error_wherever_the_episode_began():
    data = noise_windows()
    somewhere = torch.randn(3, 1, ACTION)
    assert mean(reading(1.0), somewhere + data.action.cumsum(1), data) == pytest.approx(0, abs=1e-10)


def test_who_sees_nothing_misses_every_way_whole():
    data = noise_windows()
    assert mean(reading(0.0), torch.zeros(3, 7, ACTION), data) == pytest.approx(ACTION)


def test_half_the_way_leaves_a_quarter_of_its_variance():
    data = noise_windows()
    data.action[..., 1] *= 100  # in whatever unit
    assert mean(reading(0.5), data.action.cumsum(1), data) == pytest.approx(ACTION / 4, rel=1e-5)


def test_an_action_that_is_never_taken_asks_for_nothing():
    data = noise_windows()
    data.action[..., 0] = 0
    assert mean(reading(0.0), torch.zeros(3, 7, ACTION), data) == pytest.approx(ACTION - 1)


def test_other_episodes_padding_and_unknown_actions_do_not_count():
    data, odometer = noise_windows(), reading(1.0)
    place = data.action.cumsum(1)
    place[0, :4] = 100.0  # of an episode before
    data.first[0, 4] = True
    place[1, 5:] = -100.0
    data.valid[1, 5:] = False
    place[2], data.action[2] = torch.randn(7, ACTION), torch.nan
    assert mean(odometer, place, data) == pytest.approx(0, abs=1e-10)
    odometer.loss(place, data).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in odometer.parameters())


def test_an_eye_learns_to_find_what_the_actions_move():
    def missed(data: Windows, held_out: Windows) -> float:
        torch.manual_seed(0)
        eye = ImageEncoder(SIGHT, "pixels", depth=4, points=8)
        odometer = Odometer(eye.size, ACTION)
        optimiser = torch.optim.Adam([*eye.parameters(), *odometer.parameters()], 1e-2)
        for _ in range(100):
            part = data[torch.randint(data.shape[0], (32,))]
            odometer.loss(eye(part.observation["pixels"]), part).mean().backward()
            optimiser.step()
            optimiser.zero_grad()
        return mean(odometer, eye(held_out.observation["pixels"]), held_out) / ACTION

    data, held_out = moving_square(512, 0), moving_square(64, 1)
    found = missed(data, held_out)
    data.action = data.action.roll(1, 0)  # those of another episode
    assert found < 0.5 and missed(data, held_out) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_only_images_alone_are_asked(kind):
    both = {"pixels": (8, 8, 3), "state": (2,)}
    assert make(kind, SIGHT).heads.odometer is not None
    assert make(kind, SIGHT, odometry_scale=0).heads.odometer is None
    assert make(kind).heads.odometer is None
    assert make(kind, DataSpec(both, ACTION)).heads.odometer is None
