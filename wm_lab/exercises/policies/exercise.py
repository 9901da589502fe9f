"""Can the model rank policies without the robot?

Policies of spread skill play the same frozen starts twice: in the task, and in the model's imagination, where each sees
what the model decodes and success is the task's own test on that. If the imagined success rates order the policies as
the true ones do, the model can be asked instead of the robot. Beside the model stand the same model untrained, the best
linear model, and the true simulator behind the same contract, which must agree in every episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np

from wm_lab.domains import Amount, Domain, Several, Spread
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.policies.answer import LEAST, JudgedWorld, policies_answer
from wm_lab.exercises.policies.contestants import Contestant, OwnArm, Roster, follows
from wm_lab.exercises.policies.worlds import (
    LINEAR,
    MODEL,
    TRUTH,
    UNTRAINED,
    BestLinearWorld,
    ModelWorld,
    PlayedWorld,
    TrueWorld,
    UntrainedWorld,
    play_in,
)
from wm_lab.experiment.checks import require_way_back
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.parent_model import parent_of
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.side_by_side import train_models
from wm_lab.experiment.unread import PLANS
from wm_lab.policies.retold import Tellable, kinds_of

FEWEST = 3
"""Policies that can be ranked."""

Part = Annotated[float, Domain(above=0, below=1)]


@dataclass
class PoliciesConfig:
    episodes: Several = 100  # of the frozen manifest that every policy plays, in truth and in each imagination
    clones: list[Several] = field(default_factory=lambda: [2, 5, 10, 25, 50])
    """Demonstrations of the expert, a cloned policy each; []: none."""
    early: list[Part] = field(default_factory=lambda: [0.05, 0.2])
    """Further clones of the most demonstrations, trained for such a share of the steps."""
    noise: list[Spread] = field(default_factory=lambda: [0.3, 0.6, 1.0])
    """Standard deviations of noise on the expert's actions, a policy each, where an expert can act in imagination."""
    planning: bool = True  # also planning in the model, in the whole box and around the clone of most demonstrations
    checkpoints: list[str] = field(default_factory=list)
    """Cloned policies of your own to rank beside these: checkpoints, models of a store, or finished runs."""
    play_on: Amount | None = 5  # steps played after the first success
    untrained: bool = True  # the same in the model with random weights
    linear: bool = True  # and in the best linear model of its data
    simulator_episodes: Amount = 10
    """Of the episodes, the first ones, that the true simulator imagines too, as a check of all of this; 0: none."""
    true_episodes: Amount = 10
    """Of the episodes, as many as a robot might play: how well is a policy known from them with imagination, or
    alone? 0: not asked."""

    def __post_init__(self) -> None:
        for name, least in (("simulator_episodes", 2), ("true_episodes", LEAST)):
            if 0 < getattr(self, name) < least:
                raise UserError(f"exercise.{name}={getattr(self, name)} is too few; use at least {least}, or 0")


