"""How far ahead can the model imagine? Open loop against held-out truth, on two distributions of actions.

(a) Held-out behaviour: after `context` observed steps of an episode that neither trained nor chose it, the model
imagines the next `horizon` steps under the actions that were played. (b) The planner's own sequences: from the same
beliefs the configured planner proposes `horizon` actions, which the simulator executes from the replayed state. The gap
between them is exploitation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.evaluation.assessment import MODEL, OVERALL, Assessment
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.trainings import over_assessments, over_ratios, over_trainings
from wm_lab.evaluation.verdicts import by_group, exploitation_verdict, imagination_verdict, with_seeds
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.imagination.answer import (
    GROUPS,
    PLANNED,
    curve_rows,
    imagination_tables,
    marks,
    ratio_table,
    ratio_verdict,
    sentence_verdict,
    summary,
)
from wm_lab.exercises.imagination.config import ImaginationConfig
from wm_lab.exercises.imagination.ghosts import ghost_pictures
from wm_lab.exercises.imagination.imagined_frames import (
    ImaginedFrames,
    frames_table,
    frames_verdict,
    over_means,
)
from wm_lab.exercises.imagination.judging import Planned, judge_training, judges_plans
from wm_lab.exercises.imagination.stretches import reach
from wm_lab.experiment.checks import require_way_back
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.model_facts import model_facts
from wm_lab.experiment.recorded_data import require_truth
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.side_by_side import train_models
from wm_lab.experiment.unread import CLONES, PLANS
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.error_curves import horizon_curves

CHOSE = "validation"
"""The split by which a checkpoint is chosen."""


class ImaginationExercise(Exercise):
    Config = ImaginationConfig
    metric = "H_skill"

    def __init__(self, config: ImaginationConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        planned = frozenset() if self.config.planned_windows else PLANS
        return CLONES | planned | {"behaviour", "value", "evaluation.offset"}

    def check(self, experiment: Experiment) -> None:
        config, task_spec, data = self.config, experiment.task_spec, experiment.data.config
        experiment.require_nominal("exercise=imagination")
        length, longest = config.context + config.horizon, task_spec.episode_steps + 1
        if length > longest:
            raise UserError(
                f"exercise.context={config.context} and exercise.horizon={config.horizon} need {length} observations, "
                f"and an episode of {task_spec.name} has {longest}; lower exercise.horizon or raise task.episode_steps"
            )
        if (held := experiment.data.held_out()) < 2:
            what = f"data.episodes={data.episodes}" if data.path is None else f"data.path={data.path}"
            raise UserError(
                f"{what} with data.validation_fraction={data.validation_fraction} holds out {held}, and an interval "
                "over episodes needs 2; raise one of them"
            )
        if judges_plans(self.config, experiment.task):
            who = f"exercise.planned_windows={config.planned_windows}"
            require_way_back(experiment.task, who, "set exercise.planned_windows=0")
        if data.path is not None:
            require_truth(experiment.data.recording, task_spec, "exercise=imagination")
        told = [name for name in ("task_cost", "goal_distance") if experiment.settings.objective.get(name)]
        if (
            judges_plans(self.config, experiment.task)
            and told
            and "state" not in task_spec.observation
            and not is_simulator(experiment.settings)
        ):
            raise UserError(
                f"objective.{told[0]} judges states, and {task_spec.name} shows {', '.join(task_spec.observation)}; "
                "choose objective=reward, or set exercise.planned_windows=0"
            )

    def run(self, experiment: Experiment) -> Answer:
        unseen, asked = self._unseen(experiment), (self.config.context, self.config.horizon)
        context, horizon = reach(*unseen, *asked)
        answer = ImaginationExercise(replace(self.config, context=context, horizon=horizon)).judge(experiment, *unseen)
        if unseen[1] == CHOSE:
            answer.verdicts.append(
                "the held-out episodes are those that chose the checkpoint, for data.test_fraction=0 leaves no others."
            )
        if (context, horizon) != asked:
            answer.verdicts.append(
                f"episodes end early: {context} steps were observed and {horizon} imagined, not exercise.context="
                f"{asked[0]} and exercise.horizon={asked[1]}, for enough of the held-out episodes last no longer."
            )
        return answer

    def judge(self, experiment: Experiment, unseen: Dataset, split: str) -> Answer:
        """The answer over windows of the episodes in this split of `unseen`, of which enough are long enough."""
        train_models(experiment)
        trainings = experiment.trainings[:1] if is_simulator(experiment.settings) else experiment.trainings
        every = [judge_training(each, self.config, unseen, split) for each in trainings]
        found = over_assessments([one.held_out for one in every])
        answer = Answer(
            verdicts=[imagination_verdict(found["all"], experiment.task_spec.control_hz)],
            numbers={
                "windows": every[0].windows,
                "data": unseen.digest,
                "read_by": every[0].read_by,
                "held_out": summary(found),
            },
            figures={
                f"imagination_{group}": Drawing(horizon_curves, (assessment,)) for group, assessment in found.items()
            },
        )
        if groups := by_group(found):
            answer.verdicts.append(groups)
        if told := sentence_verdict(found["all"]):
            answer.verdicts.append(with_seeds(found["all"].trainings, told))
        keep_curves(experiment, "held_out", found)
        shown = dict(found)
        if judges_plans(self.config, experiment.task):
            planned = self._add_planned(answer, experiment, [one.planned for one in every if one.planned is not None])
            shown |= {} if planned is None else {PLANNED: planned}
        elif not experiment.task.playable:
            answer.verdicts.append(
                f"the planner's own sequences are not judged: {experiment.task_spec.name} has no simulator."
            )
        answer.tables[:0] = imagination_tables(shown)
        if every[0].ghosts and experiment.run is not None:
            steps = sorted({1, *marks(self.config.horizon)})
            pictures, clips = ghost_pictures(every[0].ghosts, experiment.task, steps, experiment.run.folder.plots)
            answer.pictures |= pictures
            answer.clips += clips
        if frames := [one.frames for one in every if one.frames is not None]:
            self._add_frames(answer, frames, experiment)
        answer.viewed = every[0].viewed
        answer.model = model_facts(experiment)
        return answer

    def _unseen(self, experiment: Experiment) -> tuple[Dataset, str]:
        """Episodes that no model learned from or was chosen on, as many as are held out to choose on: whose, and which.

        Like the first collection's whatever the rounds, so that models of all rounds are compared.
        """
        if experiment.task.playable:
            return experiment.data.unseen(experiment.data.held_out()), "all"
        if len(experiment.data.recording.episodes("test")) > 1:
            return experiment.data.recording, "test"
        return experiment.data.recording, CHOSE

    def _add_frames(self, answer: Answer, every: Sequence[ImaginedFrames], experiment: Experiment) -> None:
        """Images beside states: scores of all trainings, and something to look at of the first."""
        found = over_assessments([{"all": frames.assess(self.config.resamples)} for frames in every])
        steps = marks(self.config.horizon)
        means = over_means([frames.means(steps) for frames in every])
        answer.verdicts.append(frames_verdict(found["all"]))
        answer.tables.append(frames_table(means, found["all"].trainings))
        answer.figures["imagination_frames"] = Drawing(horizon_curves, (found["all"],))
        answer.numbers["frames"] = {"means": plain(means), **summary(found)}
        if experiment.run is not None:
            plots = experiment.run.folder.plots
            answer.pictures |= every[0].pictures(plots)
            if experiment.settings.media:
                answer.clips += every[0].clips(plots, experiment.task_spec.control_hz)

    def _add_planned(self, answer: Answer, experiment: Experiment, every: Sequence[Planned]) -> Assessment | None:
        """What the trainings' planners lead to; None where nothing of one could be judged."""
        asked, judged = (sum(getattr(one, count) for one in every) for count in ("asked", "judged"))
        if judged < asked:
            answer.verdicts.append(
                f"{asked - judged} of {asked} of the planner's own sequences are not judged: they "
                "end the episode, or are of one that would be over half of the others."
            )
        if not all(one.judged for one in every):
            return None
        found = over_assessments([one.found for one in every])
        ratios = {
            name: [over_ratios(steps) for steps in zip(*(one.ratios[name] for one in every), strict=True)]
            for name in every[0].ratios
        }
        gap = over_trainings([one.predicted_minus_realised for one in every])
        seeds = found["all"].trainings
        answer.verdicts += [with_seeds(seeds, ratio_verdict(ratios[OVERALL])), exploitation_verdict(gap, seeds)]
        answer.tables.append(ratio_table(ratios, seeds))
        for group, assessment in found.items():
            title = f"The planner's own sequences, {GROUPS[group]}: median error, {assessment.windows} windows"
            answer.figures[f"imagination_planned_{group}"] = Drawing(horizon_curves, (assessment,), {"title": title})
        answer.numbers[PLANNED] = summary(found)
        answer.numbers["error_ratio"] = {
            name: {step: plain(steps[step - 1]) for step in marks(len(steps))} for name, steps in ratios.items()
        }
        answer.numbers["predicted_minus_realised"] = plain(gap)
        keep_curves(experiment, PLANNED, found)
        return found["all"]


def keep_curves(experiment: Experiment, name: str, assessments: Mapping[str, Assessment]) -> None:
    """Every step of every curve into the run folder, and the model's own as curves to the tracker."""
    if experiment.run is None:
        return
    columns, rows = curve_rows(assessments)
    experiment.run.table(f"imagination curves {name}", columns, rows)
    curves = assessments["all"].curves[MODEL]
    for step in range(1, len(curves[OVERALL].median) + 1):
        medians: dict[str, Any] = {f"{name}/{v}": float(c.median[step - 1]) for v, c in curves.items()}
        experiment.run.log(step, **medians)
