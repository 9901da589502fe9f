"""Planning with a world model, or a reactive policy? The same frozen episodes for everybody, then who lost what.

Arms: planning in the learned model (`mpc`), the model's own policy where it has one (`policy`), what was learned in its
dreams where that was asked for (`actor`, and planning with its advice and its critic: `mpc_actor`), behaviour cloning
(`bc`), planning around what the clone proposes (`local`), whoever solves most validation episodes (`selected`: the
clone, local planning, or planning in the whole box with the clone's proposals), planning whose elites a second model
re-ranks (`mpc_reranked`), planning with a value beyond the horizon (`value`, `local_value`), greedy one-step planning
(`greedy`), planning in the true simulator on the true cost with the same budget (`simulator`), the scripted expert,
random, do-nothing. The 2×2 of {learned, true} dynamics and {learned, true} cost says whether the planner, the cost or
the model loses what the expert has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wm_lab.domains import Amount, Count, Few, Several
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.nudges import (
    nudge_differences,
    nudged_against_clone,
    nudged_clone_verdicts,
    robustness_verdicts,
)
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import starts_verdict
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.planning.actor_rounds import ActorRounds
from wm_lab.exercises.planning.answer import COST, REWARD, TRUE_LEARNED, planning_answer
from wm_lab.exercises.planning.behaviours import behaviour_arms, check_behaviour_arms, learn_behaviours, tell_validation
from wm_lab.exercises.planning.coarse_to_fine import check_reranker, cost_of_a_decision, reranked_arm, second_settings
from wm_lab.exercises.planning.ranking import ranking
from wm_lab.exercises.planning.robustness import play_nudged
from wm_lab.exercises.planning.rounds import (
    returns_after,
    rounds_figure,
    rounds_numbers,
    rounds_of,
    rounds_tables,
)
from wm_lab.experiment.arms import (
    ORACLE,
    SIMULATOR,
    VALUED,
    Arm,
    CloneArm,
    PlanningArm,
    ReactiveArm,
    scripted_arms,
)
from wm_lab.experiment.checks import require_way_back
from wm_lab.experiment.chosen import acts_itself, is_simulator
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.planning_policy import LEARNED_REWARD, TRUE_COST, truth
from wm_lab.experiment.policy_selection import LOCAL, LOCAL_VALUED
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.selection_answer import (
    SELECTED,
    Validation,
    clone_choice_table,
    selection_numbers,
    selection_table,
    selection_verdict,
)
from wm_lab.experiment.side_by_side import train_models
from wm_lab.experiment.unread import CLONES
from wm_lab.policies.nudged import Nudge
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.plots import nudged_success
from wm_lab.reports.tables import nudged_clone_table, robustness_table
from wm_lab.tasks.task import Task

log = logging.getLogger(__name__)

GREEDY = {"horizon": 1, "action_block": 1}


@dataclass
class PlanningConfig:
    episodes: Several = 100  # of the frozen manifest that every arm plays
    oracle_episodes: Amount = 50
    """Of them, the first ones, for arms that plan in the true simulator: slow; 0: no such arms."""
    play_on: Amount | None = 5
    """Steps played after the first success, to see whether it lasts: "still there" is success in the last of them,
    and returns count up to there. null: every episode runs to the task's limit."""
    clone: bool = True  # train and play behaviour cloning
    local: bool = True  # planning around what the clone proposes, where there is one
    advised: bool = True  # planning in the whole box with proposals of the clone, where validation episodes prefer it
    validation_episodes: Amount = 0
    """Episodes of their own that the clone and the planning that it advises play before the test: whoever solves most
    of them is the arm `selected` of the test. 0: nobody is selected."""
    validation_rounds: Few = 4
    """At most so many times these episodes, each time others: while it is in doubt who solves most, those who may play
    on, and who is clearly behind does not."""
    attribution: bool = True  # the 2×2 of {learned, true} dynamics and cost
    greedy: bool = True  # one-step planning
    robustness: bool = False
    """The clone and the planning arms again, two steps of each episode disturbed in one group of action dimensions."""
    offline: bool = True  # with on-policy rounds: also the model as it was before them
    test_every: Amount = 0
    """After every so many on-policy rounds the test is played as well: a curve over environment steps. 0: it is not."""
    actor_rounds: Amount = 0
    """With data.collector=actor or mpc_actor: the actors of so many rounds that earned most while they collected, and
    the last one, play validation episodes before the test, and the best of them plays it. 0: the last one does."""
    actor_episodes: Count = 5  # of exercise.actor_rounds, which each of them plays; environment steps of their own
    ranking: Amount = 0  # decisions whose candidates are all played in the true simulator too, to compare the orders
    reranker: Any = None  # options of a second model, which re-ranks the elites: model@exercise.reranker=...

    def __post_init__(self) -> None:
        if self.oracle_episodes == 1:
            raise UserError(
                f"exercise.oracle_episodes={self.oracle_episodes} is too few for an interval; play at least 2, or 0 to "
                "do without an oracle"
            )
        if self.attribution and not self.oracle_episodes:
            raise UserError(
                "exercise.attribution=true compares with the true dynamics, which exercise.oracle_episodes=0 leaves "
                "out; set exercise.attribution=false"
            )
        if self.advised and not self.clone:
            raise UserError("exercise.advised=true needs exercise.clone=true, whose policy gives the advice")

    @property
    def validation(self) -> Validation | None:
        """How a policy is selected; None where there is nothing to choose from."""
        if not (self.validation_episodes and self.clone and (self.local or self.advised)):
            return None
        return Validation(self.validation_episodes, self.validation_rounds, self.play_on, self.local, self.advised)

    @property
    def choice(self) -> ActorRounds | None:
        """How the round is chosen whose actor plays; None where the last one's does."""
        return ActorRounds(self.actor_rounds, self.actor_episodes, self.play_on) if self.actor_rounds else None


