"""World model and policy together: planning, sub-goals (A), synthetic data (B), one backbone (C), or a plain clone?

Every arm that is cloned learns from the same demonstrations, in the clone's gradient steps with as many moments each,
and plays the same frozen episodes. Executors of sub-goals also see what the world model learns from (`collection`).

    bc                   the clone of the demonstrations, which everything is held against
    mpc, local           planning in the world model: over the whole box, and around what the clone proposes
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
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from wm_lab.data.rollout import PlayConfig, Player
from wm_lab.domains import Amount, Domain, Several, Share
from wm_lab.errors import UserError, unknown
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
from wm_lab.exercises.integration.subgoal_arms import (
    ExpertSource,
    GeneratedSource,
    MemorySource,
    SearchedSource,
    SubgoalArm,
    SubgoalSource,
    VideoArm,
)
from wm_lab.exercises.integration.subgoal_trainings import DECODER as DECODER_CHOICE
from wm_lab.exercises.integration.subgoal_trainings import (
    TaughtJob,
    augmented_mix,
    decoder_trainer,
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
    is_simulator,
    learns_inside,
    truth,
)
from wm_lab.experiment.checks import check_behaviour, require_way_back
from wm_lab.experiment.collections import REST
from wm_lab.experiment.dry_run import DryRun
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Training
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.recorded_data import differences
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.side_by_side import choose_clones, train_jobs, train_models
from wm_lab.experiment.synthetic_data import NothingLeftError
from wm_lab.policies.imagined_subgoals import ImaginedConfig
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.policies.subgoals import HoldConfig
from wm_lab.settings import TARGET, complete, require_section, target
from wm_lab.world_model import ActsByVideo, WorldModel

IMAGINED = (SEARCHED, GENERATED)
EXECUTED = (*IMAGINED, ORACLE_SUBGOAL, RETRIEVED, SHUFFLED)
"""Arms of the executor of sub-goals; those that are imagined need a head, too."""

DECODERS = (DECODER, DECODER_PLAIN, VIDEO)
"""Arms of option C, which need a model that is a policy too."""

ARMS = (BC, MPC, LOCAL, SEARCHED, GENERATED, AUGMENTED, *DECODERS, ORACLE_SUBGOAL, RETRIEVED, FINAL, SHUFFLED, ORACLE)


DECODER_ONLY = "wm_lab.models.decoder_only.DecoderOnly"

SyntheticRatio = Annotated[float, Domain(least=1, most=1e6)]


@dataclass
class IntegrationConfig:
    arms: list[str] = field(default_factory=lambda: list(ARMS))  # "bc" is always among them
    episodes: Several = 100  # of the frozen manifest that every arm plays
    oracle_episodes: Amount = 10  # of them, the first ones, for planning in the true simulator; 0: none
    play_on: Amount | None = 5  # steps played after the first success
    subgoals: HoldConfig = field(default_factory=HoldConfig)  # how far ahead they lie, and how long they hold
    collection: bool = True  # executors also learn from what the world model learns from, half of each batch
    imagined_goals: Share = 0.0  # of the goals that the executor of sub-goals learns from, as the world model has them
    synthetic_ratio: SyntheticRatio = 3.0  # imagined actions of option B, as a multiple of the demonstrated ones
    decoder: Any = None
    """Options of option C's model, which acts itself: model@exercise.decoder=...; null: decoder_only"""
    imagined: ImaginedConfig = field(default_factory=ImaginedConfig)  # how those of option A are chosen

    def __post_init__(self) -> None:
        for name in self.arms:
            if name not in ARMS:
                raise unknown("exercise.arms", name, ARMS)
        if self.oracle_episodes == 1:
            raise UserError(
                f"exercise.oracle_episodes={self.oracle_episodes} is too few for an interval; play at least 2, or 0"
            )


