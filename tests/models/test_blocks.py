"""The blocks compute what their names promise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wm_lab.models.parts.blocks import BlockLinear, EnsembleMLP, TwoHot, symexp, symlog


def test_symlog_has_its_published_values_and_symexp_inverts_it():
    x = torch.tensor([-(torch.e**2 - 1), -1.0, 0.0, torch.e - 1], dtype=torch.float64)
    torch.testing.assert_close(symlog(x), torch.tensor([-2.0, -0.6931471805599453, 0.0, 1.0], dtype=torch.float64))
    wide = torch.linspace(-50, 50, 101, dtype=torch.float64) ** 3
    torch.testing.assert_close(symexp(symlog(wide)), wide)


def test_symlog_passes_a_gradient_of_one_at_zero_from_either_side():
    x = torch.tensor([-1e-9, 1e-9], requires_grad=True)
    symlog(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones(2))


class Constant(nn.Module):
    """A network that answers the same logits whatever it is asked."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*x.shape[:-1], -1)


@pytest.mark.parametrize("value", [0.0, 0.03, -0.4, 1.0, -7.7, 123.4, -3e4])
def test_two_hot_is_least_at_a_target_on_two_neighbouring_bins_that_decodes_to_the_value(value):
    head, x = TwoHot(1, 4, 1), torch.zeros(1, 1)
    head.net = Constant(torch.zeros(255))
    head.loss(x, torch.tensor([value])).sum().backward()
    # Cross-entropy's gradient is softmax - target, which gives the target away.
    target = torch.full((255,), 1 / 255) - head.net.logits.grad
    above = target > 1e-5
    assert above.sum() <= 2 and target[above].sum().item() == pytest.approx(1, abs=1e-4)
    assert above.nonzero().diff(dim=0).le(1).all()
    head.net = Constant(target.clamp_min(1e-30).log())
    assert head(x).item() == pytest.approx(value, rel=1e-3, abs=1e-5)


def test_two_hot_sums_its_losses_against_several_targets():
    head, x, targets = TwoHot(3, 8, 1), torch.randn(5, 3), torch.randn(2, 5)
    torch.nn.init.normal_(head.net[-1].weight)
    torch.testing.assert_close(head.loss(x, *targets), head.loss(x, targets[0]) + head.loss(x, targets[1]))


def test_two_hot_starts_out_predicting_exactly_zero():
    assert (TwoHot(6, 8, 2)(torch.randn(50, 6)) == 0).all()


def test_two_hot_can_tell_a_sum_of_two_outcomes_by_its_mean():
    head, x = TwoHot(1, 4, 1), torch.zeros(2, 1)
    head.net = Constant(torch.zeros(255))
    optimiser = torch.optim.Adam(head.parameters(), 0.3)
    for _ in range(200):
        optimiser.zero_grad()
        head.loss(x, torch.tensor([-1.0, 4.0])).mean().backward()
        optimiser.step()
    assert head(x[:1]).item() == pytest.approx(1.5, abs=0.05)


def test_block_linear_is_a_dense_layer_with_a_block_diagonal_matrix():
    block, x = BlockLinear(3, 12, 6), torch.randn(5, 12)
    dense = torch.block_diag(*block.weight)  # [12, 6]
    expected = x @ dense + block.bias.flatten()
    found = block(x.unflatten(-1, (3, 4)).transpose(0, 1)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(found, expected)


def test_block_linear_starts_at_the_scale_of_the_whole_input():
    torch.manual_seed(0)
    assert BlockLinear(8, 512, 512).weight.std().item() == pytest.approx(512**-0.5, rel=0.02)


def test_members_of_an_ensemble_share_their_input_and_nothing_else():
    ensemble, x = EnsembleMLP(3, 4, 8, 2), torch.randn(2, 5, 4)
    before = ensemble(x)
    assert before.shape == (3, 2, 5, 2) and before.std(0).min() > 0
    with torch.no_grad():
        ensemble.first.weight[1] += 1.0
    moved = (ensemble(x) - before).abs().amax((1, 2, 3)) > 0
    assert moved.tolist() == [False, True, False]
