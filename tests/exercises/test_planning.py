from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.data.toy import ConstantPolicy, PointTask
from tests.evaluation.examples import outcomes, solved, task_spec
from tests.exercises.hand_lab import changed, check, settings
from wm_lab.data.workers import Workers
from wm_lab.errors import UserError
from wm_lab.evaluation.against_clone import against_clone
from wm_lab.evaluation.comparison import Difference, compare_pairs
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.verdicts import clone_verdict, planning_verdict, starts_verdict
from wm_lab.exercises.planning import PlanningExercise
from wm_lab.exercises.planning.answer import PAIRS, corrected_as_in
from wm_lab.experiment.arms import SIMULATOR, PlanningArm, scripted_arms
from wm_lab.experiment.dry_run import blank_spec
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.planning_policy import TRUE_COST
from wm_lab.experiment.scoring import decision_milliseconds
from wm_lab.experiment.tools import identity
from wm_lab.policy import Policy
from wm_lab.settings import build

IMPOSSIBLE = [
    ({"mpc": {"proposals": {"count": 40, "noise": 0.3}}}, r"40 proposals and planner.keep_elites=4 leave no room.*=32"),
    ({"mpc": {"proposals": {"count": 0, "noise": 0.3}}}, r"proposes nothing"),
    ({"planner": {"std_init": [0.1, 0.2]}}, r"2 entries for 7 action dimensions"),
    ({"planner": {"horizon": 400}}, r"planner.horizon=400 exceeds the 30 steps of hand/reach"),
    ({"mpc": {"execute": 9}}, r"mpc.execute=9 exceeds planner.horizon=8"),
    ({"trainer": {"length": 99}}, r"^trainer.length=99 is longer than the episodes of hand/reach, which hold 31"),
    ({"bc_trainer": {"length": 99}}, r"^bc_trainer.length=99 is longer"),
    ({"bc": {"history": 9}}, r"bc.history=9 and bc.chunk=4 do not fit into windows of bc_trainer.length=8"),
    ({"task": {"observation": "pixels"}}, r"exercise.attribution.*shows pixels.*task.observation=state"),
    ({"objective": {"disagreement": 1.0}}, r"has no ensemble; train it with model.ensemble"),
    ({"local_planner": {"horizon": 40}}, r"local_planner.horizon=40 exceeds the 30 steps of hand/reach"),
    ({"bc": {"chunk": 22}, "bc_trainer": {"length": 24}}, r"bc.chunk=22 is longer than a demonstration of hand/reach"),
    ({"demonstrations": 1}, r"demonstrations=1 is too few"),
    ({"exercise": {"oracle_episodes": 1}}, r"exercise.oracle_episodes=1 is too few .* or 0 to do without an oracle"),
    ({"exercise": {"oracle_episodes": 0}}, r"exercise.oracle_episodes=0 leaves out; set exercise.attribution=false"),
]


@pytest.mark.parametrize(("changes", "sentence"), IMPOSSIBLE)
def test_what_cannot_work_together_is_refused_before_any_work(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(), tmp_path, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exercise", ["planning", "imagination", "augmentation", "latent", "collect"])
@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            "planner=local",
            r"^planner=local searches around what a clone proposes, and the run's planner is asked without",
        ),
        ("objective.disagreement=0.5", r"has no ensemble; train it with model.ensemble=5"),
    ],
)
def test_a_proposal_or_a_disagreement_that_nobody_has_is_refused_before_any_work(tmp_path, exercise, asked, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(f"exercise={exercise}", asked), tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "too_long", ["video_token model.context", "decoder_only model.window", "video_diffusion model.context"]
)
def test_a_context_longer_than_the_training_windows_is_refused_before_any_work(tmp_path, too_long):
    model, option = too_long.split()
    with pytest.raises(UserError, match=rf"{option}=17 .*\b16 steps|{option}=17 .*=16 steps"):
        check(changed(settings(f"model={model}", f"{option}=17"), tmp_path))
    assert not list(tmp_path.iterdir())


