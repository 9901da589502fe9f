"""Does synthetic data from the world model help behaviour cloning?

Around N real demonstrations a generator makes many times as many labelled actions in the model's imagination; clones of
the same size and gradient steps learn from both, one to one in every batch. Beside them stand what must be beaten (the
real data alone, for as long or longer, repeated, under noise), the ceiling (the same generator in the true simulator),
the oracle (as many more real demonstrations) and the negative control (the same generator in an untrained model).
All clones play the same frozen episodes. Each training seed has a world model, synthetic data and clones of its own,
around the same demonstrations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from wm_lab.domains import Amount, Count, Domain, Positive, Several
from wm_lab.errors import UserError, unknown
from wm_lab.evaluation.comparison import adjust, compare, success_rows
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import starts_verdict
from wm_lab.exercises.augmentation.answer import (
    augmentation_table,
    augmentation_verdicts,
    provenance,
    provenance_table,
    success_curves,
)
from wm_lab.exercises.augmentation.clone_arms import ARMS, LEARNED, REAL, ArmOptions, AugmentationArm, arms_around
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.experiment.arms import CloneArm
from wm_lab.experiment.checks import require_way_back
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.segment_maker import SynthesisConfig, settled
from wm_lab.experiment.side_by_side import train_clones, train_models
from wm_lab.experiment.synthetic_data import Synthesis
from wm_lab.experiment.unread import PLANS
from wm_lab.reports.moving import Clip
from wm_lab.synthesis.filters import FilterConfig
from wm_lab.synthesis.generators import GeneratorConfig
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.relocate import require_relocatable

SyntheticRatio = Annotated[float, Domain(least=1, most=1e6)]
"""Synthetic actions, as a multiple of the real ones."""


@dataclass
class AugmentationConfig:
    counts: list[Several] = field(default_factory=lambda: [10, 50])  # N, real demonstrations, of which one validates
    synthetic_ratios: list[SyntheticRatio] = field(default_factory=lambda: [10.0])
    """Synthetic data, as multiples of the real ones; one set of arms is trained for each."""
    arms: list[str] = field(default_factory=lambda: list(ARMS))  # "real" is always among them
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)  # how synthetic segments are made
    filter: FilterConfig = field(default_factory=FilterConfig)  # which of them are kept
    balanced: bool = True  # half of every batch is real; false: in proportion to the amounts
    steps: Count | None = None  # of each clone's training; null: bc_trainer.steps
    state_noise: Positive = 0.5  # of the arm of that name, in typical one-step changes
    audit: Amount = 200  # segments of each synthetic set that are played again in the true simulator; 0: none
    episodes: Several = 100  # of the frozen manifest that every clone plays

    def __post_init__(self) -> None:
        if not self.counts or not self.synthetic_ratios:
            raise UserError(
                "exercise.counts and exercise.synthetic_ratios must not be empty; give at least one number each"
            )
        for name in self.arms:
            if name not in ARMS:
                raise unknown("exercise.arms", name, ARMS)
        if self.audit == 1:
            raise UserError(f"exercise.audit={self.audit} must be 0, or at least 2 for an interval")


class AugmentationExercise(Exercise):
    Config = AugmentationConfig
    needs_expert = True

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        planned = self.config.generator.kind == "planner"
        return (frozenset({"mpc"}) if planned else PLANS) | {"behaviour", "value"}

    def check(self, experiment: Experiment) -> None:
        config, settings, task_spec = self.config, experiment.settings, experiment.task_spec
        experiment.require_playable("exercise=augmentation")
        require_way_back(experiment.task, "exercise=augmentation", "choose another exercise")
        if experiment.data.config.demonstrated is not None:
            raise UserError(
                "exercise=augmentation goes back to demonstrations of the expert, whose number it varies; leave out "
                "data.demonstrated, or ask exercise=planning"
            )
        if is_simulator(settings):
            raise UserError(
                "exercise=augmentation asks what a learnt model is worth, and model=simulator is the truth, which is "
                "its arm `simulated` anyway; choose another model"
            )
        if max(config.counts) > settings.demonstrations:
            raise UserError(
                f"exercise.counts={list(config.counts)} asks for more than there are: "
                f"demonstrations={settings.demonstrations}; raise demonstrations or lower exercise.counts"
            )
        model = experiment.dry_run.model
        hidden = [key for key in task_spec.observation if key not in model.decoded_keys]
        if hidden:
            raise UserError(
                f"a clone reads {', '.join(task_spec.observation)}, and {settings.label('model')} does not decode "
                f"{', '.join(hidden)}, so it cannot show a clone what it imagines; choose a model that does"
            )
        if not any(len(shape) == 1 for shape in task_spec.observation.values()):
            raise UserError(
                f"{task_spec.name} shows {', '.join(task_spec.observation)}, and the way back to a demonstration is "
                "found in numbers; set task.observation=state or pixels_proprio"
            )
        if "disagreement" in config.filter.use and not getattr(model.config, "ensemble", 0):
            raise UserError(
                "exercise.filter.use has disagreement, and this model has no ensemble to disagree; set "
                "model.ensemble=5, or leave disagreement out"
            )
        kind = self.generator(experiment).kind
        if kind == "hindsight":
            Hindsight(experiment.task)
        if kind == "relocate":
            require_relocatable(experiment.task)
        if kind == "planner":
            experiment.dry_run.plan()

    def run(self, experiment: Experiment) -> Answer:
        config = self.config
        manifest = experiment.data.manifest(config.episodes)
        synthetic = SynthesisConfig(self.generator(experiment), config.filter, config.audit)
        options = ArmOptions(
            arms=config.arms,
            synthetic_ratios=sorted(set(config.synthetic_ratios)),
            balanced=config.balanced,
            steps=config.steps or experiment.settings.bc_trainer["steps"],
            state_noise=config.state_noise,
        )
        if set(LEARNED) & set(config.arms):
            train_models(experiment)
        trained_on: list[dict[str, AugmentationArm]] = []  # of each training
        left_out: dict[str, None] = {}
        for each in experiment.trainings:
            synthesis = Synthesis(each, synthetic)
            trained_on.append({})
            for count in sorted(set(config.counts)):
                made, without = arms_around(synthesis, options, count)
                trained_on[-1] |= {clone.name: clone for clone in made}
                left_out |= dict.fromkeys(without)
        # What the filters left nothing of in one training is compared in none.
        common = [name for name in trained_on[0] if all(name in clones for clones in trained_on)]
        train_clones(experiment, [[clones[name].mix for name in common] for clones in trained_on])
        plays = [
            Play(each.evaluations, CloneArm(name, each.settings, each.clones.checkpoint(its[name].mix)), manifest, 0)
            for name in common
            for each, its in zip(experiment.trainings, trained_on, strict=True)
        ]
        arms: dict[str, list[Outcomes]] = {}
        clips: list[Clip] = []
        for play, outcomes in zip(plays, play_all(plays), strict=True):
            arms.setdefault(play.arm.name, []).append(outcomes)
            if experiment.settings.media and play.evaluations is experiment.evaluations:
                clips += play.evaluations.clips(*play.asked)
        answer = self._answer(experiment, [trained_on[0][name] for name in common], arms)
        answer.clips.extend(clips)
        redrawn = experiment.evaluations.redrawn_starts(manifest)
        answer.numbers["redrawn_starts"] = redrawn
        return replace(answer, verdicts=[*answer.verdicts, *left_out, *starts_verdict(redrawn, len(manifest))])

    def generator(self, experiment: Experiment) -> GeneratorConfig:
        """As configured, and `auto` settled."""
        return settled(self.config.generator, experiment.task)

    def _answer(
        self, experiment: Experiment, every: Sequence[AugmentationArm], arms: Mapping[str, list[Outcomes]]
    ) -> Answer:
        """`every` clone is the first training's, `arms[name]` are what the clones of all trainings did."""
        real = {clone.count: arms[clone.name] for clone in every if clone.arm == REAL}
        others = [clone for clone in every if clone.arm != REAL]
        told = adjust([compare(arms[clone.name], real[clone.count], clone.name) for clone in others])
        differences = {difference.name: difference for difference in told}
        rows = {row.arm: row for row in success_rows({experiment.task_spec.name: arms})}
        collected = len(experiment.data.dataset())
        return Answer(
            verdicts=augmentation_verdicts(every, differences),
            numbers={
                "manifest": next(iter(real.values()))[0].manifest.hash,
                "rows": plain(list(rows.values())),
                "differences": plain(told),
                "provenance": {clone.name: plain(provenance(clone)) for clone in every},
                "model_data": {"episodes": collected, "mixture": experiment.data.config.mixture},
            },
            tables=[augmentation_table(every, rows, differences), provenance_table(every, collected)],
            figures={"augmentation": success_curves(every, rows)},
            outcomes=arms,
        )
