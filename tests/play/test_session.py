"""The truth and the dream: one start, the same actions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.play.scenes import STILL, scene
from wm_lab.errors import UserError


def wander(session, steps, seed=0):
    random = np.random.default_rng(seed)
    return [session.advance(random.uniform(-1, 1, 7).astype(np.float32)) for _ in range(steps)]


def test_dreamt_in_the_simulator_the_dream_is_the_truth():
    session = scene("task=hand/push", "model=simulator").session
    session.reset(4)
    steps = wander(session, 20)
    assert all(step.error == 0 and step.predicted_reward == pytest.approx(step.reward) for step in steps)
    assert np.array_equal(session.dream.seen["state"], session.seen["state"])


def test_both_sides_begin_alike_and_a_dream_that_knows_nothing_departs():
    session = scene("model=latent_mlp").session
    session.reset(4)
    assert session.gap.measure(session.seen, session.dream.seen) < 0.1
    assert wander(session, 10)[-1].error > 1  # cm


def test_resynchronised_the_dream_is_what_is_believed_of_the_truth():
    session = scene("model=latent_mlp").session
    wander(session, 10)
    session.resynchronise()
    assert session.gap.measure(session.seen, session.dream.seen) < 0.1


def test_in_a_fork_the_imagination_goes_on_alone_and_comes_back_to_where_it_was():
    session = scene("model=simulator").session
    wander(session, 3)
    there, dreamt = session.seen["state"], session.dream.seen["state"]
    session.fork()
    steps = wander(session, 5, seed=1)
    assert [step.number for step in steps] == [4, 5, 6, 7, 8]
    assert all(step.reward is None and step.error is None and step.forked for step in steps)
    assert np.array_equal(session.seen["state"], there) and not np.array_equal(session.dream.seen["state"], dreamt)
    session.join()
    assert np.array_equal(session.dream.seen["state"], dreamt) and len(session.steps) == 3
    assert session.advance(STILL).number == 4


def test_the_expert_takes_over_in_mid_episode_and_solves_it():
    session = scene("model=simulator").session
    session.reset(1)
    wander(session, 5)
    session.drive("expert")
    assert any(session.advance(STILL).success for _ in range(25))
    assert set(session.truth.drivers) == {"person", "expert"}


def test_the_planner_drives_in_the_dream_as_in_the_truth():
    session = scene("model=latent_mlp").session
    session.drive("planner")
    assert np.abs(session.advance(STILL).action).max() > 0
    session.fork()
    assert session.advance(STILL).forked


def test_who_knows_the_simulator_alone_cannot_drive_what_is_imagined():
    session = scene("model=latent_mlp").session
    session.fork()
    with pytest.raises(UserError, match="the expert knows the simulator alone"):
        session.drive("expert")


@pytest.mark.parametrize("held", [np.zeros(6), np.array([np.nan] * 7), np.zeros((7, 1))])
def test_what_is_no_action_is_refused_and_nothing_is_played(held):
    session = scene("model=simulator").session
    with pytest.raises(UserError, match="an action of hand/reach is 7 numbers"):
        session.advance(held)
    assert not session.steps


def test_the_same_seed_begins_the_same_episode_again():
    session = scene("model=simulator").session
    session.reset(7)
    first = wander(session, 5)[-1]
    session.reset(7)
    assert wander(session, 5)[-1].reward == first.reward


@pytest.mark.parametrize("model", ["rssm", "latent_mlp", "video_token", "decoder_only", "video_diffusion"])
@pytest.mark.parametrize("observation", ["state", "pixels"])
@pytest.mark.slow
def test_every_family_can_be_played(model, observation):
    made = scene(f"model={model}", f"task.observation={observation}")
    wander(made.session, 2)
    made.session.resynchronise()
    wander(made.session, 2)
    width, height = made.pictures.size
    assert made.pictures.truth().shape == made.pictures.dream().shape == (height, width, 3)
    assert (width == height) is (observation == "pixels")
    assert made.session.gap.unit == ("cm" if observation == "state" else "grey levels")