def test_what_can_work_is_let_through(tmp_path):
    check(changed(settings(), tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_told_its_task_can_work(tmp_path):
    check(changed(settings("model=decoder_only", "model.language=true"), tmp_path))


def test_a_cost_of_states_is_refused_to_a_model_of_images(tmp_path):
    exercise = {"attribution": False, "clone": False, "advised": False}
    wanted = changed(settings(), tmp_path, task={"observation": "pixels"}, exercise=exercise)
    check(wanted)
    with pytest.raises(UserError, match="needs a model that decodes 'state'"):
        check(changed(wanted, tmp_path, objective=TRUE_COST))


@pytest.mark.parametrize("exercise", ["planning", "imagination", "augmentation", "latent"])
@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        (
            {"goal_distance": 1.0},
            "objective.goal_distance=1.0 needs a goal, and .* does not say what its",
        ),
        ({"task_cost": 1.0}, "objective.task_cost=1.0 judges imagined states, and .* alone knows the reward"),
    ],
)
def test_a_task_is_not_asked_for_what_it_cannot_tell_of_a_state(tmp_path, exercise, objective, sentence):
    told = ("task.id=tests.tasks.toy_envs:Line-v0", "task.expert=tests.tasks.toy_envs:expert")
    wanted = settings(f"exercise={exercise}", "task=gym", *told)
    with pytest.raises(UserError, match=sentence):
        check(changed(wanted, tmp_path, objective=objective))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["exercise=planning"], r"do without: data=random exercise.clone=false exercise.advised=false$"),
        (["exercise=planning", "data=random"], r"do without: exercise.clone=false exercise.advised=false$"),
        (["exercise=planning", "data=random", "exercise.advised=false"], r"do without: exercise.clone=false$"),
        (["exercise=imagination"], r"do without: data=random$"),
        (["exercise=latent"], r"do without: data=random$"),
        (
            ["exercise=augmentation"],
            r"^exercise=augmentation clones .* or ask exercise=planning, imagination",
        ),
    ],
)
def test_where_there_is_no_expert_each_exercise_says_what_it_can_do_without(tmp_path, asked, sentence):
    wanted = settings("task=gym", "task.id=tests.tasks.toy_envs:Line-v0", *asked)
    with pytest.raises(UserError, match=sentence):
        check(changed(wanted, tmp_path))
    assert not list(tmp_path.iterdir())


def test_starts_that_were_solved_are_counted_in_the_answer(tmp_path):
    lucky = ("task=gym", "task.id=tests.tasks.toy_envs:Lucky-v0", "task.success_key=there", "data=random")
    with Experiment(changed(settings(*lucky), tmp_path)) as experiment:
        manifest = experiment.data.manifest(30)
        redrawn = experiment.evaluations.redrawn_starts(manifest)
        assert (
            redrawn == sum(experiment.task.reset(seed=s)[1]["redrawn"] > 0 for s in manifest.seeds) and 5 < redrawn < 25
        )
    told = f"{redrawn} of 30 starts were solved before the first step; others were drawn in their place."
    assert starts_verdict(redrawn, 30) == [told] and starts_verdict(0, 30) == []


@pytest.mark.slow
def test_a_task_that_only_pays_is_told_by_returns_with_intervals_and_attribution(tmp_path):
    wanted = settings("task=gym", "task.id=tests.tasks.toy_envs:Line-v0", "data=random", "trainer.length=4")
    exercise = {"clone": False, "advised": False, "greedy": False, "episodes": 3, "oracle_episodes": 2}
    planner = {"horizon": 4, "candidates": 12, "iterations": 1, "elites": 3, "keep_elites": 0}
    wanted = changed(wanted, tmp_path, exercise=exercise, planner=planner)
    with Experiment(wanted) as experiment:
        asked = build(PlanningExercise, wanted.exercise, "exercise")
        experiment.check()
        asked.check(experiment)
        answer = asked.run(experiment)
    assert [table.title for table in answer.tables] == ["Returns", "Paired differences", "Where return is lost"]
    assert "mpc_cost" not in answer.outcomes and "simulator_reward" in answer.outcomes
    (oracle,) = answer.outcomes["simulator"]
    np.testing.assert_allclose(oracle.predicted, oracle.realised, rtol=1e-5)
    assert all("[" in row[2] for row in answer.tables[0].rows), "every return has its interval"
    assert (
        "draws noise during its episodes, and simulator and simulator_reward know it in advance" in answer.verdicts[-1]
    )


GUSTY = ("task=gym", "task.id=tests.tasks.odd_envs:Gusty-v0", "data=random", "trainer.length=4", "task.stochastic=true")


@pytest.mark.parametrize(
    ("exercise", "options", "sentence"),
    [
        (
            "planning",
            {"clone": False, "advised": False},
            "exercise.oracle_episodes=.* goes back in time, and gym/.*Gusty",
        ),
        ("imagination", {}, "exercise.planned_windows=.* goes back in time"),
        ("augmentation", {}, "exercise=augmentation goes back in time"),
    ],
)
def test_nobody_goes_back_in_time_where_nothing_repeats_itself(tmp_path, exercise, options, sentence):
    gusty = settings(f"exercise={exercise}", *GUSTY, "task.expert=tests.tasks.toy_envs:expert")
    gusty = changed(gusty, tmp_path, exercise=options)
    with pytest.raises(UserError, match=sentence):
        check(gusty)
    assert not list(tmp_path.iterdir())


