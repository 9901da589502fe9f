"""The latent exercise on worlds whose answers are known, its sentences on made-up intervals, and one run by command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.toy import PointTask
from tests.entry.command import QUIET, runs, wm_lab
from tests.exercises.hand_lab import settings as settings_of
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.errors import UserError
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.structure import distances
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.latent.answer import (
    LATENT,
    LEARNED,
    OBSERVATION,
    RANDOM,
    ROWS,
    STATE,
    Findings,
    capture_verdict,
    latent_verdicts,
    learning_verdict,
    neighbour_verdict,
    over_findings,
    phase_verdict,
    picture_verdict,
)
from wm_lab.exercises.latent.exercise import LatentConfig, LatentExercise
from wm_lab.exercises.latent.held_out_frames import SETTLE, gather, phases, places, spread_over, steps_to_go, targets
from wm_lab.exercises.latent.measures import structure
from wm_lab.exercises.latent.pictures import shown_variable, thumbnails
from wm_lab.exercises.latent.representations import copied, random_encoder
from wm_lab.reports.maps import contact_sheet
from wm_lab.settings import read_config
from wm_lab.tasks.task import Variable
from wm_lab.world_model import DataSpec, Windows

CONFIG = LatentConfig(scenes=16, frames=8, neighbours=5, perplexities=[5, 30], resamples=200)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> PointExperiment:
    return PointExperiment(settings(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def frames(experiment):
    return gather(experiment.data.unseen(16), ["state"])


@pytest.fixture(scope="module")
def answer(experiment) -> Answer:
    return LatentExercise(CONFIG).run(experiment)


# HeldOutFrames


def test_frames_are_of_episodes_that_no_model_has_seen(experiment):
    unseen, collected = experiment.data.unseen(16), experiment.data.dataset()
    assert len(unseen) == 16 and not set(unseen.table.seed) & set(collected.table.seed)
    assert experiment.data.unseen(16).digest == unseen.digest


def test_frames_are_every_step_of_every_trajectory_once_a_belief_has_formed(frames):
    steps = np.arange(SETTLE, 21)
    assert set(frames.trajectory) == set(range(16))
    for trajectory in range(16):
        mine = frames.trajectory == trajectory
        assert (frames.step[mine] == steps).all()
        assert (frames.state[mine, 4] == steps).all(), "the point counts its steps"
    chosen = frames.sampled(5)
    assert (np.bincount(frames.trajectory[chosen]) == 5).all()
    assert set(frames.step[chosen]) == {4, 8, 12, 16, 20}


def test_phases_follow_contact_and_success():
    contact = np.array([0, 0, 1, 1, 0, 1, 0, 0], bool)
    success = np.array([0, 0, 0, 0, 0, 0, 1, 0], bool)
    assert phases(contact, success).tolist() == [
        *["approach"] * 2,
        *["contact"] * 2,
        "apart",
        "contact",
        "solved",
        "apart",
    ]
    np.testing.assert_array_equal(steps_to_go(success), [6, 5, 4, 3, 2, 1, 0, np.nan])
    assert np.isnan(steps_to_go(np.zeros(3, bool))).all()


def test_scenes_are_one_of_each_trajectory_and_all_phases_get_their_share():
    trajectory, phase = np.repeat(np.arange(30), 10), np.tile(np.repeat(["a", "b", "c"], [8, 1, 1]), 30)
    chosen = spread_over(phase, trajectory)
    assert (trajectory[chosen] == np.arange(30)).all()
    assert np.unique(phase[chosen], return_counts=True)[1].tolist() == [10, 10, 10]


def test_yaw_is_asked_for_in_place_of_a_quaternion_whose_sign_means_nothing():
    angle = np.linspace(-3, 3, 7)
    turn = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], 1)
    state = np.concatenate([np.ones((7, 3)), turn * np.where(angle > 0, 1, -1)[:, None]], 1)
    variables = (Variable("block", 0, 3, "m"), Variable("block_rotation", 3, 7, "quaternion"))
    found, columns = targets(state, variables)
    assert columns == {"block": slice(0, 3), "block_yaw": slice(3, 5)}
    np.testing.assert_allclose(found[:, 3:], np.stack([np.sin(angle), np.cos(angle)], 1), atol=1e-12)
    assert places(state, variables).shape == (7, 3), "scenes are compared in metres"
    assert places(state, variables[1:]).shape == (7, 7), "or else by everything"


def test_copied_numbers_are_found_whatever_their_scale():
    x = np.random.default_rng(0).standard_normal((100, 4))
    assert copied(np.column_stack([5 - 3 * x[:, 1], x @ np.ones((4, 2))]), x[:, :2]) == 0.5
    assert copied(x, np.zeros((100, 0))) == 0


# The whole exercise


@pytest.mark.slow
def test_a_turned_state_is_read_without_error_and_strangers_states_are_not(answer):
    """The features are the state, turned: all is captured, by the untrained encoder too, which is the same."""
    found = answer.numbers
    for variable in ("position", "goal"):
        assert found["r2"]["ridge"][LATENT][variable]["low"] > 0.999
        assert found["r2"]["ridge"]["shuffled"][variable]["value"] < 0.5
        assert found["gains"]["ridge"][RANDOM][variable]["value"] == 0
        assert abs(found["gains"]["ridge"]["observation"][variable]["value"]) < 1e-3, "it is all there to be seen"
    assert found["moves"] == {"position": True, "goal": False}
    assert answer.verdicts[0].startswith(
        "in this training, the latent captures position (R² 1.00 [1.00, 1.00], random encoder 1.00)"
    )
    assert "changed the R² of position and goal by less than 0.01" in answer.verdicts[1]


def test_every_number_stands_beside_every_representation(answer):
    for kind in ("ridge", "mlp"):
        assert tuple(answer.numbers["r2"][kind]) == (*ROWS, "shuffled")
    assert tuple(answer.numbers["structure"]) == ROWS
    assert answer.numbers["structure"][STATE]["scene"]["value"] == pytest.approx(1)
    assert answer.numbers["structure"][LATENT]["neighbours"]["n"] == 16
    assert list(answer.numbers["trustworthiness"]) == ["5"], "a perplexity of 30 is more than 16 scenes can have"
    assert answer.numbers["frames"] == 16 * 8
    json.dumps(answer.numbers, allow_nan=False)


def test_the_random_encoder_hears_what_a_model_that_begins_at_zero_would_not():
    spec = DataSpec({"pixels": (8, 8, 3)}, action_size=2)
    section = {"_target_": "wm_lab.models.latent_mlp.LatentMLP"}
    model = random_encoder(section, spec, seed=0).eval()
    images = torch.randint(256, (2, 3, 8, 8, 3), dtype=torch.uint8)
    nothing = torch.zeros(2, 3)
    windows = Windows({"pixels": images}, torch.zeros(2, 3, 2), nothing, nothing > 0, nothing > 0, nothing == 0)
    assert model.observe(windows)[1].features.std() > 0
    assert model.observe(windows)[1].features.equal(
        random_encoder(section, spec, 0).eval().observe(windows)[1].features
    )


def test_pictures_are_made_where_the_task_renders(experiment, frames):
    assert thumbnails(PointTask(), experiment.data.unseen(16), frames, np.arange(16)) is None
    names = (Variable("a", 0, 1, "m"), Variable("b", 1, 2, "rad", 0.1), Variable("c", 2, 3, "m", 0.1))
    assert shown_variable(names).name == "c" and shown_variable(names[:1]).name == "a"


def test_a_contact_sheet_lays_pictures_out_as_the_map_does():
    images = np.stack([np.full((2, 2, 3), shade, np.uint8) for shade in (10, 20, 30, 40)])
    sheet = np.asarray(contact_sheet(images, np.array([[0, 1], [5, 1], [0, 0], [5, 0.0]])))
    assert sheet[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist() == [10, 20, 30, 40], "up is up"


@pytest.mark.slow
def test_one_command_answers_for_a_hand_that_sees_pixels(tmp_path):
    options = (
        "exercise=latent",
        "task.observation=pixels",
        "task.image_size=16",
        "model=latent_mlp",
        "task.episode_steps=24",
    )
    ended = wm_lab(tmp_path, *QUIET, *options, "exercise.frames=6", "exercise.resamples=100")
    assert ended.code == 0, ended.err
    (run,) = runs(tmp_path)
    result = json.loads((run / "result.json").read_text())
    assert result["verdict"].startswith("in this training, the latent captures")
    assert "".join(result["verdict"].split()) in "".join(ended.out.split()), "the terminal wraps lines"
    assert result["numbers"]["copied"] == 0 and result["numbers"]["trajectories"] == 12
    scenes = (run / "plots" / "scenes.svg").read_text()
    assert scenes.count("<title>trajectory ") == 2 * 4 * 12, "every scene under two embeddings in four colourings"
    assert "scene-" not in scenes, "a scene leads nowhere when clicked"
    page = (run / "report.html").read_text()
    assert "<title>trajectory " in page and "data:image/png;base64" in page


# What is said


def findings(ours: Interval, bar: Interval, **changes) -> Findings:
    """Where the latent has `ours` and the random encoder `bar`, whatever is asked."""
    row = {LATENT: ours, RANDOM: bar, STATE: Interval(0.05, 0.1, 0.15, 50)}
    found = Findings(
        r2={"ridge": {name: {"block": value} for name, value in row.items()}},
        gains={"ridge": {RANDOM: {"block": Interval(0.2, 0.3, 0.4, 50)}}},
        moves={"block": True},
        structure={
            name: {"neighbours": value, "silhouette": value, "information": value} for name, value in row.items()
        },
        trustworthiness={5: ours},
        noise={5: 0.75},
        phases={"approach": 10, "contact": 20},
        copied=0.0,
        frames=100,
        trajectories=50,
    )
    return replace(found, **changes)


HIGH, MIDDLE, LOW, OPEN = (
    Interval(*values, 50) for values in ((0.96, 0.97, 0.98), (0.4, 0.5, 0.6), (-0.1, 0.02, 0.1), (-0.3, 0.4, 1.2))
)


@pytest.mark.parametrize(
    ("r2", "says"),
    [
        (HIGH, "the latent captures block (R² 0.97 [0.96, 0.98], random encoder 0.50)"),
        (MIDDLE, "the latent captures a part of block (R² 0.50 [0.40, 0.60], random encoder 0.50)"),
        (
            LOW,
            "the latent captures no variable for certain; it does not capture block (R² 0.02 [-0.10, 0.10]",
        ),
        (OPEN, "the latent captures no variable for certain; cannot tell whether it captures block"),
    ],
)
def test_a_variable_is_captured_only_where_its_whole_interval_is(r2, says):
    assert capture_verdict(findings(r2, MIDDLE)).startswith(says)


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (Interval(0.2, 0.3, 0.4, 50), "training raised the R² of block by 0.30 [0.20, 0.40]"),
        (Interval(-0.4, -0.3, -0.2, 50), "training lowered the R² of block by 0.30 [0.20, 0.40]"),
        (Interval(-0.001, 0.0, 0.001, 50), "training changed the R² of block by less than 0.01"),
        (Interval(-0.1, 0.3, 0.4, 50), "cannot tell that training changed the R² of block"),
    ],
)
def test_training_gets_credit_only_for_what_it_surely_added(gain, says):
    assert learning_verdict(findings(HIGH, LOW, gains={"ridge": {RANDOM: {"block": gain}}})).startswith(says)


def test_scenes_are_similar_where_neighbours_surely_are():
    assert neighbour_verdict(findings(MIDDLE, HIGH)) == (
        "similar scenes lie together: neighbours of other trajectories are 0.50 [0.40, 0.60] times as far apart as any "
        "two scenes (at best 0.10), less than the random encoder's 0.97 [0.96, 0.98] (n=50 trajectories)."
    )
    assert neighbour_verdict(findings(OPEN, HIGH)).startswith("cannot tell that similar scenes lie together")


@pytest.mark.parametrize(
    ("silhouette", "says"),
    [
        (MIDDLE, "phases (approach, contact) form clusters: silhouette 0.50 [0.40, 0.60]"),
        (LOW, "phases (approach, contact) form no clusters"),
        (OPEN, "cannot tell that phases (approach, contact) form clusters"),
    ],
)
def test_phases_form_clusters_only_where_their_silhouette_is_substantial(silhouette, says):
    assert phase_verdict(findings(silhouette, LOW)).startswith(says)
    assert phase_verdict(findings(silhouette, LOW, phases={"solved": 3})) == (
        "cannot tell whether phases cluster: all 100 frames are of one (solved)."
    )


def test_a_picture_is_believed_only_above_one_of_noise():
    assert picture_verdict(findings(HIGH, LOW)).startswith("the t-SNE keeps true neighbours")
    assert picture_verdict(findings(MIDDLE, LOW)).startswith("cannot tell that the t-SNE keeps true neighbours")


def test_a_latent_that_holds_the_observation_is_said_to():
    said = latent_verdicts(findings(HIGH, LOW, copied=0.9))
    assert said[0].startswith("the latent, in which 90% of the observed numbers stand as they are, captures block")
    assert latent_verdicts(findings(HIGH, LOW))[0].startswith("the latent captures block")


def test_what_a_copied_observation_says_by_itself_is_told_last():
    """Of images and joint readings: the joints are copied, the goal is what had to be seen."""
    exact = Interval(0.995, 1.0, 1.0, 50)
    r2 = {
        LATENT: {"joints": exact, "goal": MIDDLE},
        RANDOM: {"joints": exact, "goal": LOW},
        OBSERVATION: {"joints": exact, "goal": LOW},
    }
    assert capture_verdict(findings(HIGH, LOW, r2={"ridge": r2}, copied=1.0)) == (
        "the latent, in which 100% of the observed numbers stand as they are, captures a part of goal "
        "(R² 0.50 [0.40, 0.60], random encoder 0.02); it holds joints, which a line reads off the observation "
        "(n=50 trajectories)."
    )
    assert capture_verdict(findings(HIGH, LOW, r2={"ridge": r2})).startswith("the latent captures joints (R² 1.00")


def test_exercise_4_looks_at_images_and_joint_readings_unless_states_are_asked_for():
    seen, states = settings_of("exercise=latent"), settings_of("exercise=latent", "task.observation=state")
    usual = settings_of("exercise=imagination")
    assert seen.task["observation"] == "pixels_proprio" and usual.task["observation"] == "state"
    for section in ("task", "data", "trainer"):
        assert getattr(states, section) == getattr(usual, section), "states are looked into as ever, and trained once"


def test_what_is_looked_into_by_sight_fits_five_minutes_whatever_the_task():
    push = settings_of("exercise=latent", "task=hand/push", "scale=laptop")
    assert (push.trainer["steps"], push.seeds, push.data["episodes"]) == (400, 2, 300)
    planned = settings_of("task=hand/push", "task.observation=pixels_proprio", "scale=laptop")
    assert (planned.trainer["steps"], planned.seeds) == (2800, 3)


# What cannot be asked


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scenes": 5}, r"exercise.scenes=5 must be a whole number from 11"),
        ({"frames": 1}, r"exercise.frames=1 must be .* from 2"),
        ({"scenes": 12, "neighbours": 12}, r"exercise.neighbours=12 must be below exercise.scenes=12"),
        ({"scenes": 12, "perplexities": [15]}, r"exercise.perplexities=\[15\] must hold a number from 1 to below"),
    ],
)
def test_impossible_options_are_refused(options, complaint):
    with pytest.raises(UserError, match=complaint):
        read_config(LatentConfig, options, "exercise")


def test_what_has_no_latent_and_what_has_no_test_starts_is_refused_before_any_work(tmp_path):
    simulator = {"_target_": "wm_lab.tasks.simulator.Simulator"}
    with pytest.raises(UserError, match="model=simulator has no latent"):
        LatentExercise(CONFIG).check(PointExperiment(settings(tmp_path, model=simulator)))
    with pytest.raises(UserError, match="an evaluation needs between 1 and"):
        LatentExercise(LatentConfig(scenes=10**9)).check(PointExperiment(settings(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_several_trainings_are_told_as_one():
    trained = [findings(Interval(r2 - 0.1, r2, r2 + 0.05, 9), LOW, copied=r2) for r2 in (0.8, 0.9, 1.0)]
    found = over_findings(trained)
    r2 = found.r2["ridge"][LATENT]["block"]
    assert (r2.value, r2.high) == (pytest.approx(0.9), 1.0), "no more can be explained than all"
    alone = 4.302652729911275 * 0.1 / np.sqrt(3)
    assert alone < 0.9 - r2.low < alone + 0.1, "further than trainings alone, not as far as both after another"
    assert found.copied == pytest.approx(0.9) and found.r2["ridge"][RANDOM]["block"] == pytest.approx(LOW)
    assert found.trainings == 3


def test_a_learned_distance_stands_beside_the_straight_ones_and_has_no_directions(experiment, frames):
    variables = experiment.task_spec.variables
    chosen = frames.sampled(8)
    learned = distances(places(frames.state, variables).astype(float)[chosen])
    blind = np.random.default_rng(0).normal(size=(len(frames.state), 3))
    found = structure({LATENT: blind}, frames, chosen, variables, 5, 200, learned)
    assert found[LEARNED]["scene"].value == pytest.approx(1) and abs(found[LATENT]["scene"].value) < 0.2
    assert found[LEARNED]["neighbours"].value < found[LATENT]["neighbours"].value
    assert np.isnan(found[LEARNED]["effective_rank"].value)
