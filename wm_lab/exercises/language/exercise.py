"""Does the policy read the sentence, or does it look as if it did?

A policy that is told plays the same starts under the right sentence, that of another command, that of one with another
colour, none, and the right command in words that no demonstration was told. Success is always that of the command that
was asked: told another one, a policy that reads does not do what was asked. Beside these it plays the other commands
as what is asked, which it should do as well, and combinations that no demonstration showed. A clone of the same
demonstrations that is told a number for each command, a word of its own, says what language could give at best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wm_lab.domains import Amount, Several
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest, freeze
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.language.answer import NUMBERS, Row, language_answer
from wm_lab.experiment.arms import Arm, CloneArm, RetoldArm
from wm_lab.experiment.evaluations import Evaluations, Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.side_by_side import CloneJob, choose_clones, train_jobs
from wm_lab.experiment.tools import Tools
from wm_lab.experiment.unread import PLANS
from wm_lab.policies.retold import Tellable, kinds_of
from wm_lab.tasks.task import Task

RIGHT = "right"
RETOLD = {
    "another": "other",
    "contrast": "contrast",
    "nothing": "nothing",
    "held-out phrasing": "held_out",
    "new words": "new_words",
}
"""{row: how the task retells}: the command that is asked stays."""

SHOWN = (RIGHT, "another", "contrast")
"""Rows that moving pictures are made of."""

UNSEEN = "unseen combination"
ASKED = {"another, as asked": "other", "contrast, as asked": "contrast", UNSEEN: "unseen"}
"""{row: task.ask}: another command is asked and told."""

NUMBERED = {"phrasing": "number"}
"""Options of the task in which each command is said by its number."""


@dataclass
class LanguageConfig:
    episodes: Several = 100  # of the frozen manifest that every arm plays
    play_on: Amount | None = 5  # steps played after the first success
    numbers: bool = True  # also a clone that is told each command's number instead of a sentence


class LanguageExercise(Exercise):
    Config = LanguageConfig
    needs_expert = True

    def __init__(self, config: LanguageConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return PLANS | {"behaviour", "value"}

    def check(self, experiment: Experiment) -> None:
        experiment.require_playable("exercise=language")
        experiment.require_nominal("exercise=language")
        task = experiment.task
        if not isinstance(task, Tellable):
            raise UserError(
                f"exercise=language asks whether the sentence decides, and {task.task_spec.name} has one command; "
                "choose task=hand/table or hand/all"
            )
        if "state" in task.task_spec.observation:
            raise UserError(
                "exercise=language needs a policy that only the sentence tells what to do, and task.observation=state "
                "shows the command in numbers; set task.observation=scene, pixels or pixels_proprio"
            )
        if self.config.numbers and "phrasing" not in experiment.settings.task:
            raise UserError(
                f"exercise.numbers=true tells each command's number, and {task.task_spec.name} has none; set "
                "exercise.numbers=false"
            )
        if not all(section.get("language") for section in experiment.clones.sections.values()):
            raise UserError("exercise=language needs a clone that is told; choose policy@bc=vla, or bc.language=true")

    def run(self, experiment: Experiment) -> Answer:
        config, task = self.config, experiment.task
        assert isinstance(task, Tellable)
        manifest = experiment.data.manifest(config.episodes)
        _train(experiment)
        numbered = _in_numbers(experiment) if config.numbers else None
        if numbered is not None:
            _train(numbered)
        asked = [
            question
            for number, each in enumerate(experiment.trainings)
            for question in self._asked(
                experiment, each, manifest, None if numbered is None else numbered.trainings[number]
            )
        ]
        rows: dict[str, Row] = {}
        for (name, play), outcomes in zip(asked, play_all([play for _, play in asked]), strict=True):
            if name not in rows:
                tellable = play.evaluations.tools.task
                assert isinstance(tellable, Tellable)
                rows[name] = Row(kinds_of(tellable, play.manifest.seeds), paired=name != UNSEEN)
            rows[name].outcomes.append(outcomes)
        answer = language_answer(rows, task.kinds, experiment.task_spec.name)
        if experiment.settings.media:
            first = CloneArm(RIGHT, experiment.settings, experiment.clones.checkpoint())
            for name, arm in _told(first, task):
                if name in SHOWN:
                    answer.clips += experiment.evaluations.clips(arm, manifest, config.play_on)
        return answer

    def _asked(
        self, experiment: Experiment, each: Experiment, manifest: Manifest, numbered: Experiment | None
    ) -> Iterator[tuple[str, Play]]:
        """What one training is asked, by the name of its row.

        numbered: the same training of a clone that is told numbers; None: there is none
        """
        play_on = self.config.play_on
        clone = CloneArm(RIGHT, each.settings, each.clones.checkpoint())
        for name, arm in _told(clone, each.task):
            yield name, Play(each.evaluations, arm, manifest, play_on)
        assert isinstance(each.task, Tellable)
        for name, ask in ASKED.items():
            if ask in each.task.asks:
                tools = _asking(experiment, each, ask)
                yield name, Play(Evaluations(tools), replace(clone, name=name), self._manifest(tools), play_on)
        if numbered is not None:
            arm = CloneArm(NUMBERS, numbered.settings, numbered.clones.checkpoint())
            yield NUMBERS, Play(numbered.evaluations, arm, self._manifest(numbered.tools), play_on)

    def _manifest(self, tools: Tools) -> Manifest:
        """The episodes of another question about the same scenes."""
        return freeze(tools.task_spec, self.config.episodes, offset=tools.settings.evaluation["offset"])


def _told(clone: CloneArm, task: Task) -> Iterator[tuple[str, Arm]]:
    assert isinstance(task, Tellable)
    yield RIGHT, clone
    for name, how in RETOLD.items():
        if how in task.tellings:
            yield name, RetoldArm(name, clone, how)


def _train(experiment: Experiment) -> None:
    """The clone of every training, side by side."""
    choose_clones(experiment)
    train_jobs(experiment, [CloneJob(number, each.clones.chosen) for number, each in enumerate(experiment.trainings)])


def _asking(experiment: Experiment, each: Experiment, ask: str) -> Tools:
    """Of the same training, where another command is asked."""
    settings = replace(experiment.settings, task={**experiment.settings.task, "ask": ask})
    return Tools(settings, each.tools.training, each.tools)


def _in_numbers(experiment: Experiment) -> Experiment:
    """The same run of a clone that is told numbers instead of sentences."""
    settings: Settings = replace(experiment.settings, task={**experiment.settings.task, **NUMBERED})
    other = Experiment(settings, shared=experiment.tools)
    other.tools.run = experiment.run
    return other