def test_planning_is_judged_where_nothing_repeats_itself_without_what_only_the_truth_could_tell(tmp_path):
    exercise = {"clone": False, "advised": False, "greedy": False, "episodes": 3, "oracle_episodes": 0}
    planner = {"horizon": 4, "candidates": 12, "iterations": 1, "elites": 3, "keep_elites": 0}
    wanted = changed(settings(*GUSTY), tmp_path, exercise=exercise | {"attribution": False}, planner=planner)
    with Experiment(wanted) as experiment:
        asked = build(PlanningExercise, wanted.exercise, "exercise")
        experiment.check()
        asked.check(experiment)
        answer = asked.run(experiment)
    assert set(answer.outcomes) == {"random", "noop", "mpc"}
    assert np.isnan(answer.outcomes["mpc"][0].realised).all() and "does not repeat itself" in answer.verdicts[-1]


def test_the_rehearsal_builds_the_model_that_will_be_trained(tmp_path):
    with Experiment(changed(settings(), tmp_path)) as experiment:
        told, known = blank_spec(experiment.task), experiment.data.dataset().spec
    assert (told.observation, told.action_size, told.points) == (known.observation, known.action_size, known.points)
    for mine, data in ((told.mean, known.mean), (told.std, known.std), (told.std_change, known.std_change)):
        assert {k: len(v) for k, v in mine.items()} == {k: len(v) for k, v in data.items()}


def test_a_check_leaves_the_random_stream_where_it_was(tmp_path):
    import torch

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    check(changed(settings(), tmp_path))
    assert torch.equal(torch.rand(3), expected)


def test_hints_are_no_part_of_a_tasks_identity(tmp_path):
    wanted = changed(settings(), tmp_path)
    other = changed(
        wanted, tmp_path, task={"budget_multiplier": 3.0, "planning": {"horizon": 5, "action_block": 1, "execute": 1}}
    )
    assert wanted.task != other.task and identity(wanted.task) == identity(other.task)
    mine, theirs = Experiment(wanted), Experiment(other)
    assert mine.task_spec == theirs.task_spec
    assert mine.data.manifest(4).hash == theirs.data.manifest(4).hash
    assert identity(wanted.task) != identity(changed(wanted, tmp_path, task={"tolerance": 0.03}).task)


@pytest.mark.slow
def test_a_plan_in_the_true_simulator_realises_its_predicted_return_also_from_workers(tmp_path):
    wanted = replace(changed(settings(), tmp_path), workers=2)
    arm = replace(PlanningArm("simulator", wanted.with_objective(TRUE_COST), SIMULATOR), group=1)
    with Experiment(wanted) as experiment:
        outcomes = experiment.evaluations.play(arm, experiment.data.manifest(2), 0)
    assert np.isfinite(outcomes.predicted).all() and (outcomes.predicted < 0).all()
    np.testing.assert_allclose(outcomes.predicted, outcomes.realised, rtol=1e-5)


@pytest.mark.slow
def test_what_varies_in_evaluation_leaves_training_data_and_models_as_they_are(tmp_path):
    wanted = changed(settings("data=on_policy", "data.rounds=1"), tmp_path)
    varied = changed(wanted, tmp_path, evaluation={"variation": "physics"})
    with Experiment(varied) as experiment, Experiment(wanted) as other:
        arm = PlanningArm("mpc", varied, experiment.models.world_model())
        played = experiment.evaluations.play(arm, experiment.data.manifest(2), 0)
        assert other.models.world_model() == experiment.models.world_model() and other.tools.seconds == {}, (
            "it was found in the store"
        )
    assert np.isfinite(played.predicted).all()
    assert (
        experiment.task_spec
        == other.task_spec
        == other.tools.evaluated.task_spec
        != experiment.tools.evaluated.task_spec
    )
    assert played.manifest != other.data.manifest(2) and played.manifest.seeds == other.data.manifest(2).seeds