class IntegrationExercise(Exercise):
    Config = IntegrationConfig
    needs_expert = True

    def __init__(self, config: IntegrationConfig) -> None:
        self.config = config

    def check(self, experiment: Experiment) -> None:
        config, settings, task = self.config, experiment.settings, experiment.task
        experiment.require_playable("exercise=integration")
        experiment.require_nominal("exercise=integration")
        require_way_back(task, "exercise=integration", "choose exercise=planning")
        if tuple(task.task_spec.observation) != ("state",):
            raise UserError(
                f"exercise=integration has sub-goals that are states, and {task.task_spec.name} shows "
                f"{', '.join(task.task_spec.observation)}; set task.observation=state"
            )
        if not task.task_spec.success_test:
            raise UserError(
                f"exercise=integration counts success, and {task.task_spec.name} only pays; choose another task"
            )
        if is_simulator(settings):
            raise UserError(
                "exercise=integration joins a learnt model with a policy, and model=simulator is the truth, which is "
                "its arm `simulator` anyway; choose another model"
            )
        experiment.data.manifest(config.episodes)  # raises where there are not so many test starts
        self._check_data(experiment)
        longest = _longest(experiment)
        longest.require(config.subgoals.steps, f"exercise.subgoals.steps={config.subgoals.steps}")
        if MPC in config.arms:
            experiment.dry_run.plan()
        if SEARCHED in config.arms:
            self._check_search(experiment)
        if set(DECODERS) & set(config.arms):
            section = decoder_section(config.decoder)
            _check_decoder(experiment, section)
            longest.require(section["chunk"] - 1, f"exercise.decoder.chunk={section['chunk']}")
        if learns_inside(settings):
            check_behaviour(experiment.dry_run, task)
        if LOCAL in config.arms:
            experiment.dry_run.plan(settings.locally(), advised=True)

    def _check_data(self, experiment: Experiment) -> None:
        """UserError where an arm could not learn from the demonstrations, or not from what the model decodes."""
        config, wanted, data, name = self.config, set(self.config.arms), experiment.data, experiment.task_spec.name
        blind, model = sorted({SEARCHED, AUGMENTED} & wanted), experiment.settings.label("model")
        decodes = not (blind or self._imagines) or "state" in experiment.dry_run.model.decoded_keys
        if blind and not decodes:
            raise UserError(
                f"{', '.join(blind)} look at decoded states, and model={model} decodes none; choose another model, or "
                "leave them out of exercise.arms"
            )
        if not decodes:
            raise UserError(
                f"exercise.imagined_goals={config.imagined_goals} shows the executor decoded states, and model={model} "
                "decodes none; choose another model, or set it to 0"
            )
        shown = data.config.demonstrated
        if shown is not None and AUGMENTED in wanted:
            raise UserError(
                f"{AUGMENTED} goes back to demonstrations of the expert; leave out data.demonstrated, or leave it out "
                "of exercise.arms"
            )
        joined = shown is not None and config.collection and bool(wanted & {*EXECUTED, FINAL})
        if joined and (found := differences(data.demonstrated, experiment.task_spec)):
            raise UserError(
                f"exercise.collection=true joins data.demonstrated={shown} with episodes of {name}, and "
                f"{'; '.join(found)}; set exercise.collection=false"
            )

    @property
    def _imagines(self) -> bool:
        """Whether an executor of sub-goals learns from goals that the world model imagines."""
        return self.config.imagined_goals > 0 and bool(set(EXECUTED) & set(self.config.arms))

    def _check_search(self, experiment: Experiment) -> None:
        """UserError where nothing can be searched for so far ahead."""
        settings, steps = experiment.settings, experiment.task_spec.episode_steps
        horizon = self.config.imagined.ahead * self.config.subgoals.steps
        if horizon > steps:
            raise UserError(
                f"exercise.imagined.ahead={self.config.imagined.ahead} times exercise.subgoals.steps="
                f"{self.config.subgoals.steps} exceeds the {steps} steps of {experiment.task_spec.name}; lower one"
            )
        experiment.dry_run.plan(settings.with_planner({"horizon": horizon}))

    def run(self, experiment: Experiment) -> Answer:
        config = self.config
        manifest = experiment.data.manifest(config.episodes)
        few = manifest.first(min(config.oracle_episodes, config.episodes))
        experiment.require_paid()
        if set(MODELLED) & set(config.arms) or self._imagines or learns_inside(experiment.settings):
            train_models(experiment, clone=True)
        experiment.data.demonstrations()  # which all of these learn from
        choose_clones(experiment)
        taught = [TaughtJob(each.tools.training, make) for each in experiment.trainings for make in self._taught()]
        train_jobs(experiment, taught)
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
        section = decoder_section(config.decoder)
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
                training = decoder_training(experiment, decoder_section(self.config.decoder), plain)
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


def decoder_section(section: Section | None) -> Section:
    """With every option of it."""
    if section is not None:
        require_section(section, DECODER_CHOICE)
    return complete(section or {TARGET: DECODER_ONLY}, DECODER_CHOICE)


def _check_decoder(experiment: Experiment, section: Section) -> None:
    """UserError where option C's model is none that acts, or could not be trained."""
    if not issubclass(target(WorldModel, section, DECODER_CHOICE), ActsByVideo):
        raise UserError(
            f"{', '.join(DECODERS)} need a model that acts and knows inverse dynamics; choose "
            f"{DECODER_CHOICE}=decoder_only, or leave them out of exercise.arms"
        )
    trainer = asdict(decoder_trainer(experiment.settings, section))
    settings = replace(experiment.settings.with_model(section, "decoder"), trainer=trainer)
    DryRun(settings, experiment.task, experiment.tools.store).train()


class Longest(NamedTuple):
    """Of the episodes that executors and decoders learn from."""

    actions: int
    what: str  # it is

    def require(self, steps: int, option: str) -> None:
        """UserError where `option` asks for a moment so many steps later, which no episode has."""
        if steps >= self.actions:
            raise UserError(f"{option} reaches beyond {self.what}, which has {self.actions} actions; lower it")


def _longest(experiment: Experiment) -> Longest:
    """Of the expert's the first one, which is played now, in place of all."""
    shown, data = experiment.data.config.demonstrated, experiment.data
    if shown is not None:
        lengths = data.demonstrated.table.length[data.demonstrated.episodes("train")]
        return Longest(int(lengths.max()), f"every solved episode of data.demonstrated={shown} to train on")
    play = Player(lambda: experiment.task, ExpertPolicy(), PlayConfig(stop_after_success=REST, group=1))
    (first,) = play(data.config.demonstration_seeds(1))
    return Longest(first.steps, f"a demonstration of {experiment.task_spec.name}")
