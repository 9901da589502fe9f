"""Arms that are asked for together: played side by side to the numbers of each alone, and kept when they are done."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.exercises.hand_lab import changed, settings
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.outcomes import ARRAYS
from wm_lab.experiment import evaluations
from wm_lab.experiment.arms import Arm, scripted_arms
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.policies.scripted import DoNothing
from wm_lab.policy import Policy


@dataclass(frozen=True)
class BrokenArm(Arm):
    def recipe(self):
        return {"policy": "broken"}

    def build(self) -> Policy:
        raise ValueError("there is no such policy")


@dataclass(frozen=True)
class WeightedArm(Arm):
    weights: str

    def recipe(self):
        return {"policy": self.name, "checkpoint": self.weights}

    def build(self) -> Policy:
        return DoNothing()


def plays(experiment: Experiment, *, group: int = 2) -> list[Play]:
    manifest = freeze(experiment.task_spec, 3)
    return [Play(experiment.evaluations, replace(arm, group=group), manifest, 2) for arm in scripted_arms()]


@pytest.mark.parametrize("workers", [1, 2])
def test_each_arm_does_what_it_does_alone_whatever_the_number_of_workers(tmp_path, workers):
    with Experiment(changed(settings(), tmp_path / "alone")) as experiment:
        alone = [play.evaluations.play(*play.asked) for play in plays(experiment)]
    with Experiment(changed(settings(), tmp_path / "beside", workers=workers)) as experiment:
        beside = play_all(plays(experiment))
        assert {f"play {arm.name}" for arm in scripted_arms()} == experiment.tools.seconds.keys()
    for one, other in zip(alone, beside, strict=True):
        assert one.arm == other.arm
        for name in set(ARRAYS) - {"decision_ms"}:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_is_there_is_not_played_again_and_two_names_of_one_play_are_played_once(tmp_path, capfd):
    with Experiment(changed(settings(), tmp_path)) as experiment:
        asked = plays(experiment)
        twin = asked[0]._replace(arm=replace(asked[0].arm, name="twin"))
        first, *_, other = play_all([*asked, twin])
        assert (first.arm, other.arm) == ("expert", "twin")
        np.testing.assert_array_equal(first.episode_return, other.episode_return)
        assert "play 3 side by side (expert, random, noop): done: 9/9" in capfd.readouterr().err
        play_all([*asked, twin])
        assert "play" not in capfd.readouterr().err


def test_a_decision_is_timed_once_for_the_trainings_of_an_arm_and_not_where_nobody_asks(tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(evaluations, "decision_milliseconds", lambda *asked: timed.append(asked) or float(len(timed)))
    with Experiment(changed(settings(), tmp_path)) as experiment:
        good, *_ = plays(experiment)
        arms = [*(WeightedArm("bc", weights) for weights in "ab"), WeightedArm("local", "a"), WeightedArm("tried", "a")]
        asked = [good._replace(arm=arm, timed=arm.name != "tried") for arm in arms]
        took = [outcomes.decision_ms[0] for outcomes in play_all(asked)]
    np.testing.assert_array_equal(took, [1, 1, 2, np.nan])


def test_an_arm_that_fails_keeps_nobody_from_playing_it_later(tmp_path):
    with Experiment(changed(settings(), tmp_path)) as experiment:
        good, *_ = plays(experiment)
        broken = good._replace(arm=BrokenArm("broken"))
        with pytest.raises(ValueError, match="no such policy"):
            play_all([good, broken])
        assert experiment.evaluations.reserve(broken), "given up"
        experiment.evaluations.give_up()


def test_a_line_of_progress_names_the_first_of_many_arms(tmp_path, capfd):
    with Experiment(changed(settings(), tmp_path)) as experiment:
        good, *_ = plays(experiment)
        names = "abcdef"
        play_all([good._replace(arm=replace(good.arm, name=name, called=name)) for name in names])
        assert "play 6 side by side (a, b, c, d and 2 more): done: 18/18" in capfd.readouterr().err
