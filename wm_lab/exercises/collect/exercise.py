"""What does the data hold? Collects what `data` asks for, and says how each behaviour fared.

Every episode keeps its seed, behaviour, noise strength and round beside its steps. Groups of 16 episodes are written as
they are finished: what a killed run loses is the group that each worker was playing, and the same command goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.evaluation.proportions import wilson
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.unread import CLONES, PLANS
from wm_lab.reports.tables import Table


@dataclass
class CollectConfig:
    demonstrations: bool = False  # collect the expert's episodes for cloning too


class CollectExercise(Exercise):
    Config = CollectConfig

    def __init__(self, config: CollectConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return CLONES | PLANS | {"behaviour", "value", "evaluation.offset"}

    def check(self, experiment: Experiment) -> None:
        experiment.require_playable("exercise=collect")
        experiment.require_nominal("exercise=collect")
        if (path := experiment.data.config.path) is not None:
            raise UserError(f"data.path={path} is collected already; set data.path=null, or choose data=mixture")

    def run(self, experiment: Experiment) -> Answer:
        found = {"data": experiment.data.dataset()}
        if self.config.demonstrations:
            found["demonstrations"] = experiment.data.demonstrations()
        answer = Answer([], {"steps_per_second": _speed(experiment, found)})
        for name, dataset in found.items():
            solved = _solved(dataset)
            places = [str(shard.folder) for shard in dataset.shards]
            answer.verdicts.append(
                f"{name}: {len(dataset)} episodes of {experiment.task_spec.name} with "
                f"{int(dataset.table.length.sum()):,} steps, {solved.mean():.0%} solved; data.path={places[0]}"
            )
            answer.tables.append(behaviour_table(dataset, solved, name))
            answer.numbers[name] = {
                "episodes": len(dataset),
                "steps": int(dataset.table.length.sum()),
                "solved": float(solved.mean()),
                "folders": places,
                "digest": dataset.digest,
                "behaviours": _counts(dataset),
            }
        return answer


def behaviour_table(dataset: Dataset, solved: np.ndarray, name: str) -> Table:
    """How every behaviour of every round fared; `solved` [E]."""
    table, rows = dataset.table, []
    returns = np.add.reduceat(dataset.column("reward"), table.offset)
    touched = np.add.reduceat(dataset.column("contact"), table.offset, dtype=int) / (table.length + 1)
    for round_number, behaviour in _kinds(dataset):
        mine = (table.round == round_number) & (table.behaviour == behaviour)
        rows.append(
            (
                str(round_number),
                behaviour,
                wilson(int(solved[mine].sum()), int(mine.sum())).bounds(),
                f"{touched[mine].mean():.2f}",
                f"{returns[mine].mean():.2f}",
                f"{table.strength[mine].mean():.2f}",
                str(int(mine.sum())),
            )
        )
    columns = ("round", "behaviour", "success", "in contact", "return", "noise", "n")
    caption = "In contact: share of the steps. Noise: mean standard deviation. 95 % intervals."
    return Table(f"What was collected: {name}", columns, rows, frozenset({"round", "behaviour"}), caption)


def _kinds(dataset: Dataset) -> list[tuple[int, str]]:
    return sorted(set(zip(dataset.table.round.tolist(), dataset.table.behaviour.tolist(), strict=True)))


def _counts(dataset: Dataset) -> dict[str, Any]:
    table = dataset.table
    return {
        f"{name} in round {number}": int(((table.round == number) & (table.behaviour == name)).sum())
        for number, name in _kinds(dataset)
    }


def _solved(dataset: Dataset) -> np.ndarray:
    """[E] bool: success was hit at least once."""
    return np.logical_or.reduceat(dataset.column("success"), dataset.table.offset)


def _speed(experiment: Experiment, found: dict[str, Dataset]) -> float | None:
    """Steps a second of this run's collecting; None where everything lay in the store."""
    seconds = experiment.tools.seconds.get("collection")
    steps = sum(int(dataset.table.length.sum()) for dataset in found.values())
    return None if not seconds else steps / seconds
