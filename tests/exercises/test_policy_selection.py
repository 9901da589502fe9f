"""Policy selection keeps whoever is better: known where the model is wrong or the clone has learnt nothing."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.data.toy import PointTask, ScriptedPolicy
from tests.evaluation.examples import outcomes, solved
from tests.exercises.hand_lab import changed
from tests.exercises.hand_lab import settings as hand_settings
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.data.config import BLOCKS, ROUNDS_PER_SEED, DataConfig
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.manifest import COLLECTION_SEEDS, freeze
from wm_lab.exercises.planning import PlanningConfig, PlanningExercise
from wm_lab.experiment.arms import CloneArm, PlanningArm, scripted_arms
from wm_lab.experiment.checks import check_playing
from wm_lab.experiment.dry_run import DryRun
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import PolicySelection, candidates, with_spreads
from wm_lab.experiment.selection_answer import selection_numbers, selection_table, selection_verdict
from wm_lab.planners.local import LocalConfig
from wm_lab.policies.proposals import demonstrated_share
from wm_lab.settings import read_config
from wm_lab.store import Store

OPPOSITE = -0.1  # metres a step: the imagined point moves away from where the true one goes
EPISODES = 6


def experiment_of(store, *, speed: float = 0.1, clone_steps: int = 1, **changes) -> PointExperiment:
    """A model that believes in this speed, advised by a clone of so many training steps."""
    return PointExperiment(
        settings(
            store,
            model={"_target_": "tests.exercises.point_world.PointWorld", "speed": speed},
            bc={"_target_": "wm_lab.policies.behaviour_cloning.BehaviourCloning", "hidden": 64, "dropout": 0.0},
            bc_trainer={"steps": clone_steps, "batch": 32, "length": 8, "warmup": 1, "learning_rate": 3e-3, "ema": 0.9},
            mpc={"execute": 1, "proposals": {"count": 8, "noise": 0.3}},
            demonstrations=20,
            **changes,
        )
    )


def asked(experiment: PointExperiment, validation_episodes: int = 4):
    """The answer of the planning exercise, and how many policies have been validated and tested in the store."""
    validation = {"validation_episodes": validation_episodes, "validation_rounds": 1}
    config = PlanningConfig(EPISODES, oracle_episodes=0, attribution=False, greedy=False, **validation)
    answer = PlanningExercise(config).run(experiment)
    recipes = [json.loads(path.read_text()) for path in experiment.tools.store.root.glob("outcomes/*/recipe.json")]
    split = [recipe["recipe"]["manifest"]["split"] for recipe in recipes]
    return answer, split.count("validation"), split.count("test")


def test_advice_is_followed_where_the_model_believes_the_opposite(tmp_path):
    with experiment_of(tmp_path, speed=OPPOSITE, clone_steps=150) as experiment:
        answer, validated, tested = asked(experiment)
    (clone,), (selected,), (planned,) = (answer.outcomes[name] for name in ("bc", "selected", "mpc"))
    (told,) = answer.numbers["policy_selection"]
    assert (told["seed"], told["chosen"]) == (0, "bc")
    assert told["solved"]["bc"] == 4 and told["solved"]["advised"] == 0
    assert answer.verdicts[-1].startswith("policy selection: the clone 4 of 4")
    assert answer.verdicts[-1].endswith(", whole-box planning 0: the clone is selected.")
    row = answer.tables[-1].rows[0]
    assert row[:3] == ("0", "the clone", "4") and row[-2:] == ("4", "plays on as selected")
    assert selected.success.all() and not planned.success.any()
    np.testing.assert_array_equal(selected.episode_return, clone.episode_return)
    assert (validated, tested) == (6, 6), (
        "expert, random, noop, bc, mpc and local: the clone's test is not played again"
    )


def test_planning_goes_on_where_the_clone_has_learnt_nothing(tmp_path):
    with experiment_of(tmp_path, clone_steps=1) as experiment:
        answer, validated, tested = asked(experiment)
    assert [told["chosen"] for told in answer.numbers["policy_selection"]] == ["advised"]
    assert answer.verdicts[-1].startswith("policy selection: whole-box planning 4 of 4")
    assert answer.outcomes["selected"][0].success.all() and not answer.outcomes["bc"][0].success.any()
    assert (validated, tested) == (6, 7)


def test_without_validation_episodes_nobody_is_selected(tmp_path):
    with experiment_of(tmp_path) as experiment:
        answer, validated, tested = asked(experiment, validation_episodes=0)
    assert "policy_selection" not in answer.numbers and not any("selection" in verdict for verdict in answer.verdicts)
    assert "selected" not in answer.outcomes and (validated, tested) == (0, 6)


@pytest.mark.parametrize("spreads", [0.5, 2, 4])
def test_local_planning_nearer_and_farther_draws_from_other_spreads(tmp_path, spreads):
    local, found = settings(tmp_path).locally(), LocalConfig()
    other = with_spreads(local, spreads).planner
    assert other["std_init"] == [found.std_init[0] * spreads] and other["std_min"] == found.std_min * spreads
    assert with_spreads(local, 1) == local


def test_who_plans_far_from_the_clone_is_careful(tmp_path):
    def margins(error: float | None) -> dict[str, float]:
        made = candidates(settings(tmp_path), tmp_path / "bc" / "best.pt", tmp_path / "model" / "best.pt", None, error)
        return {arm.name: arm.settings.planner.get("margin", 0.0) for arm in made if isinstance(arm, PlanningArm)}

    assert margins(0.3) == {"nearby": 0.0, "local": 0.0, "wide": 0.3, "widest": 0.3}
    assert margins(None) == {"nearby": 0.0, "local": 0.0}, "nobody knows what careful is"


Told = tuple[int, int, float, float]
"""Episodes of 5 solved and still solved at the end, steps to success, return."""


def selection(**told: Told) -> PolicySelection:
    manifest = freeze(PointTask().task_spec, 5, split="validation")
    return PolicySelection(
        {
            name: outcomes(
                solved(count, 5),
                name,
                manifest,
                success_at_end=solved(staying, 5),
                steps_to_success=np.where(solved(count, 5), steps, np.nan),
                episode_return=np.full(5, earned),
            )
            for name, (count, staying, steps, earned) in told.items()
        }
    )


@pytest.mark.parametrize(
    ("clone", "local", "chosen"),
    [
        ((2, 2, 3.0, -1.0), (3, 0, 9.0, -9.0), "local"),  # success decides
        ((3, 3, 9.0, -9.0), (3, 2, 3.0, -1.0), "bc"),  # then who stays
        ((3, 2, 9.0, -1.0), (3, 2, 8.0, -9.0), "local"),  # then who is quicker
        ((3, 2, 9.0, -2.0), (3, 2, 9.0, -1.0), "local"),  # then who earns more
        ((3, 2, 9.0, -1.0), (3, 2, 9.0, -1.0), "bc"),  # then the clone, which thinks less
        ((0, 0, 0.0, -2.0), (0, 0, 0.0, -1.0), "local"),  # of a task that nobody solves, who earns more
    ],
)
def test_success_decides_then_staying_steps_and_return_then_the_clone_that_thinks_less(clone, local, chosen):
    assert selection(bc=clone, local=local).chosen == chosen


def test_any_number_of_candidates_is_told_the_best_first():
    each = selection(bc=(3, 2, 9.0, -2.0), local=(4, 4, 8.0, -1.0), advised=(1, 0, 5.0, -3.0))
    sentence = "policy selection: local planning 4 of 5, the clone 3, whole-box planning 1: local planning is selected."
    assert selection_verdict([each]) == sentence
    table = selection_table([each, each])
    assert [row[1] for row in table.rows[:3]] == ["the clone", "local planning", "whole-box planning"]
    assert [row[-1] for row in table.rows] == ["", "plays on as selected", ""] * 2
    assert selection_numbers(each)["steps"]["local"] == pytest.approx((4 * 8 + each.manifest.step_budget) / 5)


def test_what_decided_between_equals_is_told():
    each = selection(bc=(4, 2, 9.0, -2.0), local=(4, 4, 8.0, -1.0), advised=(1, 0, 5.0, -3.0))
    budget = each.manifest.step_budget
    assert selection_verdict([each]) == (
        f"policy selection: local planning 4 of 5 (still there 4, {(32 + budget) / 5:.1f} steps, return -1), "
        f"the clone 4 (still there 2, {(36 + budget) / 5:.1f} steps, return -2), whole-box planning 1: "
        "local planning is selected."
    )


def test_several_trainings_say_how_often_each_was_selected():
    better, worse = (3, 3, 8.0, -1.0), (2, 2, 9.0, -9.0)
    local, clone = selection(bc=worse, local=better), selection(bc=better, local=worse)
    told = "policy selection: of 3 trainings, on 5 validation episodes each, 2 select local planning and 1 the clone."
    assert selection_verdict([local, clone, local]) == told
    told = "policy selection: of 2 trainings, on 5 validation episodes each, 2 select the clone."
    assert selection_verdict([clone, clone]) == told
    apart = selection_verdict([clone, local])
    assert apart.endswith("1 selects the clone and 1 local planning.")


@pytest.mark.parametrize("seed", [0, 7, BLOCKS // 2, BLOCKS - 1, BLOCKS, 2024, 2**31 - 1])
def test_validation_episodes_begin_where_nobody_learnt_and_nobody_is_tested(tmp_path, seed):
    data = DataConfig(seed=seed, rounds=ROUNDS_PER_SEED - 1, episodes=50_000, round_episodes=50_000)
    learnt = [data.seeds(number) for number in range(ROUNDS_PER_SEED)]
    learnt.append(data.demonstration_seeds(50_000))
    assert len(set().union(*learnt)) == sum(map(len, learnt))
    assert all(seeds[0] in COLLECTION_SEEDS and seeds[-1] in COLLECTION_SEEDS for seeds in learnt)
    with experiment_of(tmp_path) as experiment:
        starts, test = (
            experiment.data.validation_manifest(1000).seeds,
            experiment.data.manifest(1000).seeds,
        )
    ranges = sorted([(COLLECTION_SEEDS[0], COLLECTION_SEEDS[-1]), (starts[0], starts[-1]), (test[0], test[-1])])
    assert all(end < start for (_, end), (start, _) in pairwise(ranges))


def test_a_recording_from_validation_starts_is_refused_before_any_work(tmp_path):
    with experiment_of(tmp_path / "store") as experiment:
        seeds = experiment.data.validation_manifest(3).seeds
    recorded = collect(
        tmp_path / "old", PointTask, ScriptedPolicy, seeds, ExplorationConfig({"expert": 1.0}), workers=1
    )
    exercise = PlanningExercise(PlanningConfig(oracle_episodes=0, attribution=False, validation_episodes=4))
    refused = pytest.raises(UserError, match="3 evaluation episodes of toy/point are also in the training data")
    with experiment_of(tmp_path / "store", data={"path": str(recorded)}) as experiment, refused:
        exercise.check(experiment)


def test_what_is_held_out_in_the_test_is_not_validated_in(tmp_path):
    expert = scripted_arms()[0]
    wanted = changed(hand_settings("task=hand/push"), tmp_path / "nominal")
    varied = changed(wanted, tmp_path / "varied", evaluation={"variation": "physics"})
    with Experiment(wanted) as nominal, Experiment(varied) as experiment:
        starts = experiment.data.validation_manifest(2)
        assert (
            starts == nominal.data.validation_manifest(2)
            and starts.card == plain(experiment.task_spec) != experiment.data.manifest(2).card
        )
        unlike = freeze(experiment.tools.evaluated.task_spec, 2, split="validation")
        returns = [lab.evaluations.play(expert, starts, 0).episode_return for lab in (nominal, experiment)]
        assert (experiment.evaluations.play(expert, unlike, 0).episode_return != returns[0]).all()
    np.testing.assert_array_equal(*returns)


def test_the_clone_collects_the_first_advised_round_and_rounds_without_advice_keep_their_name(tmp_path):
    def collected(**data):
        with experiment_of(tmp_path, data={"episodes": 4, "rounds": 1, "round_episodes": 2, **data}) as experiment:
            experiment.data.dataset()
            return experiment, {path.parent.name for path in tmp_path.glob("dataset/*/recipe.json")}

    _, before = collected()
    _, same = collected(advised=False)
    experiment, after = collected(advised=True)
    assert before == same and before < after
    demonstrations, collector = sorted(after - before)
    assert "round1" in collector and "round1" not in demonstrations, "the first collection is shared"
    recipe = json.loads((tmp_path / "dataset" / collector / "recipe.json").read_text())["recipe"]
    assert recipe["policy"] == CloneArm("collector", experiment.settings, experiment.clones.checkpoint()).recipe()
    assert recipe["share"] == demonstrated_share(experiment.data.demonstrations().spec).tolist()


@pytest.mark.parametrize(
    ("world", "clone_steps", "kind"), [(OPPOSITE, 150, CloneArm), (0.1, 20, PlanningArm)], ids=["wrong", "right"]
)
def test_planning_takes_over_the_rounds_where_it_does_better_than_the_clone(tmp_path, world, clone_steps, kind):
    data = {"episodes": 4, "rounds": 3, "round_episodes": 2, "advised": True, "handover_episodes": 4}
    with experiment_of(tmp_path, speed=world, clone_steps=clone_steps, data=data) as experiment:
        assert isinstance(experiment.collector(1), CloneArm)
        assert type(experiment.collector(2)) is kind
        assert experiment.collector(2).name == "collector"
    untried = {**data, "handover_episodes": 0}
    with experiment_of(tmp_path, speed=world, clone_steps=clone_steps, data=untried) as experiment:
        assert isinstance(experiment.collector(2), PlanningArm)


class Unshown(PointTask):
    """Nobody can show it."""

    has_expert = False


def test_rounds_cannot_be_advised_where_nobody_can_be_cloned(tmp_path):
    data = {"mixture": {"random": 1.0}, "rounds": 1, "advised": True}
    wanted = experiment_of(tmp_path, data=data).settings
    with pytest.raises(UserError, match=r"data.advised=true asks a clone for advice, and toy/point has no expert"):
        check_playing(DryRun(wanted, Unshown(), Store(tmp_path)), Unshown())


def test_a_number_of_validation_episodes_below_zero_is_refused():
    with pytest.raises(UserError, match="validation_episodes=-1 must be a whole number from 0"):
        read_config(PlanningConfig, {"validation_episodes": -1}, "exercise")


@pytest.mark.parametrize("options", [{"clone": False, "advised": False}, {"local": False, "advised": False}])
def test_where_there_is_nothing_to_choose_from_nothing_is_selected(options):
    assert read_config(PlanningConfig, options | {"validation_episodes": 4}, "exercise").validation is None


def test_advice_for_rounds_that_are_not_collected_is_refused():
    with pytest.raises(UserError, match=r"data.advised=true advises .* data.rounds=0 collects none; set data.rounds"):
        DataConfig(advised=True)


def test_rounds_that_are_advised_by_no_proposal_are_refused_before_any_work(tmp_path):
    wanted = hand_settings("data=on_policy", "data.advised=true")
    with Experiment(changed(wanted, tmp_path)) as experiment:
        check_playing(experiment.dry_run, experiment.task)
    silent = changed(wanted, tmp_path, mpc={"proposals": {"count": 0, "noise": 0.3}})
    with pytest.raises(UserError, match="0 proposes nothing"), Experiment(silent) as experiment:
        check_playing(experiment.dry_run, experiment.task)
    assert not list(tmp_path.iterdir())
