"""What the notebook says of its figures and of what is asked is so."""

from __future__ import annotations

import json
import re

from tests.entry.command import ROOT
from tests.exercises.hand_lab import settings
from wm_lab.reports import style
from wm_lab.reports.error_curves import PREDICTORS
from wm_lab.settings import build
from wm_lab.synthesis.relocate import is_relocatable
from wm_lab.tasks.task import Task

NOTEBOOK = ROOT / "docs" / "notebooks" / "four_exercises.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
TEXT, CODE = (
    "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == kind) for kind in ("markdown", "code")
)


def test_curves_have_the_colours_that_are_told():
    told = dict(re.findall(r"\*(\w+)\*[\w ]*\((\w+)", TEXT))
    assert {"model", "persistence", "linear"} <= told.keys()
    for who in ("model", "persistence", "linear"):
        assert PREDICTORS[who] == getattr(style, told[who].upper()), who


def test_the_generator_that_is_told_is_the_one_that_is_used():
    task = build(Task, settings("exercise=augmentation").task, "task")
    assert "generator" not in CODE and "`relocate`" in TEXT and is_relocatable(task)


def test_every_exercise_shows_a_figure_of_its_own():
    shown = re.findall(r"^(\w+)\.figures|SVG\((\w+)\.pictures", CODE, re.MULTILINE)
    assert {one or other for one, other in shown} == {"imagination", "planning", "augmentation", "latent"}


def outputs() -> list[dict]:
    return [output for cell in CELLS if cell["cell_type"] == "code" for output in cell["outputs"]]


def test_it_is_stored_with_what_it_shows_and_with_no_error():
    """So that it can be read where it is not run; `scripts/notebook.py` renews it."""
    asked = [cell for cell in CELLS if cell["cell_type"] == "code"][1:]
    assert all(cell["outputs"] and cell["execution_count"] for cell in asked)
    assert "error" not in {output["output_type"] for output in outputs()}
    pictures = [output for output in outputs() if {"image/png", "image/svg+xml"} & output.get("data", {}).keys()]
    assert len(pictures) == 5
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 2_000_000 and not re.search(r"/(home|tmp|work|Users)/", text), "it names no place of a machine"


def test_what_the_text_says_of_its_size_is_what_was_run():
    fewer = dict(re.findall(r'"(\w+)": \(([^)]*)\)', CODE))
    usual = settings("scale=laptop").exercise["episodes"]
    assert "**half the episodes**" in TEXT
    for exercise in ("planning", "augmentation"):
        assert f"exercise.episodes={usual // 2}" in fewer[exercise]
    said = "".join("".join(output.get("text", "")) for output in CELLS[-2]["outputs"])
    assert len(re.findall(r"^- (in this training|cannot tell)", said, re.MULTILINE)) == 4, "everything is trained once"
    assert f"n={usual // 2}" in said
