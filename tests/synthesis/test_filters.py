"""Filters drop what was made to be dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.data.toy import PointTask
from tests.exercises.point_world import PointWorld, PointWorldConfig
from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.synthesis.filters import FilterConfig, Filters
from wm_lab.synthesis.world import ImaginedWorld, SimulatedWorld

LENGTH = 6


def filters(lab, use, quantile=0.95, world=None) -> Filters:
    config = FilterConfig(list(use), quantile)
    return Filters(config, lab.collection, world or SimulatedWorld(PointTask()), lab.step_scale, lab.inverse, LENGTH)


@pytest.fixture(scope="module")
def segments(lab):
    return lab.make(SimulatedWorld(PointTask()), steps=LENGTH, deviate=2, strength=0.2)


def test_true_segments_near_the_data_pass(lab, segments):
    passes = filters(lab, ["support", "consistency"])(segments)
    assert passes["support"].mean() > 0.5 and passes["consistency"].all()


def test_what_no_real_frame_is_near_has_no_support(lab, segments):
    state = segments.observation["state"].copy()
    state[::2, 3, :2] += 3.0  # a single frame that is metres away
    passes = filters(lab, ["support"], 1.0)(replace(segments, observation={"state": state}))["support"]
    assert not passes[::2].any() and passes[1::2].any()


def test_a_transition_that_the_action_does_not_explain_is_inconsistent(lab, segments):
    executed = segments.executed.copy()
    executed[::2, 2] = -np.sign(executed[::2, 2])
    passes = filters(lab, ["consistency"], 1.0)(replace(segments, executed=executed))["consistency"]
    assert not passes[::2].any() and passes[1::2].all()


def test_what_did_not_come_out_as_wanted_is_dropped(lab, segments):
    achieved = np.arange(len(segments)) % 3 == 0
    np.testing.assert_array_equal(
        filters(lab, ["achieved"])(replace(segments, achieved=achieved))["achieved"], achieved
    )


class Doubtful(PointWorld):
    """Is as unsure as the point is far to the right, by chance the seed's."""

    def imagine(self, state, actions):
        future = super().imagine(state, actions)
        return future._replace(uncertainty=self.decode(future)["state"][..., 0].float())


def test_disagreement_above_that_on_real_windows_is_dropped(lab):
    world = ImaginedWorld(Doubtful(PointWorldConfig(), lab.demonstrations.spec))
    bar = filters(lab, ["disagreement"], 0.5, world)
    segments = lab.make(world, steps=LENGTH)
    right = world.uncertainty.mean(1)
    np.testing.assert_array_equal(bar(segments)["disagreement"], right <= bar.bars["disagreement"])
    assert 0 < bar(segments)["disagreement"].mean() < 1
    stricter = filters(lab, ["disagreement"], 0.1, world)
    assert stricter.bars["disagreement"] < bar.bars["disagreement"]


def test_disagreement_of_a_model_without_an_ensemble_is_refused(lab):
    with pytest.raises(UserError, match=r"no ensemble to disagree.*model.ensemble=5"):
        filters(lab, ["disagreement"], world=lab.imagined())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [({"use": ["luck"]}, "unknown exercise.filter.use 'luck'"), ({"quantile": 0.0}, "filter.quantile=0.0 must be")],
)
def test_options_without_sense_are_refused(config, sentence):
    with pytest.raises(UserError, match=sentence):
        read_config(FilterConfig, config, "exercise.filter")
