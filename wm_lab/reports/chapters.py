"""The course as a text: each exercise's question, answer and own figure, how to read it, and where its page lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wm_lab.reports.words import Reading, reading

if TYPE_CHECKING:
    from wm_lab.reports.runs import RunRecord


class Chapter(NamedTuple):
    """One exercise on one task."""

    question: str
    task: str
    answer: str  # the headline of the run
    figure: Path | None
    reading: Reading
    page: Path


class Lesson(NamedTuple):
    """What is said of every run of an exercise."""

    question: str
    figure: str  # its name among the plots of a run


PLANNING = Lesson("Does planning with the model beat a cloned policy?", "success")

POLICIES = Lesson("Can the model rank policies without the robot?", "policies")

EXERCISES = {
    "imagination": Lesson("How far ahead can the model imagine?", "imagination_all"),
    "planning": PLANNING,
    "planning_brief": PLANNING,
    "goals": Lesson("Can it go where it is shown a goal?", "success"),
    "integration": Lesson("How are a world model and a policy best joined?", "success"),
    "policies": POLICIES,
    "policies_brief": POLICIES,
    "augmentation": Lesson("Do data made in the model help a cloned policy?", "augmentation"),
    "latent": Lesson("What does the latent hold?", "scenes"),
}


def asked(exercise: str, instruction: str) -> str:
    """What a run asked, and what the robot was to do; the question of the lab's own course exercises alone."""
    question = EXERCISES[exercise].question if exercise in EXERCISES else ""
    return f"{question} The robot's task: {instruction}".strip()


def chapters(records: Sequence[RunRecord]) -> list[Chapter]:
    """One for each exercise and task, of the first run that answered it; none unless there are several exercises."""
    found: dict[tuple[str, str], Chapter] = {}
    for record in records:
        result = record.result or {}
        key = str(result.get("exercise")), str(result.get("task"))
        if key[0] in EXERCISES and key not in found:
            told = EXERCISES[key[0]]
            figure = record.folder / "plots" / f"{told.figure}.svg"
            found[key] = Chapter(
                told.question,
                key[1],
                str(result["verdict"]),
                figure if figure.exists() else None,
                reading(told.figure, key[0]),
                record.folder / "report.html",
            )
    order = sorted(found, key=lambda key: list(EXERCISES).index(key[0]))
    return [found[key] for key in order] if len({exercise for exercise, _ in found}) > 1 else []


def title_of(chapters: Sequence[Chapter], otherwise: str) -> str:
    """Of the page that holds them, if there are any."""
    if not chapters:
        return otherwise
    questions, tasks = dict.fromkeys(c.question for c in chapters), dict.fromkeys(c.task for c in chapters)
    return f"World models on {', '.join(tasks)}: {len(questions)} exercises"