def test_the_true_simulator_plans_in_the_world_that_it_plays_in(tmp_path):
    wanted = changed(settings(), tmp_path, evaluation={"variation": "physics"})
    arm = PlanningArm("simulator", wanted.with_objective(TRUE_COST), SIMULATOR)
    with Experiment(wanted) as experiment:
        outcomes = experiment.evaluations.play(arm, experiment.data.manifest(2), 0)
    np.testing.assert_allclose(outcomes.predicted, outcomes.realised, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"evaluation": {"variation": "visual"}}, "changes pictures, and hand/reach shows state"),
        ({"evaluation": {"variation": "visul"}}, "unknown evaluation.variation 'visul'; did you mean visual"),
    ],
)
def test_a_variation_that_nobody_would_see_is_refused_before_any_work(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(), tmp_path, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exercise", ["imagination", "latent", "collect"])
def test_exercises_that_compare_no_arms_refuse_to_vary(tmp_path, exercise):
    wanted = changed(settings(f"exercise={exercise}", "evaluation.variation=physics"), tmp_path)
    with pytest.raises(UserError, match=f"evaluation.variation=physics .* exercise={exercise} looks at"):
        check(wanted)


def test_playing_on_shows_whether_success_lasts(tmp_path):
    expert = scripted_arms()[0]
    with Experiment(changed(settings(), tmp_path)) as experiment:
        stopped, further, whole = (
            experiment.evaluations.play(expert, experiment.data.manifest(3), play_on) for play_on in (0, 4, None)
        )
    assert stopped.success.all() and stopped.success_at_end.all(), "stopped at the first success"
    np.testing.assert_array_equal(stopped.steps_to_success, whole.steps_to_success)
    assert (whole.episode_return <= further.episode_return).all(), "every further step costs"
    assert (further.episode_return <= stopped.episode_return).all()


class Sleeper(ConstantPolicy):
    """Takes 20 ms whenever it is asked, however many rows ask."""

    def act(self, moment):
        import time

        time.sleep(0.02)
        return super().act(moment)


def test_a_decision_is_timed_for_one_robot_alone():
    def make() -> Policy:
        return Sleeper()

    assert 20 <= decision_milliseconds(PointTask, make, 0, Workers(1)) < 40
    assert decision_milliseconds(PointTask, partial(ConstantPolicy, 0.0), 0, Workers(1)) < 5


def test_planning_is_held_against_the_true_dynamics_over_the_episodes_of_both():
    solved_first = outcomes(solved(70, of=100), "mpc")
    oracle = outcomes([True] * 10, "simulator", manifest=solved_first.manifest.first(10))
    greedy = outcomes(~solved(70, of=100), "greedy", manifest=solved_first.manifest)
    against = {
        pair.b: pair for pair in compare_pairs({"mpc": solved_first, "greedy": greedy, "simulator": oracle}, PAIRS)
    }
    assert (against["simulator"].difference.value, against["simulator"].difference.n) == (0.0, 10)
    assert (against["greedy"].difference.value, against["greedy"].difference.n) == (pytest.approx(0.4), 100)
    assert against["greedy"].p_adjusted == pytest.approx(2 * against["greedy"].p), "two questions were asked"


def test_planning_is_held_against_the_clone_in_success_in_staying_and_in_steps():
    manifest = freeze(task_spec(), 100)  # of 60 steps
    clone = outcomes(solved(80, of=100), "bc", manifest, success_at_end=solved(40, of=100))
    quick = outcomes(solved(80, of=100), "mpc", manifest, steps_to_success=np.where(solved(80, of=100), 10.0, np.nan))
    found = {d.measure: d for d in against_clone({"toy/push": {"bc": clone, "mpc": quick}})}
    assert (found["steps"].rate_a.value, found["steps"].rate_b.value) == (20.0, 28.0), "a failure counts as 60 steps"
    assert found["success"].difference.value == 0 and found["still there"].difference.value == pytest.approx(0.4)
    assert found["steps"].better == "mpc" == found["still there"].better, "fewer steps are better"
    assert found["still there"].p_adjusted == pytest.approx(2 * found["still there"].p), "of three the second"
    told = clone_verdict(list(found.values()))
    assert told.startswith(
        "in this training, planning does better than cloning on toy/push: success 0.80 against 0.80, cannot tell"
    )
    assert "; still there 0.80 against 0.40, better by 0.40 [0.3" in told
    assert told.endswith("; steps 20.0 against 28.0, better by 8.0 [7.0, 8.8]; n=100."), told


def test_robustness_is_refused_where_nothing_can_be_solved(tmp_path):
    lines = settings("task=gym", "task.id=tests.tasks.toy_envs:Line-v0", "data=random")
    asked = {"clone": False, "advised": False, "robustness": True}
    with pytest.raises(UserError, match=r"exercise.robustness=true counts success, and .* only pays"):
        check(changed(lines, tmp_path, exercise=asked))


def test_a_sentence_claims_nothing_that_its_row_of_the_table_does_not():
    rate, gap = Interval(0.5, 0.6, 0.7, 100), Interval(-0.38, -0.24, -0.09, 100)
    alone = Difference("contact", "mpc", "bc", rate, rate, gap, 0.018, 0.018, ("toy/push",), 3)
    in_table = replace(alone, name="toy/push", p_adjusted=0.073)  # one of five questions
    assert planning_verdict([alone]).startswith("over 3 training seeds, cloning beats planning")
    assert planning_verdict(corrected_as_in([in_table], [alone])).startswith("cannot tell")
