"""The notebook runs from its first cell to its last."""

from __future__ import annotations

import pytest

from tests.entry.command import ROOT
from tests.extras import need

pytestmark = pytest.mark.slow

nbformat = need("nbformat", "docs")
nbclient = need("nbclient", "docs")
need("ipykernel", "docs")


def test_the_notebook_asks_and_answers_the_four_questions(tmp_path, monkeypatch):
    monkeypatch.setenv("WM_LAB_SCALE", "smoke")
    notebook = nbformat.read(ROOT / "docs" / "notebooks" / "four_exercises.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    answers = "".join(output.text for output in notebook.cells[-2].outputs).strip().splitlines()
    assert len(answers) == 4 and all(answer.startswith("- ") for answer in answers)
    drawn = [output for output in shown if {"image/png", "image/svg+xml"} & output.get("data", {}).keys()]
    assert len(drawn) == 5
    models = list((tmp_path / "outputs" / "store" / "model").glob("rssm-*"))
    assert len(models) == 2, "one of states answers three, one of images the fourth"
