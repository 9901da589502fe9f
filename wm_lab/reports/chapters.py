"""The course as a text: each exercise's question, answer and own figure, how to read it, and where its page lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wm_lab.reports.runs import RunRecord


class Chapter(NamedTuple):
    """One exercise on one task."""

    question: str
    task: str
    answer: str  # the headline of the run
    figure: Path | None
    reading: str  # how to read the figure
    page: Path


class Lesson(NamedTuple):
    """What is said of every run of an exercise."""

    question: str
    figure: str  # file among the plots of a run
    reading: str


PLANNING = Lesson(
    "Does planning with the model beat a cloned policy?",
    "success.svg",
    "Each bar is one way to act on the same frozen episodes, with its 95 % interval. The expert is the ceiling, "
    "random and noop are the floors; what simulator (the true dynamics) has above mpc, the model loses.",
)

EXERCISES = {
    "imagination": Lesson(
        "How far ahead can the model imagine?",
        "imagination_all.svg",
        "Each panel is a variable, its error over imagined steps. The model is worth something where its line lies "
        "below persistence (nothing moves) and the linear model; above the dashed tolerance errors decide success.",
    ),
    "planning": PLANNING,
    "planning_brief": PLANNING,
    "goals": Lesson(
        "Can it go where it is shown a goal?",
        "success.svg",
        "Each bar is one way to act towards the same goals of recorded episodes, with its 95 % interval. Planning is "
        "worth something where mpc or value lie above gcbc, which reacts, and straight, which looks at nothing.",
    ),
    "integration": Lesson(
        "How are a world model and a policy best joined?",
        "success.svg",
        "Each bar is one way to join them on the same frozen episodes, with its 95 % interval. A joining is worth "
        "something above bc, the clone alone; subgoal_oracle is what the best sub-goals could give.",
    ),
    "policies": Lesson(
        "Can the model rank policies without the robot?",
        "policies.svg",
        "Each mark is a policy: to the right as far as it truly succeeds, up as far as it does in imagination. On the "
        "dashed line both agree; marks that rise from left to right are in the right order. The other panels are what "
        "the model has to beat, and the simulator, which must lie on the line.",
    ),
    "augmentation": Lesson(
        "Do data made in the model help a cloned policy?",
        "augmentation.svg",
        "Success over the number of real demonstrations. Synthetic data help where their line lies above that of the "
        "real ones alone and of the controls, such as an untrained model; the true simulator is the ceiling.",
    ),
    "latent": Lesson(
        "What does the latent hold?",
        "scenes.svg",
        "Each dot is a scene, near to those that the model finds alike. Colours that form regions say that the latent "
        "tells this apart; compare the other columns. Point at a dot, or reach it with the tab key, for its picture.",
    ),
}

TERMS = {
    "arm": "one way to act that plays the frozen episodes: mpc (planning in the model), bc (the clone), expert, …",
    "tcp": "the point between the fingertips",
    "setpoint": "where the controllers of the joints are heading",
    "attribution": "where success is lost from expert to mpc: in the search, the learned cost or the learned dynamics",
    "predicted and realised return": "the rewards that the model imagines for a chosen plan, and the simulator's",
    "persistence": "the forecast that nothing moves",
    "σ": "an error in standard deviations of the training data",
    "[low, high]": "a 95 % interval; n says over how many episodes, and × how many trainings",
    "cannot tell": "the interval leaves the question open",
}


def chapters(records: Sequence[RunRecord]) -> list[Chapter]:
    """One for each exercise and task, of the first run that answered it; none unless there are several exercises."""
    found: dict[tuple[str, str], Chapter] = {}
    for record in records:
        result = record.result or {}
        key = str(result.get("exercise")), str(result.get("task"))
        if key[0] in EXERCISES and key not in found:
            told, figure = EXERCISES[key[0]], record.folder / "plots" / EXERCISES[key[0]].figure
            found[key] = Chapter(
                told.question,
                key[1],
                str(result["verdict"]),
                figure if figure.exists() else None,
                told.reading,
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
