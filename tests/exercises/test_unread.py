"""A behaviour, a value or other episodes that an exercise would make nothing of are refused before any work."""

from __future__ import annotations

import re

import pytest

from tests.entry.command import wm_lab
from tests.exercises.hand_lab import settings
from wm_lab.errors import UserError
from wm_lab.exercises.exercise import Exercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.settings import build

BEHAVIOUR, VALUE, OFFSET = "behaviour=actor_critic", "value=return", "evaluation.offset=10"
LEFT = {
    "planning": [],
    "integration": [VALUE],
    "goals": [BEHAVIOUR],
    "latent": [BEHAVIOUR, VALUE],
    "imagination": [BEHAVIOUR, VALUE, OFFSET],
    "augmentation": [BEHAVIOUR, VALUE],
    "policies": [BEHAVIOUR, VALUE],
    "language": [BEHAVIOUR, VALUE],
    "collect": [BEHAVIOUR, VALUE, OFFSET],
}


def require_read(*words: str) -> None:
    asked = settings(*words)
    exercise = build(Exercise, asked.exercise, "exercise")
    with Experiment(asked) as experiment:
        experiment.require_read("exercise=x", exercise.unread(asked), words)


@pytest.mark.parametrize("exercise", LEFT)
def test_what_nobody_of_an_exercise_reads_is_refused(exercise):
    require_read(f"exercise={exercise}")
    for chosen in (BEHAVIOUR, VALUE, OFFSET):
        if chosen in LEFT[exercise]:
            with pytest.raises(UserError, match=f"^{chosen} .* and exercise=x "):
                require_read(f"exercise={exercise}", chosen)
        else:
            require_read(f"exercise={exercise}", chosen)


def test_whoever_collects_rounds_reads_it_for_every_exercise():
    require_read("exercise=imagination", "data=online", "data.collector=actor", BEHAVIOUR)
    require_read("exercise=imagination", "data=on_policy", VALUE)
    with pytest.raises(UserError, match=BEHAVIOUR):
        require_read("exercise=imagination", "data=on_policy", BEHAVIOUR)


TYPED = {
    "planner=mppi": {"latent", "language", "augmentation", "collect"},
    "planner.horizon=4": {"latent", "language", "augmentation", "collect"},
    "objective=reward": {"latent", "language", "augmentation", "collect"},
    "mpc.execute=1": {"latent", "language", "augmentation", "collect"},
    "bc.hidden=32": {"latent", "imagination", "collect"},
    "policy@bc=bc": {"latent", "imagination", "collect"},
    "planner@local_planner=local": set(),
    "cloning.validation_episodes=4": {"latent", "imagination", "collect"},
}


def told(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    """What is told of words that change nothing."""
    caplog.clear()
    require_read(*words)
    return [line for line in caplog.messages if line.endswith("it changes nothing")]


@pytest.mark.parametrize("exercise", LEFT)
@pytest.mark.parametrize("typed", TYPED)
def test_options_of_who_plans_or_clones_are_told_where_nobody_does(exercise, typed, caplog):
    lines = told(caplog, f"exercise={exercise}", typed)
    if exercise in TYPED[typed]:
        assert len(lines) == 1 and re.match(
            rf"{re.escape(typed)} .* exercise=x (has nobody plan|clones nobody);", lines[0]
        )
    else:
        assert not lines


def test_whoever_collects_rounds_plans_and_clones_for_every_exercise(caplog):
    assert not told(caplog, "exercise=latent", "data=on_policy", "planner=mppi")
    assert not told(caplog, "exercise=latent", "data=on_policy", "data.advised=true", "bc.hidden=32")
    assert told(caplog, "exercise=latent", "data=on_policy", "bc.hidden=32")


def test_what_an_exercise_reads_follows_its_own_options(caplog):
    assert told(caplog, "exercise=planning", "exercise.clone=false", "exercise.advised=false", "bc.hidden=32")
    assert told(caplog, "exercise=policies", "exercise.planning=false", "planner=mppi")
    assert told(caplog, "exercise=imagination", "exercise.planned_windows=0", "planner=mppi")
    assert not told(caplog, "exercise=augmentation", "exercise.generator.kind=planner", "planner=mppi")


def test_the_latent_is_looked_at_by_distances_that_were_learned_in_it():
    require_read("exercise=latent", "value=latent_distance")
    with pytest.raises(UserError, match=r"^value=distance "):
        require_read("exercise=latent", "value=distance")


def test_the_command_refuses_it_before_any_work(tmp_path):
    ended = wm_lab(tmp_path, "exercise=latent", BEHAVIOUR, "scale=smoke", "tracking=disabled")
    assert ended.code == 2 and "exercise=latent plays nobody who did; choose behaviour=none" in ended.err
    assert not list(tmp_path.rglob("*.json"))
