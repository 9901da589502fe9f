"""The quantiser is the paper's, reaches all of its codes and lets gradients through."""

from __future__ import annotations

import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.models.parts.fsq import FSQ

LEVELS = [[8, 6, 5], [8, 5, 5, 5], [7, 5, 5, 5, 5], [3, 4]]


@pytest.mark.parametrize("levels", LEVELS)
def test_codes_and_indices_are_those_of_the_reference_implementation(levels):
    reference = pytest.importorskip("vector_quantize_pytorch", reason="the oracle is not installed").FSQ(levels)
    raw = 3 * torch.randn(500, len(levels), generator=torch.Generator().manual_seed(0))
    expected_code, expected_index = reference(raw[None])
    fsq = FSQ(levels)
    code = fsq(raw)
    torch.testing.assert_close(code, expected_code[0])
    assert torch.equal(fsq.index(code), expected_index[0].long())
    torch.testing.assert_close(fsq.grid, reference.indices_to_codes(torch.arange(fsq.size)[None])[0])


@pytest.mark.parametrize("levels", LEVELS)
def test_every_code_is_reached_and_codes_and_indices_say_the_same(levels):
    fsq = FSQ(levels)
    line = torch.linspace(-4, 4, 201)[:, None].expand(-1, len(levels))
    reached = [column.unique() for column in fsq(line).unbind(-1)]
    codes = torch.cartesian_prod(*(column for column in reached))  # each number is rounded for itself
    assert torch.equal(fsq.index(codes).sort().values, torch.arange(fsq.size))
    torch.testing.assert_close(fsq.code(fsq.index(codes)), codes)


def test_an_odd_number_of_levels_has_the_published_values():
    assert FSQ([5]).grid[:, 0].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert FSQ([4]).grid[:, 0].tolist() == [-1.0, -0.5, 0.0, 0.5]
    assert FSQ([5])(torch.tensor([[0.0], [9.0], [-9.0]])).flatten().tolist() == [0.0, 1.0, -1.0]


def test_the_gradient_is_that_of_the_bounded_value_before_rounding():
    raw = torch.tensor([[0.3, -0.2]], requires_grad=True)
    FSQ([5, 3])(raw).sum().backward()
    half = torch.tensor([2.0, 1.0]) * 1.001
    torch.testing.assert_close(raw.grad[0], (1 - raw[0].tanh() ** 2).detach() * half / torch.tensor([2.0, 1.0]))


def test_the_expected_code_is_the_mean_of_the_grid():
    fsq = FSQ([5, 3])
    torch.testing.assert_close(fsq.expected(torch.zeros(15)), torch.zeros(2))
    certain = torch.full((15,), -100.0).scatter(0, torch.tensor(7), 100.0)
    torch.testing.assert_close(fsq.expected(certain), fsq.code(torch.tensor(7)))


def test_autocast_changes_no_code():
    fsq, raw = FSQ([8, 8, 8, 6, 5]), torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        code = fsq(raw)
        index = fsq.index(code)
    assert code.dtype == torch.float32
    assert torch.equal(code, fsq(raw)) and torch.equal(index, fsq.index(fsq(raw)))


@pytest.mark.parametrize("levels", [[], [8, 1], [0]])
def test_a_grid_without_two_levels_is_refused(levels):
    with pytest.raises(UserError, match=r"model\.levels="):
        FSQ(levels)
