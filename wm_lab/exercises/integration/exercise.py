"""World model and policy together: planning, sub-goals (A), synthetic data (B), one backbone (C), or a plain clone?

Every arm that is cloned learns from the same demonstrations, in the clone's gradient steps with as many moments each,
and plays the same frozen episodes. Executors of sub-goals also see what the world model learns from (`collection`).

    bc                   the clone of the demonstrations, which everything is held against
    mpc, local           planning in the world model: over the whole box, and around what the clone proposes
    selected             the clone or local planning, near or far: whoever solves most validation episodes
    subgoal_search       A: what the best plan in the world model shows a little later, executed by a policy
    subgoal_generate     A: what a head learned on demonstrations says comes next, likewise
    augmented            B: the clone of the demonstrations and of what the world model imagines around them
    decoder              C: the model inside the policy, taught to act and to foretell by the demonstrations
    decoder_plain        the same, taught to act alone
    video_policy         the same as `decoder`: it imagines what will be seen, and says which actions lead there
    actor                what was learned in the model's dreams, where `behaviour` asks for it
    subgoal_oracle       the executor told where the expert would be: what the executor itself is worth
    subgoal_retrieved    told what came after the most similar moment of a demonstration: without a model
    subgoal_final        told where the episode should end: a goal-conditioned clone
    subgoal_shuffled     told any moment of any demonstration: does it look at sub-goals at all?
    simulator            planning in the true dynamics on the true cost
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import starts_verdict
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.integration.answer import (
    AUGMENTED,
    BC,
    DECODER,
    DECODER_PLAIN,
    FINAL,
    GENERAL,
    GENERATED,
    MODELLED,
    MPC,
    ORACLE_SUBGOAL,
    RETRIEVED,
    SEARCHED,
    SHUFFLED,
    VIDEO,
    integration_answer,
)
from wm_lab.exercises.integration.config import EXECUTED, IMAGINED, IntegrationConfig
from wm_lab.exercises.integration.preconditions import check
from wm_lab.exercises.integration.subgoal_arms import (
    ExpertSource,
    GeneratedSource,
    MemorySource,
    SearchedSource,
    SubgoalArm,
    SubgoalSource,
    VideoArm,
)
from wm_lab.exercises.integration.subgoal_trainings import (
    TaughtJob,
    augmented_mix,
    decoder_training,
    executor_training,
    head_training,
)
from wm_lab.experiment.arms import (
    ACTOR,
    ORACLE,
    SIMULATOR,
    Arm,
    CloneArm,
    PlanningArm,
    ReactiveArm,
    behaviour_arm,
)
from wm_lab.experiment.chosen import learns_inside
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Training
from wm_lab.experiment.planning_policy import truth
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.selection_answer import selection_numbers, selection_table, selection_verdict
from wm_lab.experiment.side_by_side import choose_clones, train_jobs, train_models
from wm_lab.experiment.synthetic_data import NothingLeftError


class IntegrationExercise(Exercise):
    Config = IntegrationConfig
    needs_expert = True

    def __init__(self, config: IntegrationConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return frozenset({"value"})

    def check(self, experiment: Experiment) -> None:
        check(self.config, experiment)

    def run(self, experiment: Experiment) -> Answer:
        config = self.config
        manifest = experiment.data.manifest(config.episodes)
        few = manifest.first(min(config.oracle_episodes, config.episodes))
        experiment.require_paid()
        if set(MODELLED) & set(config.arms) or self.config.imagines_goals or learns_inside(experiment.settings):
            train_models(experiment, clone=True)
        experiment.data.demonstrations()  # which all of these learn from
        choose_clones(experiment)
        taught = [TaughtJob(each.tools.training, make) for each in experiment.trainings for make in self._taught()]
        train_jobs(experiment, taught)
        if config.validation is not None:
            config.validation.select(experiment.trainings)
        left_out: dict[str, None] = {}
        plays = [
            Play(each.evaluations, arm, few if arm.slow else manifest, config.play_on)
            for each in experiment.trainings
            for arm in self._arms(each, left_out)
        ]
        if left_out:  # in one training at least, so it is compared in none
            plays = [play for play in plays if play.arm.name != AUGMENTED]
        arms: dict[str, list[Outcomes]] = {}
        made: dict[str, Arm] = {}
        for play, outcomes in zip(plays, play_all(plays), strict=True):
            arms.setdefault(play.arm.name, []).append(outcomes)
            made.setdefault(play.arm.name, play.arm)
        answer = integration_answer(experiment, manifest, arms)
        if config.validation is not None:  # all of it is in the store by now
            selections = config.validation.select(experiment.trainings)
            answer.verdicts.append(selection_verdict(selections))
            answer.numbers["policy_selection"] = [selection_numbers(selection) for selection in selections]
            answer.tables.append(selection_table(selections))
        for arm in made.values():
            self._show(answer, experiment, arm, few if arm.slow else manifest)
        redrawn = experiment.evaluations.redrawn_starts(manifest)
        answer.numbers["redrawn_starts"] = redrawn
        answer.verdicts += [*left_out, *starts_verdict(redrawn, len(manifest))]
        return answer

    def _show(self, answer: Answer, experiment: Experiment, arm: Arm, manifest: Manifest) -> None:
        evaluations, play_on = experiment.evaluations, self.config.play_on
        if experiment.settings.media:
            answer.clips += evaluations.clips(arm, manifest, play_on)
        if experiment.run is not None and experiment.run.rerun:
            answer.viewed += evaluations.viewed(arm, manifest, play_on)

    def _arms(self, experiment: Experiment, left_out: dict[str, None]) -> Iterator[Arm]:
        """Every arm of one training; with the first comes the one that learns nothing, and is played once.

        What an arm needs is trained when it is asked for; where there is nothing to train on, a sentence says so.
        """
        settings, wanted = experiment.settings, self.config.arms
        clone = experiment.clones.checkpoint()
        yield CloneArm(BC, settings, clone)
        if MPC in wanted:
            yield PlanningArm(MPC, settings, experiment.models.world_model())
        if LOCAL in wanted:
            yield PlanningArm(LOCAL, settings.locally(), experiment.models.world_model(), proposals=clone)
        if self.config.validation is not None:
            yield self.config.validation.selected_arm(experiment)
        yield from self._told(experiment)
        if AUGMENTED in wanted:
            try:
                mix = augmented_mix(experiment, self.config.synthetic_ratio)
                yield CloneArm(AUGMENTED, settings, experiment.clones.checkpoint(mix))
            except NothingLeftError as error:
                left_out[f"{AUGMENTED} was left out: {error}"] = None
        yield from self._decoders(experiment)
        if learns_inside(settings):
            behaviour = experiment.models.behaviour()
            yield behaviour_arm(ACTOR, settings, experiment.models.world_model(), behaviour)
        if ORACLE in wanted and self.config.oracle_episodes and experiment.tools.training == 0:
            yield PlanningArm(ORACLE, settings.with_objective(truth(experiment.task)), SIMULATOR).slowly()

    def _taught(self) -> list[Callable[[Experiment], Training]]:
        """What each training seed trains of this exercise's own, so that it is trained side by side."""
        config, wanted = self.config, set(self.config.arms)
        section = config.decoder_section
        trainings: dict[Callable[[Experiment], Training], tuple[str, ...]] = {
            self._executor(): EXECUTED,
            partial(executor_training, ahead=GENERAL, collection=config.collection): (FINAL,),
            partial(head_training, steps=config.subgoals.steps): IMAGINED,
            partial(decoder_training, section=section, plain=False): (DECODER, VIDEO),
            partial(decoder_training, section=section, plain=True): (DECODER_PLAIN,),
        }
        return [training for training, arms in trainings.items() if wanted & set(arms)]

    def _executor(self) -> Callable[[Experiment], Training]:
        """How the executor of sub-goals is trained, in any training seed."""
        config = self.config
        ahead, imagined = 2 * config.subgoals.steps, config.imagined_goals
        return partial(executor_training, ahead=ahead, collection=config.collection, imagined=imagined)

    def _decoders(self, experiment: Experiment) -> Iterator[Arm]:
        """Option C's arms."""
        settings, wanted = experiment.settings, self.config.arms
        for name, plain in ((DECODER, False), (DECODER_PLAIN, True), (VIDEO, False)):
            if name in wanted:
                training = decoder_training(experiment, self.config.decoder_section, plain)
                checkpoint = experiment.models.train(training)
                make = VideoArm if name == VIDEO else ReactiveArm
                yield make(name, settings, checkpoint)

    def _told(self, experiment: Experiment) -> Iterator[Arm]:
        """Arms that are told sub-goals."""
        config, wanted, steps = self.config, self.config.arms, self.config.subgoals.steps
        demonstrations = experiment.data.demonstrations()
        sources: dict[str, Callable[[], SubgoalSource]] = {
            SEARCHED: lambda: self._search(experiment),
            GENERATED: lambda: GeneratedSource(self._head(experiment), config.imagined, experiment.settings.device),
            ORACLE_SUBGOAL: lambda: ExpertSource(steps),
            RETRIEVED: lambda: MemorySource.of(demonstrations, steps),
            SHUFFLED: lambda: MemorySource.of(demonstrations, None),
        }
        for name, source in sources.items():
            if name in wanted:
                executor = experiment.models.train(self._executor()(experiment))
                yield SubgoalArm(name, experiment.settings, executor, source(), config.subgoals)
        if FINAL in wanted:
            general = experiment.models.train(executor_training(experiment, GENERAL, config.collection))
            yield SubgoalArm(FINAL, experiment.settings, general, ExpertSource(None), config.subgoals)

    def _head(self, experiment: Experiment) -> Path:
        return experiment.models.train(head_training(experiment, self.config.subgoals.steps))

    def _search(self, experiment: Experiment) -> SubgoalSource:
        config, steps = self.config.imagined, self.config.subgoals.steps
        settings = experiment.settings.with_planner({"horizon": config.ahead * steps})
        return SearchedSource(settings, experiment.models.world_model(), self._head(experiment), config, steps)
