"""Imagination measured on worlds whose mistakes are chosen, so that every answer is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.toy import SPEED, PointTask
from tests.exercises.hand_lab import changed
from tests.exercises.hand_lab import settings as smoke
from tests.exercises.point_world import PointExperiment, PointWorld, PointWorldConfig, settings
from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.errors import UserError
from wm_lab.evaluation.assessment import LINEAR, MODEL, OVERALL, PERSISTENCE, RETOLD, SHUFFLED
from wm_lab.evaluation.interval import Interval
from wm_lab.exercises.imagination.answer import ratio_verdict
from wm_lab.exercises.imagination.config import ImaginationConfig
from wm_lab.exercises.imagination.exercise import ImaginationExercise
from wm_lab.exercises.imagination.ghosts import ghost_pictures
from wm_lab.exercises.imagination.imagined_frames import ImaginedFrames, image_key
from wm_lab.exercises.imagination.judging import Judge, judge_training
from wm_lab.exercises.imagination.plans import error_ratio, execute
from wm_lab.exercises.imagination.predictions import FLOOR, VELOCITY, fit_linear, predict
from wm_lab.exercises.imagination.readout import LinearProbe, decoded_state, fit_probe
from wm_lab.exercises.imagination.stretches import draw, fair, places, reach
from wm_lab.experiment.experiment import Experiment
from wm_lab.settings import read_config

HORIZON, CONTEXT = 10, 3
CONFIG = ImaginationConfig(horizon=HORIZON, context=CONTEXT, windows=60, planned_windows=12, resamples=200)
SHORT = ImaginationConfig(horizon=3, context=2, windows=60, planned_windows=12, resamples=200)
MANY = {"episodes": 60, "validation_fraction": 0.5}
"""Windows so short, and so many, that some of them touch nothing."""

SIMULATOR = {"_target_": "wm_lab.tasks.simulator.Simulator"}
IMAGES = {"_target_": "tests.data.toy.PointTask", "observation": ["state", "pixels"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def dataset(store) -> Dataset:
    return PointExperiment(settings(store)).data.dataset()


@pytest.fixture(scope="module")
def stretches(dataset):
    return draw(dataset, "validation", PointTask(), ["state"], 60, CONTEXT, HORIZON)


def point(dataset: Dataset, **options) -> PointWorld:
    return PointWorld(PointWorldConfig(**options), dataset.spec)


def predictions(dataset, stretches, **options):
    model = point(dataset, **options)
    return predict(model, readout(model, dataset), fit_linear(dataset), stretches)


def readout(model, dataset):
    if "state" in model.decoded_keys:
        return decoded_state(model)
    return fit_probe(model, draw(dataset, "train", PointTask(), ["state"], 100, CONTEXT, HORIZON))


def answer(store, config=CONFIG, experiment=PointExperiment, **changes):
    return ImaginationExercise(config).run(experiment(settings(store, **changes)))


# Windows


def test_windows_are_held_out_whole_and_spread_over_the_episodes(dataset, stretches):
    validation = dataset.episodes("validation")
    assert set(stretches.episode) == set(validation)
    assert not set(stretches.episode) & set(dataset.episodes("train"))
    assert (stretches.step + CONTEXT + HORIZON <= dataset.table.length[stretches.episode] + 1).all()
    assert len(set(zip(stretches.episode, stretches.step, strict=True))) == len(stretches), "none twice"
    first_round = stretches.episode[: len(validation)]
    assert len(set(first_round)) == len(validation), "any first few are from as many episodes as can be"


def test_windows_hold_the_truth_that_the_actions_led_to(stretches):
    moved = SPEED * stretches.actions.numpy().cumsum(1)
    expected = stretches.state[:, CONTEXT - 1, None, :2] + moved
    np.testing.assert_allclose(stretches.future[..., :2], expected, atol=1e-5)
    assert stretches.observed.shape == (len(stretches), CONTEXT)
    assert (stretches.contact == (stretches.future[..., 0] > 0).any(1)).all()


def test_the_same_windows_are_judged_whatever_is_judged(dataset, stretches):
    again = draw(Dataset(dataset.shards, dataset.split_config), "validation", PointTask(), [], 60, CONTEXT, HORIZON)
    assert np.array_equal(stretches.episode, again.episode) and np.array_equal(stretches.step, again.step)
    assert not np.array_equal(places(dataset, "validation", 13, 20), places(dataset, "validation", 13, 20, seed=1))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([24] * 8, (5, 20)),  # what was asked
        ([24] * 10 + [3] * 90, (5, 20)),  # ten episodes are enough, however many end early
        ([24] * 9 + [9] * 91, (5, 5)),  # nine are not: as far as the tenth goes
        ([24, 24, 9, 9, 9, 9], (5, 5)),  # of few, half
        ([30, 4, 2], (2, 3)),  # the context gives way too
        ([2, 2], (2, 1)),  # least of all
    ],
)
def test_what_is_imagined_is_as_long_as_enough_episodes_last(lengths, expected):
    assert reach(lasting(lengths), "validation", 5, 20) == expected


def test_episodes_too_short_to_imagine_anything_are_refused_with_their_number():
    with pytest.raises(UserError, match="1 of 3 validation episodes have more than 2 observations, and 2 are needed"):
        reach(lasting([1, 1, 7]), "validation", 5, 20)


def lasting(lengths):
    """As much of a dataset as its episodes of so many actions."""
    return SimpleNamespace(table=SimpleNamespace(length=np.array(lengths)), episodes=lambda _: np.arange(len(lengths)))


def test_episodes_shorter_than_every_window_are_learnt_from_and_judged(tmp_path):
    wanted = smoke("exercise=imagination", "task=gym", "task.id=tests.tasks.toy_envs:Brief-v0", "data=random")
    with Experiment(changed(wanted, tmp_path)) as experiment:
        exercise = ImaginationExercise(ImaginationConfig(windows=16, planned_windows=4, resamples=100))
        experiment.check()
        exercise.check(experiment)
        answer = exercise.run(experiment)
    assert answer.verdicts[-1].startswith("episodes end early: ")


def test_plans_that_end_their_episode_are_counted_and_not_judged(store, monkeypatch):
    def ended(rows):
        def cut(*args):
            executed = execute(*args)
            executed.windows.terminal[rows, CONTEXT + 1] = True
            executed.windows.terminal[:, -1] = True  # nothing is left to be foretold after it
            return executed

        monkeypatch.setattr("wm_lab.exercises.imagination.judging.execute", cut)
        return answer(store)

    some, none = ended([0, 3]), ended(slice(None))
    assert "2 of 12 of the planner's own sequences are not judged" in " ".join(some.verdicts)
    assert some.numbers["planned"]["all"]["windows"] == 10
    assert "12 of 12 of the planner's own" in none.verdicts[-1] and "planned" not in none.numbers


def test_no_episode_holds_over_half_of_the_windows():
    assert fair(np.array([3, 5, 3]), 3) == 2
    assert fair(np.array([3, 5, 3, 5]), 4) == 4
    assert fair(np.array([3, 5, 7, 3, 3, 3, 3]), 7) == 4
    assert fair(np.array([3, 3, 3]), 3) == fair(np.array([], int), 0) == 0


def test_the_simulator_comes_back_to_the_last_observed_step(dataset, stretches):
    task = PointTask()
    found = snapshots(task, dataset, stretches.episode, stretches.step + CONTEXT - 1)
    for row, snapshot in enumerate(found):
        task.restore(snapshot)
        np.testing.assert_array_equal(task.state(), stretches.state[row, CONTEXT - 1])


# Predictions


def test_errors_are_those_that_the_world_was_made_to_have(dataset, stretches):
    """Half the true speed lags behind by half of the way that was really made."""
    said = predictions(dataset, stretches, speed=SPEED / 2)
    lag = SPEED / 2 * np.linalg.norm(stretches.actions.numpy().cumsum(1), axis=-1)
    found = np.linalg.norm((said[MODEL] - stretches.future)[..., :2], axis=-1)
    np.testing.assert_allclose(found, lag, atol=1e-5)


def test_baselines_are_what_they_are_called(dataset, stretches):
    said = predictions(dataset, stretches)
    last, before = stretches.state[:, CONTEXT - 1], stretches.state[:, CONTEXT - 2]
    np.testing.assert_allclose(said[PERSISTENCE], np.repeat(last[:, None], HORIZON, 1))
    np.testing.assert_allclose(said[VELOCITY][:, 2], last + 3 * (last - before), atol=1e-6)
    np.testing.assert_allclose(said[LINEAR], stretches.future, atol=0.01)  # this world is linear
    np.testing.assert_allclose(said[FLOOR], stretches.future, atol=1e-6)
    assert np.abs(said[SHUFFLED] - stretches.future).max() > 0.1


class Obedient(PointWorld):
    """Moves against its actions when it is told the second of two sentences."""

    instructed = True

    def number(self, instruction: str) -> int:
        return ["Follow.", "Flee."].index(instruction)

    def observe(self, windows, state=None):
        belief, seen = super().observe(windows, state)
        self.way = 1.0 - 2.0 * windows.instruction[:, -1]
        return belief, seen

    def imagine(self, state, actions):
        return super().imagine(state, actions * self.way[:, None, None, None])


def test_another_sentence_is_heard_by_who_listens_and_by_nobody_else(dataset, stretches):
    follow = torch.arange(len(stretches)) % 2
    said = replace(stretches.windows, instruction=follow[:, None].expand(-1, CONTEXT + HORIZON))
    told = replace(stretches, windows=said)
    deaf = point(dataset)
    assert RETOLD not in predict(deaf, readout(deaf, dataset), fit_linear(dataset), told)
    model = Obedient(PointWorldConfig(), dataset.spec)
    found = predict(model, readout(model, dataset), fit_linear(dataset), told)
    start = stretches.state[:, CONTEXT - 1, None]
    moved, other = (found[who][..., :2] - start[..., :2] for who in (MODEL, RETOLD))
    np.testing.assert_allclose(moved, -other, atol=1e-6)


def test_a_model_hears_what_was_said_however_the_data_count_their_sentences(dataset, stretches):
    model = Obedient(PointWorldConfig(), dataset.spec)
    said = replace(stretches.windows, instruction=torch.zeros(len(stretches), CONTEXT + HORIZON, dtype=torch.long))
    assert model.told(said, ["Flee.", "Follow."]).instruction.eq(1).all()
    assert model.told(replace(said, instruction=None), ["Flee."]).instruction.eq(1).all()
    assert point(dataset).told(said, ["Flee.", "Follow."]) is said


def test_a_probe_reads_the_state_where_the_model_does_not_decode_it(dataset, stretches):
    """The features are the state rotated, its slow parts hidden behind the step number, which is fifty times larger."""
    said = predictions(dataset, stretches, decodes=[])
    np.testing.assert_allclose(said[FLOOR], stretches.future, atol=0.01)
    np.testing.assert_allclose(said[MODEL], stretches.future, atol=0.01)


def test_a_probe_does_not_mend_what_imagination_got_wrong(dataset, stretches):
    probed, decoded = (predictions(dataset, stretches, decodes=d, speed=-SPEED / 4)[MODEL] for d in ([], ["state"]))
    np.testing.assert_allclose(probed, decoded, atol=0.02)


def test_a_probe_ignores_dead_features_and_is_as_stiff_as_other_episodes_want_it():
    generator = torch.Generator().manual_seed(0)

    def world(rows: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One feature that says the state, one that never moves, 150 that say nothing."""
        state = torch.randn(rows, 1, generator=generator)
        features = torch.cat([state, torch.full((rows, 1), 7.0), torch.randn(rows, 150, generator=generator)], 1)
        return features, 3 * state + 5 + noise * torch.randn(rows, 1, generator=generator)

    features, exact = world(400, noise=0.0)
    probe = LinearProbe(features, exact, 1e-9)
    np.testing.assert_allclose(probe.read(features), exact, atol=1e-4)
    assert float(probe.read(1e6 * features[:1].abs())) == float(exact.max()), "nothing is read that was never seen"

    features, noisy = world(200, noise=3.0)
    unseen, truth = world(200, noise=0.0)
    chosen = LinearProbe.fit(features, noisy, torch.arange(200) // 10)
    loose = LinearProbe(features, noisy, 1e-6)
    errors = [float((probe.read(unseen) - truth).square().mean()) for probe in (chosen, loose)]
    assert errors[0] < 0.5 * errors[1]


def test_a_probe_of_very_many_features_reads_what_moves_among_them():
    """As of an image that is its own latent: a thousand pixels that two hidden numbers paint, and a little noise."""
    generator = torch.Generator().manual_seed(0)
    painting = torch.randn(2, 1000, generator=generator)

    def world(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        state = torch.randn(rows, 2, generator=generator)
        return state @ painting + 0.1 * torch.randn(rows, 1000, generator=generator), state

    features, states = world(700)
    unseen, truth = world(100)
    probe = LinearProbe.fit(features, states, torch.arange(700) // 10)
    assert probe.read(unseen[:, None]).shape == (100, 1, 2)
    assert float((probe.read(unseen) - truth).square().mean()) < 0.02
    twice = LinearProbe.fit(features, states, torch.arange(700) // 10)
    assert torch.equal(probe.read(unseen), twice.read(unseen))


# Plans


def test_executed_plans_hold_what_the_simulator_did(dataset, stretches):
    task, some = PointTask(), stretches[:6]
    actions = np.random.default_rng(0).uniform(-1, 1, (6, HORIZON, 2)).astype(np.float32)
    start = snapshots(task, dataset, some.episode, some.step + CONTEXT - 1)
    played = execute(task, some, start, actions)
    expected = some.state[:, CONTEXT - 1, None, :2] + SPEED * actions.cumsum(1)
    np.testing.assert_allclose(played.future[..., :2], expected, atol=1e-5)
    np.testing.assert_array_equal(played.windows.observation["state"].numpy(), played.state)
    np.testing.assert_array_equal(played.state[:, :CONTEXT], some.state[:, :CONTEXT])
    assert (played.contact == (expected[..., 0] > 0).any(1)).all()
    assert not np.array_equal(some.actions.numpy(), played.actions.numpy()), "the recorded stretch is left alone"


def test_the_error_ratio_is_of_sums_over_episodes():
    behaviour = np.random.default_rng(0).uniform(1, 2, (20, 3))
    episode = np.arange(20) // 2
    doubled = error_ratio(2 * behaviour, behaviour, episode, resamples=200)
    assert [tuple(ratio) for ratio in doubled] == [pytest.approx((2, 2, 2, 10))] * 3
    perfect = error_ratio(np.zeros((20, 3)), np.zeros((20, 3)), episode, resamples=200)
    assert tuple(perfect[0]) == (1, 1, 1, 10)


# The whole exercise


def test_no_window_is_of_an_episode_that_trained_the_model_or_chose_it(store):
    with PointExperiment(settings(store)) as experiment:
        unseen, split = ImaginationExercise(CONFIG)._unseen(experiment)
        collection = experiment.data.dataset(rounds=0)
        assert not set(unseen.table.seed) & set(collection.table.seed)
        assert len(unseen.episodes(split)) == len(collection.episodes("validation")), "and there are no fewer"


def test_the_true_simulator_has_no_error_on_either_distribution(store):
    found = answer(store, experiment=Experiment, model=SIMULATOR).numbers
    for part in ("held_out", "planned"):
        whole = found[part]["all"]
        assert whole["variables"]["position"]["median"][10]["value"] == pytest.approx(0, abs=1e-6)
        assert whole["useful"]["significant"] == HORIZON
        assert whole["variables"]["position"]["H_tol"]["value"] == HORIZON
    assert found["predicted_minus_realised"]["value"] == pytest.approx(0, abs=1e-4)


def test_a_world_that_stands_still_is_persistence_and_reads_no_actions(store):
    result = answer(store, model={**settings(store).model, "speed": 0.0})
    position = result.numbers["held_out"]["all"]["variables"]["position"]
    assert position["median"][10]["value"] == pytest.approx(position["baselines"][PERSISTENCE][10])
    assert position["H_act"]["value"] == 0
    assert [position["skill"][who][10]["value"] for who in (PERSISTENCE, SHUFFLED)] == pytest.approx([0, 0])
    better = next(table for table in result.tables if table.title == "How much better")
    assert {row[-2] for row in better.rows if row[1] == "position"} == {"1.00 [1.00, 1.00]"}, "shuffled / true"
    assert result.verdicts[0].startswith(
        "in this training, the model's imagination is not useful: other actions change it too little"
    )


def test_a_world_that_moves_the_wrong_way_is_worse_than_standing_still(store):
    found = answer(store, model={**settings(store).model, "speed": -SPEED}).numbers["held_out"]["all"]["variables"]
    assert found["position"]["H_skill"]["high"] == found["position"]["H_lin"]["high"] == 0


def test_contact_is_judged_apart_from_free_motion(store):
    held = answer(store, SHORT, data=MANY).numbers["held_out"]
    assert set(held) == {"all", "contact", "free"}
    assert held["contact"]["windows"] + held["free"]["windows"] == held["all"]["windows"]


def test_predicted_return_exceeds_the_realised_by_the_optimism_of_the_model(store):
    found = answer(store, model={**settings(store).model, "optimism": 0.25}).numbers["predicted_minus_realised"]
    assert found["value"] == pytest.approx(0.25 * HORIZON, abs=1e-4)
    assert found["low"] > 0


def test_a_ratio_is_claimed_only_where_its_interval_leaves_one():
    assert ratio_verdict([Interval(1.2, 1.5, 2.0, 9)]) == (
        "planning leads where the model errs more: on the planner's own sequences the error at step 1 is "
        "1.50 [1.20, 2.00] times that on recorded ones (n=9 episodes)."
    )
    assert ratio_verdict([Interval(0.2, 0.5, 0.9, 9)]).startswith("planning leads where the model errs less")
    assert ratio_verdict([Interval(0.9, 1.5, 2.0, 9)]).startswith("cannot tell")


def test_plans_are_repeatable_and_can_be_left_out(store):
    first, again = answer(store).numbers, answer(store).numbers
    assert first == again
    without = answer(store, ImaginationConfig(horizon=5, context=2, windows=20, planned_windows=0, resamples=100))
    assert "planned" not in without.numbers and len(without.tables) == 3


def test_tables_and_figures_show_both_distributions(store):
    result = answer(store, SHORT, data=MANY)
    groups = [row[0] for row in result.tables[0].rows if row[0]]
    assert groups == ["all windows", "in contact", "free motion", "planned"]
    assert {"imagination_all", "imagination_contact", "imagination_planned_all"} <= result.figures.keys()
    lines = {line.get_label() for line in result.figures["imagination_all"].axes[0].lines}
    assert {"model", "persistence", "constant velocity", "linear", "shuffled", "decoder floor"} <= lines


def test_real_physics_is_imagined_exactly_by_the_simulator(tmp_path):
    changes = {
        "task": {"_target_": "wm_lab.tasks.hand.HandTask", "goal": "push", "episode_steps": 24},
        "data": {"episodes": 16, "validation_fraction": 0.25},
        "model": SIMULATOR,
    }
    config = ImaginationConfig(horizon=12, context=5, windows=12, planned_windows=4, resamples=100)
    found = answer(tmp_path, config, Experiment, **changes).numbers
    for part in ("held_out", "planned"):
        for name, values in found[part]["all"]["variables"].items():
            assert max(values["p90"].values()) == pytest.approx(0, abs=1e-5), (part, name)


def test_the_simulator_imagines_ghosts_that_cover_the_truth(tmp_path):
    changes = {
        "task": {"_target_": "wm_lab.tasks.hand.HandTask", "goal": "push", "episode_steps": 24},
        "data": {"episodes": 16, "validation_fraction": 0.25},
        "model": SIMULATOR,
    }
    experiment = Experiment(settings(tmp_path / "store", **changes))
    config = ImaginationConfig(horizon=12, context=5, windows=12, planned_windows=0, resamples=100)
    unseen = experiment.data.unseen(experiment.data.held_out())
    ghosts = judge_training(experiment, config, unseen, "all").ghosts
    assert [ghost.window.name for ghost in ghosts] == ["median", "worst"]
    for ghost in ghosts:
        np.testing.assert_allclose(experiment.task.states(ghost.true[1:]), ghost.window.imagined, atol=1e-5)
    strips, clips = ghost_pictures(ghosts, experiment.task, [1, 5, 10], tmp_path)
    assert all(path.exists() for path in strips.values())
    assert [Image.open(clip.path).n_frames for clip in clips] == [13, 13]
    assert "0 mm of block after 12 steps" in clips[0].caption


# Images


def test_perfect_frames_score_what_perfect_frames_score_and_are_shown(store, tmp_path):
    experiment = PointExperiment(settings(store, task=IMAGES))
    data = experiment.data.dataset()
    model = point(data, decodes=["pixels"])
    assert image_key(model) == "pixels" and image_key(point(data)) is None
    stretches = draw(data, "validation", experiment.task, ["state", "pixels"], 40, CONTEXT, HORIZON)
    frames = ImaginedFrames(model, "pixels", stretches)
    Judge(model, readout(model, data), fit_linear(data), experiment, np.ones(5), 100).errors(
        stretches, "frames", frames
    )
    means = frames.means([5, 10])
    assert means[MODEL]["ssim"][10].value == pytest.approx(1)
    assert means[MODEL]["psnr"][10].value == pytest.approx(58.92, abs=0.01)
    assert means[PERSISTENCE]["psnr"][10].value == pytest.approx(20 * np.log10(255 / 10))  # ten grey levels behind
    assert frames.assess(200).beats[PERSISTENCE][OVERALL].significant == HORIZON

    shown = frames.pictures(tmp_path)
    assert [Image.open(shown[f"filmstrip {name}"]).format for name in ("median", "worst")] == ["PNG", "PNG"]
    for clip in frames.clips(tmp_path, hz=10):
        assert Image.open(clip.path).n_frames > 1 and clip.caption in clip.alt


def test_a_model_of_images_is_asked_for_states_and_for_frames(store):
    result = answer(store, task=IMAGES, model={**settings(store).model, "decodes": ["pixels"]})
    assert result.numbers["read_by"] == "linear probe"
    assert result.numbers["frames"]["means"][MODEL]["ssim"]["10"]["value"] == pytest.approx(1)
    told = "in this training, imagined frames are closer to the truth"
    assert any(verdict.startswith(told) for verdict in result.verdicts)
    assert "imagination_frames" in result.figures


# What cannot be asked


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"horizon": 0}, r"exercise.horizon=0 must be .* from 1"),
        ({"context": 1}, r"exercise.context=1 must be .* from 2"),
        ({"windows": 1}, r"exercise.windows=1 must be .* from 2"),
        (
            {"windows": 10, "planned_windows": 11},
            r"exercise.planned_windows=11 must be 0, or from 2 to exercise.windows=10",
        ),
    ],
)
def test_impossible_options_are_refused(options, complaint):
    with pytest.raises(UserError, match=complaint):
        read_config(ImaginationConfig, options, "exercise")


def test_windows_longer_than_the_episodes_are_refused_with_numbers(store):
    exercise = ImaginationExercise(ImaginationConfig(horizon=18, context=5))
    with pytest.raises(UserError, match=r"context=5 and exercise.horizon=18 need 23 observations.* has 21"):
        exercise.check(PointExperiment(settings(store)))


def test_too_few_held_out_episodes_are_refused_before_any_work(store):
    experiment = PointExperiment(settings(store, data={"episodes": 6, "validation_fraction": 0.1}))
    with pytest.raises(UserError, match=r"data.episodes=6 with data.validation_fraction=0.1 holds out 1"):
        ImaginationExercise(CONFIG).check(experiment)


def test_a_cost_of_states_is_refused_where_there_are_only_images(store):
    task = {"_target_": "tests.data.toy.PointTask", "observation": ["pixels"]}
    experiment = PointExperiment(settings(store, task=task, objective={"reward": 0.0, "task_cost": 1.0}))
    with pytest.raises(UserError, match=r"objective.task_cost judges states, and toy/point shows pixels"):
        ImaginationExercise(CONFIG).check(experiment)
    ImaginationExercise(ImaginationConfig(horizon=10, context=3, planned_windows=0)).check(experiment)
