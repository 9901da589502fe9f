"""Geometry of points against plane geometry."""

from __future__ import annotations

import pytest
import torch

from wm_lab.models.parts.blocks import Regression
from wm_lab.models.parts.geometry import PairwiseGeometry
from wm_lab.world_model import DataSpec


def geometry_of(points: list[list[float]]) -> torch.Tensor:
    """Of points in metres, given to the network normalised by an odd mean and scale."""
    flat = torch.tensor(points).flatten()
    mean, std = torch.full_like(flat, 0.3), torch.linspace(0.5, 2.0, len(flat))
    starts = list(range(0, len(flat), 3))
    spec = DataSpec(
        {"state": (len(flat),)}, 2, mean={"state": mean.tolist()}, std={"state": std.tolist()}, points={"state": starts}
    )
    return PairwiseGeometry(spec)((flat - mean) / std)


def test_a_right_triangle_has_its_sides_in_decimetres_and_its_angles():
    # Legs of 30 and 40 cm meet at the first point.
    found = geometry_of([[0.0, 0.0, 0.1], [0.3, 0.0, 0.1], [0.0, 0.4, 0.1]])
    gaps, lengths, cosines = found.split([9, 3, 3])
    expected = torch.tensor([[-3.0, 0, 0], [0, -4, 0], [3, -4, 0]])
    torch.testing.assert_close(gaps.unflatten(0, (3, 3)), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(lengths, torch.tensor([3.0, 4.0, 5.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(cosines, torch.tensor([0.0, 0.6, 0.8]), atol=0.05, rtol=0)


def test_where_all_points_meet_values_and_gradients_stay_finite():
    spec = DataSpec({"state": (9,)}, 2, points={"state": [0, 3, 6]})
    z = torch.zeros(9, requires_grad=True)
    found = PairwiseGeometry(spec)(z)
    found.sum().backward()
    assert found.isfinite().all() and z.grad is not None and z.grad.isfinite().all()


@pytest.mark.parametrize(("points", "size"), [(0, 0), (1, 0), (2, 4), (3, 15), (5, 70)])
def test_n_points_have_four_numbers_a_pair_and_one_a_corner(points, size):
    spec = DataSpec({"state": (15,)}, 2, points={"state": [3 * i for i in range(points)]})
    geometry = PairwiseGeometry(spec)
    assert geometry.size == size
    assert geometry(torch.randn(4, 15)).shape == (4, size)


def test_regression_starts_at_zero_and_fits_a_curve_finely():
    torch.manual_seed(0)
    head = Regression(1, 64, 2)
    x = torch.linspace(-1, 1, 200)[:, None]
    assert (head(x) == 0).all()
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    for _ in range(400):
        optimiser.zero_grad()
        head.loss(x, torch.sin(3 * x[:, 0])).mean().backward()
        optimiser.step()
    assert (head(x) - torch.sin(3 * x[:, 0])).abs().mean() < 0.03
