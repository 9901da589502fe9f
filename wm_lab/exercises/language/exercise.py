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

import numpy as np

from wm_lab.domains import Amount, Several
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest, freeze
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.language.answer import NUMBERS, Row, language_answer
from wm_lab.experiment.arms import Arm, CloneArm, RetoldArm
from wm_lab.experiment.evaluations import Evaluations
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.side_by_side import choose_clones, train_clones
from wm_lab.experiment.tools import Tools
from wm_lab.policies.retold import Tellable
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
        config = self.config
        manifest = experiment.data.manifest(config.episodes)
        choose_clones(experiment)
        train_clones(experiment, [[] for _ in experiment.trainings])
        assert isinstance(experiment.task, Tellable)
        questions = {name: ask for name, ask in ASKED.items() if ask in experiment.task.asks}
        rows: dict[str, Row] = {}
        for each in experiment.trainings:
            clone = CloneArm(RIGHT, each.settings, each.clones.checkpoint())
            for name, arm in _told(clone, each.task):
                played = each.evaluations.play(arm, manifest, config.play_on)
                rows.setdefault(name, Row(_kinds(each.task, manifest))).outcomes.append(played)
            for name, ask in questions.items():
                tools = _tools(experiment, each, task={**each.settings.task, "ask": ask})
                self._add(rows, name, clone, tools)
            if config.numbers:
                other = _in_numbers(experiment, each)
                self._add(rows, NUMBERS, CloneArm(NUMBERS, other.settings, other.clones.checkpoint()), other.tools)
        answer = language_answer(rows, experiment.task.kinds, experiment.task_spec.name)
        if experiment.settings.media:
            first = CloneArm(RIGHT, experiment.settings, experiment.clones.checkpoint())
            for name, arm in _told(first, experiment.task):
                if name in SHOWN:
                    answer.clips += experiment.evaluations.clips(arm, manifest, config.play_on)
        return answer

    def _add(self, rows: dict[str, Row], name: str, arm: Arm, tools: Tools) -> None:
        """Play the episodes of another question about the same scenes."""
        offset = tools.settings.evaluation["offset"]
        manifest = freeze(tools.task_spec, self.config.episodes, offset=offset)
        played = Evaluations(tools).play(replace(arm, name=name), manifest, self.config.play_on)
        row = rows.setdefault(name, Row(_kinds(tools.task, manifest), paired=name != UNSEEN))
        row.outcomes.append(played)


def _told(clone: CloneArm, task: Task) -> Iterator[tuple[str, Arm]]:
    assert isinstance(task, Tellable)
    yield RIGHT, clone
    for name, how in RETOLD.items():
        if how in task.tellings:
            yield name, RetoldArm(name, clone, how)


def _kinds(task: Task, manifest: Manifest) -> np.ndarray:
    """Of the command of each episode, [E] str."""
    assert isinstance(task, Tellable)
    found = []
    for seed in manifest.seeds:
        task.reset(seed=seed)
        found.append(task.kind)
    return np.array(found)


def _tools(experiment: Experiment, each: Experiment, task: Section) -> Tools:
    """Of the same training, with another task."""
    return Tools(replace(experiment.settings, task=task), each.tools.training, each.tools)


def _in_numbers(experiment: Experiment, each: Experiment) -> Experiment:
    """The same training of a clone that is told numbers instead of sentences."""
    settings: Settings = replace(experiment.settings, task={**experiment.settings.task, **NUMBERED})
    other = Experiment(settings, each.tools.training, each.tools)
    other.tools.run = each.tools.run
    return other
