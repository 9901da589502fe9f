"""Intervals over training seeds and episodes."""

from __future__ import annotations

import numpy as np
import pytest

from wm_lab.evaluation.over_seeds import over_seeds, paired_over_seeds
from wm_lab.evaluation.proportions import paired_proportions, success_rate

FLAGS = np.random.default_rng(0).random((2, 3, 60)) < 0.7


def test_one_seed_has_wilsons_and_tangos_intervals():
    a, b = FLAGS[:, :1]
    assert over_seeds(a) == success_rate(a[0])
    assert paired_over_seeds(a, b) == paired_proportions(a[0], b[0])


def test_an_arm_without_training_seeds_meets_every_seed_of_the_other():
    a, b = FLAGS
    assert paired_over_seeds(a, b[:1]) == paired_over_seeds(a, np.repeat(b[:1], 3, axis=0))
    assert paired_over_seeds(a, b[:1]).value == pytest.approx(a.mean() - b[0].mean())
    assert paired_over_seeds(b[:1], a).value == pytest.approx(b[0].mean() - a.mean())


def test_arms_are_paired_by_seed_and_episode_or_not_at_all():
    a, b = FLAGS
    with pytest.raises(ValueError, match="3 and 2 training seeds"):
        paired_over_seeds(a, b[:2])
    with pytest.raises(ValueError, match="same episodes"):
        paired_over_seeds(a, b[:, :50])
