"""What the notebook says of its figures and of what is asked is so."""

from __future__ import annotations

import json
import re

from tests.entry.command import ROOT
from tests.exercises.hand_lab import settings
from wm_lab.reports import style
from wm_lab.reports.plots import PREDICTORS
from wm_lab.settings import build
from wm_lab.synthesis.relocate import is_relocatable
from wm_lab.tasks.task import Task

CELLS = json.loads((ROOT / "docs" / "notebooks" / "four_exercises.ipynb").read_text(encoding="utf-8"))["cells"]
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