class PlanningExercise(Exercise):
    Config = PlanningConfig
    metric = "success"

    def __init__(self, config: PlanningConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return frozenset() if self.config.clone else CLONES

    def check(self, experiment: Experiment) -> None:
        config, settings, task = self.config, experiment.settings, experiment.task
        experiment.require_playable("exercise=planning")
        experiment.data.manifest(config.episodes)  # raises where there are not so many test starts
        if config.oracle_episodes:
            without = "exercise.oracle_episodes=0 exercise.attribution=false"
            require_way_back(task, f"exercise.oracle_episodes={config.oracle_episodes}", f"set {without}")
        if config.ranking:
            require_way_back(task, f"exercise.ranking={config.ranking}", "set exercise.ranking=0")
        if config.robustness and not experiment.task_spec.success_test:
            raise UserError(
                f"exercise.robustness=true counts success, and {experiment.task_spec.name} only pays; set "
                "exercise.robustness=false"
            )
        if config.reranker is not None:
            check_reranker(experiment, config.reranker)
        check_behaviour_arms(experiment, config.choice)
        if is_simulator(settings):
            if not config.oracle_episodes:
                raise UserError("model=simulator plays exercise.oracle_episodes, which is 0; set it to at least 2")
            experiment.dry_run.plan(settings.with_objective(truth(task)))
            return
        if config.attribution and tuple(experiment.task_spec.observation) != ("state",):
            raise UserError(
                f"exercise.attribution compares costs on decoded states, and {experiment.task_spec.name} shows "
                f"{', '.join(experiment.task_spec.observation)}; set exercise.attribution=false or "
                "task.observation=state"
            )
        if config.validation is not None:
            config.validation.check(experiment)
        self._check_arms(experiment)

    def _check_arms(self, experiment: Experiment) -> None:
        """UserError where an arm that plans with a learned model could not make its first decision."""
        config, settings, plan = self.config, experiment.settings, experiment.dry_run.plan
        plan()
        if config.clone and config.local:
            plan(settings.locally(), advised=True)
        if config.advised:
            plan(advised=True)
        if config.greedy:
            plan(settings.with_planner(GREEDY))
        if config.attribution:
            for weights in self._judges(experiment.task).values():
                plan(settings.with_objective(weights))
            plan(settings.with_objective(LEARNED_REWARD), true_dynamics=True)

    def run(self, experiment: Experiment) -> Answer:
        config = self.config
        cautions = _cautions(experiment.task)
        manifest = experiment.data.manifest(config.episodes)
        few = manifest.first(min(config.oracle_episodes, config.episodes))
        second = None if config.reranker is None else second_settings(experiment.settings, config.reranker)
        experiment.require_paid()
        train_models(experiment, clone=config.clone and not is_simulator(experiment.settings), second=second)
        learn_behaviours(experiment, config.choice)
        if (validation := config.validation) is not None and not is_simulator(experiment.settings):
            validation.select(experiment.trainings)
        plays = [
            Play(each.evaluations, arm, few if arm.slow else manifest, config.play_on)
            for each in experiment.trainings
            for arm in self._arms(each)
        ]
        arms: dict[str, list[Outcomes]] = {}
        made: dict[str, list[Arm]] = {}
        for play, outcomes in zip(plays, play_all(plays), strict=True):
            arms.setdefault(play.arm.name, []).append(outcomes)
            made.setdefault(play.arm.name, []).append(play.arm)
        answer = planning_answer(experiment, manifest, arms)
        answer.verdicts += cautions
        for first, *_ in made.values():
            self._show(answer, experiment, first, few if first.slow else manifest)
        if "bc" in arms and len(experiment.clones.sections) > 1:
            choices = [each.clones.selection for each in experiment.trainings]
            answer.numbers["clone_selection"] = [selection_numbers(choice) for choice in choices]
            answer.tables.append(clone_choice_table(choices))
        if config.validation is not None and SELECTED in arms:
            selections = config.validation.select(experiment.trainings)  # all of it is in the store by now
            answer.verdicts.append(selection_verdict(selections))
            answer.numbers["policy_selection"] = [selection_numbers(selection) for selection in selections]
            answer.tables.append(selection_table(selections))
        if config.robustness:
            nudged = play_nudged(experiment, made, arms, config.play_on)
            _add_robustness(answer, experiment.task_spec.name, {**arms, **nudged})
        if config.reranker is not None:
            answer.numbers["decision"], table = cost_of_a_decision(experiment, config.reranker, manifest)
            answer.tables.append(table)
        planned = made["mpc"][0]
        if config.ranking and isinstance(planned, PlanningArm):
            answer.numbers["ranking"], table = ranking(experiment, planned, manifest, config.ranking)
            answer.tables.append(table)
        tell_validation(experiment, answer, config.choice)
        if rounds := rounds_of(experiment, returns_after(experiment, manifest, config.test_every)):
            answer.numbers["rounds"] = rounds_numbers(rounds)
            answer.tables += rounds_tables(experiment, rounds)
            answer.figures["rounds"] = rounds_figure(experiment, rounds)
        answer.numbers["redrawn_starts"] = experiment.evaluations.redrawn_starts(manifest)
        answer.verdicts += starts_verdict(answer.numbers["redrawn_starts"], len(manifest))
        return answer

    def _show(self, answer: Answer, experiment: Experiment, arm: Arm, manifest: Manifest) -> None:
        """Something to look at of an arm that was played."""
        evaluations, play_on = experiment.evaluations, self.config.play_on
        if experiment.settings.media:
            answer.clips += evaluations.clips(arm, manifest, play_on)
        if experiment.run is not None and experiment.run.rerun:
            answer.viewed += evaluations.viewed(arm, manifest, play_on)

    def _arms(self, experiment: Experiment) -> Iterator[Arm]:
        """Every arm of one training; with the first come those that learn nothing and are played once.

        What an arm needs is trained when it is asked for, unless it has been already.
        """
        first_training = experiment.tools.training == 0
        if first_training:
            yield from (arm for arm in scripted_arms() if arm.name != "expert" or experiment.task.has_expert)
        if not is_simulator(experiment.settings):
            yield from self._learned_arms(experiment)
        elif first_training:
            yield self._true(experiment, "mpc")
            if (value := experiment.models.value()) is not None:
                yield replace(self._true(experiment, VALUED), value=value)

    def _learned_arms(self, experiment: Experiment) -> Iterator[Arm]:
        """Those for which something is trained, and with the first training the true simulator above them."""
        config, settings = self.config, experiment.settings
        clone = experiment.clones.checkpoint() if config.clone else None
        if clone is not None:
            yield CloneArm("bc", settings, clone)
        if config.offline and experiment.data.config.rounds:
            yield from self._learned(experiment, experiment.models.world_model(rounds=0), "mpc_offline")
        model = experiment.models.world_model()
        yield from self._learned(experiment, model, "mpc")
        yield from self._valued(experiment, model, clone)
        if acts_itself(settings):
            yield ReactiveArm("policy", settings, model)
        yield from behaviour_arms(experiment, config.choice)
        if config.greedy:
            yield PlanningArm("greedy", settings.with_planner(GREEDY), model)
        if clone is not None and config.local:
            yield PlanningArm(LOCAL, settings.locally(), model, proposals=clone)
        if config.validation is not None:
            yield config.validation.selected_arm(experiment)
        if config.reranker is not None:
            yield reranked_arm(experiment, config.reranker)
        if config.oracle_episodes and experiment.tools.training == 0:
            yield self._true(experiment, ORACLE)
        if config.attribution:
            rewarded = settings.with_objective(LEARNED_REWARD)
            yield PlanningArm(TRUE_LEARNED, rewarded, SIMULATOR, judge=model).slowly()

    def _valued(self, experiment: Experiment, model: Path, clone: Path | None) -> Iterator[Arm]:
        """Planning with a value, where one was asked for: over the whole box, and around the clone's plan."""
        if (value := experiment.models.value()) is None:
            return
        yield PlanningArm(VALUED, experiment.settings, model, value=value)
        if clone is not None and self.config.local:
            yield PlanningArm(LOCAL_VALUED, experiment.settings.locally(), model, proposals=clone, value=value)

    def _true(self, experiment: Experiment, name: str) -> PlanningArm:
        """Planning in the true simulator, by the task's own cost."""
        return PlanningArm(name, experiment.settings.with_objective(truth(experiment.task)), SIMULATOR).slowly()

    def _learned(self, experiment: Experiment, model: Path, name: str) -> Iterator[Arm]:
        """Planning in this model with the configured objective, and for attribution with either cost alone."""
        first = PlanningArm(name, experiment.settings, model)
        yield first
        if self.config.attribution:
            for suffix, weights in self._judges(experiment.task).items():
                arm = PlanningArm(name + suffix, experiment.settings.with_objective(weights), model)
                if arm.recipe() != first.recipe():
                    yield arm

    def _judges(self, task: Task) -> dict[str, dict[str, float]]:
        """Either cost by the suffix of its arm; decoded states are left out where the task cannot tell their worth."""
        return {REWARD: LEARNED_REWARD} | ({COST: TRUE_COST} if task.judges_states else {})


def _cautions(task: Task) -> list[str]:
    """What is known against the task's cost, which is said before the work and again among the verdicts."""
    if task.cost_caution:
        log.warning(task.cost_caution)
    return [task.cost_caution] if task.cost_caution else []


def _add_robustness(answer: Answer, task: str, arms: dict[str, list[Outcomes]]) -> None:
    """What a nudge costs every arm, into the answer of the undisturbed test."""
    differences = nudge_differences({task: arms})
    answer.outcomes = arms
    answer.verdicts += robustness_verdicts(differences, Nudge.steps)
    answer.numbers["robustness"] = plain(differences)
    answer.tables.append(robustness_table(differences))
    if beside := nudged_against_clone({task: arms}):
        answer.verdicts += nudged_clone_verdicts(beside, Nudge.steps)
        answer.tables.append(nudged_clone_table(beside))
    answer.figures["nudged"] = Drawing(nudged_success, (differences,))
