"""Action tokens against answers that are known: rounding, labels, and two ways to act."""

from __future__ import annotations

import pytest
import torch

from tests.models.test_flow import CHUNK, CONDITION, train, two_ways
from wm_lab.errors import UserError
from wm_lab.models.parts.action_tokens import Bins, TokenHead, TokensConfig
from wm_lab.settings import read_config


def head(actions: int = 1, **options) -> TokenHead:
    torch.manual_seed(0)
    return TokenHead(CONDITION, CHUNK, actions, units=64, layers=2, config=TokensConfig(**options))


@pytest.mark.parametrize("count", [2, 21, 64, 256, 257])
def test_there_and_back_is_off_by_half_a_bin_at_most_and_by_nothing_at_both_ends(count):
    bins, half = Bins(count), 1 / (count - 1)
    actions = torch.cat([torch.tensor([-1.0, 0.0, 1.0]), torch.linspace(-1, 1, 10_001)])
    back = bins.decode(bins.encode(actions))
    assert (back - actions).abs().max() <= half + 1e-6
    assert back[0] == -1 and back[2] == 1
    assert bins.encode(torch.tensor([-7.0, 7.0])).tolist() == [0, count - 1], "beyond the ends are the ends"
    assert bins.encode(bins.centres(actions)).tolist() == list(range(count))


def test_smoothed_labels_sum_to_one_and_lie_around_the_action():
    bins = Bins(256)
    actions = torch.tensor([-1.0, -0.3, 0.0, 1.0])
    labels = bins.labels(actions, smoothing=2.0)
    torch.testing.assert_close(labels.sum(-1), torch.ones(4))
    torch.testing.assert_close(labels.argmax(-1)[[0, 1, 3]], bins.encode(actions)[[0, 1, 3]])
    middle = (labels[1] * bins.centres(labels)).sum()
    assert middle.item() == pytest.approx(-0.3, abs=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_tokens_follow_the_likelier_of_two_ways_and_draw_both_with_their_shares(smoothing):
    condition, actions = two_ways()
    trained = train(head(bins=21, smoothing=smoothing), condition, actions, steps=200)
    for side in (-1.0, 1.0):
        asked, noise = torch.full((1000, CONDITION), side), torch.randn(1000, CHUNK, 1)
        with torch.no_grad():
            said = {}
            for decode in ("argmax", "mean", "sample"):
                trained.config.decode = decode
                said[decode] = trained(asked, noise)[..., 0]
        assert (said["argmax"] - side).abs().max() < 0.11
        assert said["mean"].mean().item() == pytest.approx(0.5 * side, abs=0.15)
        assert (said["sample"] > 0).float().mean().item() == pytest.approx(0.5 + 0.25 * side, abs=0.08)


def test_logits_that_are_no_numbers_decode_to_no_numbers():
    for decode in ("argmax", "mean", "sample"):
        broken = head(decode=decode)
        with torch.no_grad():
            broken.net[-1].bias[3] = torch.nan
        assert broken(torch.zeros(1, CONDITION), torch.zeros(1, CHUNK, 1)).isnan().any()


def test_sampling_by_noise_zero_is_the_median():
    sampler = head(bins=5, decode="sample")
    with torch.no_grad():
        sampler.net[-1].weight.zero_()
        sampler.net[-1].bias.copy_(torch.tensor([0.4, 0.05, 0.15, 0.3, 0.1]).log().repeat(CHUNK))
    drawn = sampler(torch.zeros(1, CONDITION), torch.zeros(1, CHUNK, 1))
    torch.testing.assert_close(drawn, torch.zeros_like(drawn))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"decode": "beam"}, "way to decode"), ({"bins": 1}, "bins"), ({"smoothing": -1.0}, "smoothing")],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        read_config(TokensConfig, options, "model.tokens")
