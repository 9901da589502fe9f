"""Which round's actor plays the test: a short list by what was collected, then validation episodes of its own."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.toy import PointTask
from tests.evaluation.examples import outcomes
from tests.experiment.test_online import ACTOR_CRITIC, TRAINER, learning
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.planning import PlanningConfig
from wm_lab.exercises.planning.actor_rounds import ActorRounds, ChosenRound, collected, tell_choice
from wm_lab.exercises.planning.behaviours import behaviour_arms, check_behaviour_arms, learn_behaviours, tell_validation
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import PolicySelection

CHOICE = ActorRounds(listed=1, episodes=3, play_on=None)


def acting(store, validation_episodes: int = 0, **data) -> Experiment:
    behaviour = {**ACTOR_CRITIC, "validation_episodes": validation_episodes}
    rounds = {"rounds": 2, "collector": "actor", **data}
    return Experiment(learning(store, data=rounds, behaviour=behaviour, behaviour_trainer=TRAINER))


def validated(experiment: Experiment) -> list[dict]:
    """Every play of validation episodes in the store."""
    recipes = [json.loads(path.read_text()) for path in experiment.tools.store.root.glob("outcomes/*/recipe.json")]
    return [recipe["recipe"] for recipe in recipes if recipe["recipe"]["manifest"]["split"] == "validation"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def test_the_actor_that_earned_most_in_validation_plays_in_its_own_model(store):
    with acting(store) as experiment:
        learn_behaviours(experiment, CHOICE)
        (choice,) = CHOICE.select([experiment])
        earned = collected(experiment)
        data = experiment.data.dataset()
        assert earned[1] == pytest.approx(np.mean([data.episode(e).reward.sum() for e in (-2, -1)]))
        assert set(choice.selection.outcomes) == {"2", str(int(np.argmax(earned)))}, "the best collector, and the last"
        returns = {int(name): own.episode_return.mean() for name, own in choice.selection.outcomes.items()}
        assert returns[choice.chosen] == max(returns.values())
        actor, planned = behaviour_arms(experiment, CHOICE)
        played = experiment.models.behaviour(choice.chosen), experiment.models.world_model(choice.chosen)
        assert (actor.checkpoint, actor.world) == (planned.behaviour, planned.dynamics) == played
        last, _ = behaviour_arms(experiment, None)
        assert last.checkpoint == experiment.models.behaviour(2)


def test_a_run_that_was_killed_goes_on_and_plays_nothing_twice(store):
    with acting(store) as experiment:
        learn_behaviours(experiment, CHOICE)
        before = len(validated(experiment))
    with acting(store) as again:
        learn_behaviours(again, CHOICE)
        assert CHOICE.chosen(again) == CHOICE.chosen(experiment)
        assert not again.tools.seconds and len(validated(again)) == before


def test_rounds_are_chosen_on_starts_that_chose_no_weights_and_without_noise(store):
    with acting(store, validation_episodes=4) as experiment:
        CHOICE.select([experiment])
        chose_weights = set(experiment.data.validation_manifest(4).seeds)
        seeds = set(experiment.data.validation_manifest(3, 4).seeds)
        plays = [play for play in validated(experiment) if set(play["manifest"]["seeds"]) == seeds]
        assert len(plays) == 2 and not seeds & chose_weights
        assert all("exploration" not in play and play["policy"]["policy"] == "behaviour" for play in plays)


def test_no_curve_is_told_of_a_training_whose_actor_does_not_play(store, monkeypatch):
    with acting(store, validation_episodes=4) as experiment:
        for best, told in (("1", False), ("2", True)):
            made = choice(0, [5.0, 9.0], **{"after_1": 3.0, "after_2": 3.0, f"after_{best}": 4.0})
            monkeypatch.setattr(ActorRounds, "select", lambda self, trainings, made=made: [made])
            answer = Answer([], {}, [], {}, {})
            tell_validation(experiment, answer, CHOICE)
            assert ("behaviour" in answer.numbers) == told and answer.numbers["actor_rounds"][0]["chosen"] == int(best)


def test_what_cannot_be_chosen_is_refused_before_any_work(tmp_path):
    def complaint(choice: ActorRounds = CHOICE, **changes) -> str:
        with acting(tmp_path, **changes) as experiment:
            with pytest.raises(UserError) as refused:
                check_behaviour_arms(experiment, choice)
            assert not experiment.tools.seconds
        return str(refused.value)

    assert complaint(collector="mpc") == (
        "exercise.actor_rounds=1 chooses among actors that collected rounds, and data.collector=mpc lets none; set "
        "exercise.actor_rounds=0, or behaviour=actor_critic data=online data.collector=actor"
    )
    assert "and data.rounds=2 are fewer" in complaint(CHOICE._replace(listed=3))
    assert PlanningConfig().choice is None
    assert PlanningConfig(actor_rounds=4, play_on=None).choice == ActorRounds(4, 5, None)


def choice(seed: int, collected: list[float], **validated: float) -> ChosenRound:
    manifest = freeze(PointTask().task_spec, 5, split="validation")
    selection = {
        name.removeprefix("after_"): outcomes(
            np.zeros(5, bool), name, manifest, seed=seed, episode_return=np.full(5, earned)
        )
        for name, earned in validated.items()
    }
    return ChosenRound(collected, PolicySelection(selection))


def test_who_plays_is_said_with_what_the_choice_cost():
    choices = [
        choice(0, [5.0, 9.0, 1.0], after_3=-2.0, after_1=8.0),
        choice(1, [5.0, 6.0, 7.0], after_3=4.0, after_2=4.0),
    ]
    answer = Answer([], {}, [], {}, {})
    spec = SimpleNamespace(episode_steps=500, settings={"action_repeat": 2})
    tell_choice(answer, SimpleNamespace(task_spec=spec), choices)
    assert answer.verdicts == [
        "choice among rounds: the actor after round 1, 3 of 3 plays the test, training by training, with a mean "
        "validation return of 8, 4 (the last round's -2, 4); 10 validation episodes a training, at most 10,000 "
        "environment steps, which are not counted among the rounds' own."
    ]
    (table,) = answer.tables
    assert [row[1:] for row in table.rows] == [
        ("1", "9.0", "8.0", "5", "plays the test"),
        ("3, the last", "", "-2.0", "5", ""),
        ("2", "7.0", "4.0", "5", ""),
        ("3, the last", "", "4.0", "5", "plays the test"),
    ]
    assert [told["chosen"] for told in answer.numbers["actor_rounds"]] == [1, 3]