class PoliciesExercise(Exercise):
    Config = PoliciesConfig

    def __init__(self, config: PoliciesConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return (frozenset() if self.config.planning else PLANS) | {"behaviour", "value"}

    def check(self, experiment: Experiment) -> None:
        config, settings, task = self.config, experiment.settings, experiment.task
        experiment.require_playable("exercise=policies")
        experiment.require_nominal("exercise=policies")
        name = task.task_spec.name
        if not task.task_spec.success_test:
            raise UserError(f"exercise=policies counts success, and {name} only pays; choose another task")
        if tuple(task.task_spec.observation) != ("state",):
            raise UserError(
                f"exercise=policies tests success on decoded states, and {name} shows "
                f"{', '.join(task.task_spec.observation)}; set task.observation=state"
            )
        if "state" not in experiment.dry_run.model.decoded_keys:
            raise UserError(
                f"exercise=policies tests success on decoded states, and model={settings.label('model')} decodes none; "
                "choose another model"
            )
        try:
            task.solved(task.state()[None])
        except LookupError as missing:
            raise UserError(
                f"exercise=policies tests success on decoded states, and {missing.args[0]}; choose another task"
            ) from missing
        if config.clones and not task.has_expert:
            raise UserError(
                f"exercise.clones={list(config.clones)} clones an expert, and {name} has none; set exercise.clones=[]"
            )
        if config.clones and experiment.data.config.demonstrated is not None:
            raise UserError(
                "exercise.clones varies the number of the expert's demonstrations; leave out data.demonstrated, or set "
                "exercise.clones=[]"
            )
        if config.simulator_episodes or is_simulator(settings):
            require_way_back(task, "the true simulator of exercise=policies", "set exercise.simulator_episodes=0")
        self._check_roster(experiment)
        experiment.data.manifest(config.episodes)

    def _check_roster(self, experiment: Experiment) -> None:
        """UserError for policies that are too few, of another task, or cannot plan."""
        config, settings, task = self.config, experiment.settings, experiment.task
        learned = not is_simulator(settings)
        roster = self.roster(experiment)
        if len(names := roster.names(learned)) < FEWEST:
            raise UserError(
                f"{len(names)} policies ({', '.join(names)}) cannot be ranked; have at least {FEWEST}, by "
                "exercise.clones, exercise.noise or exercise.planning"
            )
        for option, path in zip(config.checkpoints, roster.checkpoints, strict=True):
            told = OwnArm("own", settings, path).instructions
            if len(told) == 1 and told != [task.task_spec.instruction]:
                raise UserError(
                    f"exercise.checkpoints={option} was trained to {told[0]!r}, and {task.task_spec.name} asks to "
                    f"{task.task_spec.instruction!r}; name policies of this task"
                )
        if config.planning and learned:
            experiment.dry_run.plan()
            if config.clones:
                experiment.dry_run.plan(settings.locally(), advised=True)

    def roster(self, experiment: Experiment) -> Roster:
        config = self.config
        return Roster(
            clones=sorted(set(config.clones)),
            early=sorted(set(config.early)),
            noise=sorted(set(config.noise)) if follows(experiment.task) else (),
            planning=config.planning,
            checkpoints=[_checkpoint(path, experiment.settings.seed) for path in config.checkpoints],
        )

    def run(self, experiment: Experiment) -> Answer:
        config, settings = self.config, experiment.settings
        manifest = experiment.data.manifest(config.episodes)
        if not is_simulator(settings):
            train_models(experiment)
        policies = self.roster(experiment).assembled(experiment)
        true = play_all([Play(experiment.evaluations, who.arm, manifest, config.play_on) for who in policies])
        judged = []
        for name, worlds in self._worlds(experiment).items():
            few = manifest.first(min(config.simulator_episodes, config.episodes)) if name == TRUTH else manifest
            judged.append(self._judge(experiment, name, worlds, policies, few, true))
        task = experiment.task
        kinds = kinds_of(task, manifest.seeds) if isinstance(task, Tellable) and len(task.kinds) > 1 else None
        answer = policies_answer(experiment, judged, true, config.true_episodes, kinds)
        if config.noise and not follows(experiment.task):
            answer.verdicts.append(
                f"{len(config.noise)} policies were left out: the expert of {experiment.task_spec.name} cannot act "
                "where an imagined state says that it is."
            )
        return answer

    def _worlds(self, experiment: Experiment) -> dict[str, list[PlayedWorld]]:
        """{name: a world of each training}, the one in question first; others are of one training."""
        config, settings = self.config, experiment.settings
        if is_simulator(settings):
            return {MODEL: [TrueWorld(MODEL, settings)]}
        trained = [ModelWorld(MODEL, each.models.world_model(), each.settings.device) for each in experiment.trainings]
        worlds: dict[str, list[PlayedWorld]] = {MODEL: [*trained]}
        if config.linear:
            worlds[LINEAR] = [BestLinearWorld(LINEAR, trained[0].checkpoint)]
        if config.untrained:
            worlds[UNTRAINED] = [UntrainedWorld(UNTRAINED, settings)]
        if config.simulator_episodes:
            worlds[TRUTH] = [TrueWorld(TRUTH, settings)]
        return worlds

    def _judge(
        self,
        experiment: Experiment,
        name: str,
        worlds: Sequence[PlayedWorld],
        policies: Sequence[Contestant],
        manifest: Manifest,
        true: Sequence[Outcomes],
    ) -> JudgedWorld:
        """What every policy does in these worlds, beside the truth of the same episodes."""
        tools, play_on = experiment.tools, self.config.play_on
        imagined = [[play_in(world, who, tools, manifest, play_on) for who in policies] for world in worlds]
        return JudgedWorld(
            world=name,
            policies=[who.arm.name for who in policies],
            true=np.stack([outcomes.success[: len(manifest)] for outcomes in true]),
            imagined=np.array([[one.success for one in each] for each in imagined]),
            doubt=np.array([[one.doubt for one in each] for each in imagined]),
        )


def _checkpoint(path: str, seed: int) -> Path:
    parent = parent_of(path, "clone", seed, "exercise.checkpoints")
    assert parent is not None
    return parent.checkpoint
