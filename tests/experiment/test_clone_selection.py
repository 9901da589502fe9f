"""Variants of a clone are tried in validation episodes, in their order, until one solves them all."""

from __future__ import annotations

import pytest

from tests.evaluation.examples import outcomes
from tests.exercises.point_world import PointExperiment, settings
from tests.experiment.test_clones import BC, TRAINER
from wm_lab.errors import UserError
from wm_lab.experiment.clones import variants
from wm_lab.experiment.selection_answer import clone_choice_table
from wm_lab.training.checkpoint import load_model

VARIANTS = {"precise": {"dropout": 0.0}, "steady": {"dropout": 0.1}, "smooth": {"chunk": 2}}
CLONING = {"validation_episodes": 4, "variants": VARIANTS}


def experiment_of(store, solved: dict[str, list[int]], **cloning) -> PointExperiment:
    """Whose variants solve what is said; nothing is trained for it."""
    data = {"episodes": 12, "validation_fraction": 0.25}
    made = PointExperiment(
        settings(store, bc=BC, bc_trainer=TRAINER, demonstrations=4, data=data, cloning={**CLONING, **cloning})
    )
    made.clones._try = lambda name: outcomes(solved[name])
    return made


def test_the_first_that_solves_all_ends_the_search(tmp_path):
    with experiment_of(tmp_path, {"precise": [1, 1, 0, 1], "steady": [1, 1, 1, 1]}) as experiment:
        assert list(experiment.clones.selection.outcomes) == ["precise", "steady"]
        assert experiment.clones.chosen == "steady"
        rows = [row[:3] for row in clone_choice_table([experiment.clones.selection]).rows]
        assert rows == [
            ("0", "precise", "3"),
            ("", "steady", "4"),
        ]


def test_of_equals_the_first_goes_on(tmp_path):
    solved = {"precise": [1, 0, 0, 1], "steady": [0, 1, 1, 0], "smooth": [0, 0, 0, 1]}
    with experiment_of(tmp_path, solved) as experiment:
        assert experiment.clones.chosen == "precise"
        assert len(experiment.clones.selection.outcomes) == 3


def test_without_validation_episodes_the_clone_is_as_configured_and_nothing_is_tried(tmp_path):
    with experiment_of(tmp_path, {}, validation_episodes=0) as experiment:
        net = load_model(experiment.clones.checkpoint(), object)
        assert (net.config.dropout, net.config.fine) == (0.1, False)


def test_each_variant_is_trained_for_itself_and_the_chosen_one_handed_out(tmp_path):
    solved = {"precise": [1, 0, 0, 1], "steady": [0, 1, 1, 1], "smooth": [0, 0, 0, 1]}
    with experiment_of(tmp_path, solved) as experiment:
        clones = experiment.clones
        assert clones.waiting_for() == "precise"
        for name in VARIANTS:
            experiment.models.train(clones.training(name))
        assert clones.waiting_for() is None
        assert clones.checkpoint() == experiment.models.train(clones.training("steady"))


def test_what_variants_override_cannot_be_set_beside_them(tmp_path):
    asked = settings(tmp_path, bc={**BC, "dropout": 0.3}, cloning=CLONING)
    with pytest.raises(UserError, match=r"bc\.dropout=0\.3 would be overridden by cloning\.variants.*validation_ep"):
        variants(asked)


def test_a_variant_of_unknown_options_is_refused(tmp_path):
    asked = settings(tmp_path, bc=BC, cloning={"validation_episodes": 4, "variants": {"odd": {"dropuot": 0.1}}})
    with pytest.raises(UserError, match="dropuot"):
        variants(asked)
