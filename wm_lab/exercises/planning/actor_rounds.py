"""The last round's actor need not be the best: which round's plays the test is found by trying.

What each round's actor earned while it collected makes a short list, for those steps are paid already. Two episodes
under noise choose poorly, so the actors of the list, and the last one, which has collected nothing, play validation
episodes without noise. Their starts are nobody's data, nobody's test, and none that chose weights within a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest
from wm_lab.exercises.exercise import Answer
from wm_lab.experiment.arms import ACTOR, IN_VALIDATION, PLANNED_ACTOR, Arm
from wm_lab.experiment.chosen import learns_inside
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import PolicySelection
from wm_lab.reports.tables import Table, blank_repeats, number


class ActorRounds(NamedTuple):
    """How the round is chosen whose actor plays the test."""

    listed: int  # rounds on the short list, beside the last
    episodes: int  # validation episodes of each
    play_on: int | None  # as in the test

    def check(self, experiment: Experiment) -> None:
        """UserError where no actor collected rounds, or data were recorded on these starts."""
        data = experiment.data.config
        asked = f"exercise.actor_rounds={self.listed} chooses among actors that collected rounds"
        if not learns_inside(experiment.settings) or data.collector not in (ACTOR, PLANNED_ACTOR):
            raise UserError(
                f"{asked}, and data.collector={data.collector} lets none; set exercise.actor_rounds=0, or "
                "behaviour=actor_critic data=online data.collector=actor"
            )
        if self.listed > data.rounds:
            raise UserError(f"{asked}, and data.rounds={data.rounds} are fewer; lower exercise.actor_rounds")
        self._starts(experiment)

    def chosen(self, experiment: Experiment) -> int:
        """The number of the round after which the actor was trained that plays the test of this training."""
        return self.select([experiment])[0].chosen

    def select(self, trainings: Sequence[Experiment]) -> list[ChosenRound]:
        """In each training; what is in the store is not played again."""
        lists = [self._list(each) for each in trainings]
        plays = [
            Play(each.evaluations, _in_validation(each, rounds), self._starts(each), self.play_on, timed=False)
            for each, listed in zip(trainings, lists, strict=True)
            for rounds in listed
        ]
        came = iter(play_all(plays))
        return [
            ChosenRound(collected(each), PolicySelection({str(rounds): next(came) for rounds in listed}))
            for each, listed in zip(trainings, lists, strict=True)
        ]

    def _list(self, experiment: Experiment) -> list[int]:
        """The last round, then those whose actors earned most while they collected the next; of equals the later."""
        earned = collected(experiment)
        return [len(earned), *sorted(range(len(earned)), key=lambda k: (-earned[k], -k))[: self.listed]]

    def _starts(self, experiment: Experiment) -> Manifest:
        """Behind those that chose among the last actor's weights."""
        offset = experiment.settings.behaviour["validation_episodes"]
        return experiment.data.validation_manifest(self.episodes, offset)


class ChosenRound(NamedTuple):
    """What became of one training's rounds."""

    collected: list[float]  # mean return of the episodes that the actor after k rounds collected, by k
    selection: PolicySelection  # of those on the list, each by the number of its rounds

    @property
    def chosen(self) -> int:
        return int(self.selection.chosen)

    @property
    def last(self) -> int:
        return len(self.collected)

    def validated(self, rounds: int) -> float:
        """Mean return in validation."""
        return self.selection.merits[str(rounds)].earned


def collected(experiment: Experiment) -> list[float]:
    """Mean return of each round's episodes, from the first round on; none of the first collection."""
    data = experiment.data.dataset()
    earned = np.array([data.episode(e).reward.sum() for e in range(len(data))])
    return [float(earned[data.table.round == k + 1].mean()) for k in range(experiment.data.rounds)]


def tell_choice(answer: Answer, experiment: Experiment, choices: Sequence[ChosenRound]) -> None:
    """Add to an answer who was chosen, and by what."""
    spec = experiment.task_spec
    steps = spec.episode_steps * spec.settings.get("action_repeat", 1)
    answer.verdicts.append(choice_verdict(choices, steps))
    answer.numbers["actor_rounds"] = [choice_numbers(choice) for choice in choices]
    answer.tables.append(choice_table(choices))


def choice_verdict(choices: Sequence[ChosenRound], environment_steps: int) -> str:
    """Which round's actor plays the test of each training, and what its validation cost that is counted nowhere else.

    environment_steps: of an episode at most
    """
    who = ", ".join(str(choice.chosen) for choice in choices)
    each = "" if len(choices) == 1 else ", training by training"
    best = ", ".join(f"{choice.validated(choice.chosen):.4g}" for choice in choices)
    last = ", ".join(f"{choice.validated(choice.last):.4g}" for choice in choices)
    played = max(sum(len(own.manifest) for own in choice.selection.outcomes.values()) for choice in choices)
    return (
        f"choice among rounds: the actor after round {who} of {choices[0].last} plays the test{each}, with a mean "
        f"validation return of {best} (the last round's {last}); {played} validation episodes a training, at most "
        f"{played * environment_steps:,} environment steps, which are not counted among the rounds' own."
    )


def choice_numbers(choice: ChosenRound) -> dict[str, Any]:
    """JSON-ready."""
    outcomes = choice.selection.outcomes
    return {
        "seed": choice.selection.seed,
        "manifest": choice.selection.manifest.hash,
        "collected": choice.collected,
        "validated": {name: own.episode_return.tolist() for name, own in outcomes.items()},
        "chosen": choice.chosen,
    }


def choice_table(choices: Sequence[ChosenRound]) -> Table:
    """Every actor on the list of every training."""
    rows = [
        (
            str(choice.selection.seed),
            f"{rounds}" + (", the last" if rounds == choice.last else ""),
            "" if rounds == choice.last else number(choice.collected[rounds], 1),
            number(choice.validated(rounds), 1),
            str(len(choice.selection.outcomes[str(rounds)].manifest)),
            "plays the test" if rounds == choice.chosen else "",
        )
        for choice in choices
        for rounds in sorted(map(int, choice.selection.outcomes))
    ]
    caption = (
        "Actors after so many rounds: mean return of the round that each then collected, under noise, and of n "
        "validation episodes without. Those that earned most in theirs, and the last, were tried."
    )
    columns = ("seed", "after round", "while collecting", "in validation", "n", "chosen")
    starts = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    return Table("Choice among an actor's rounds", columns, blank_repeats(rows), frozenset({"chosen"}), caption, starts)


def _in_validation(experiment: Experiment, rounds: int) -> Arm:
    arm = experiment.after(rounds)
    return replace(arm, name=f"{arm.name}{IN_VALIDATION}")
