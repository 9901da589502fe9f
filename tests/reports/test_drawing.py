"""Figures wait until somebody looks at them, and what shows the same is drawn once."""

from __future__ import annotations

from wm_lab.exercises.exercise import Answer
from wm_lab.reports import drawing, style
from wm_lab.reports.drawing import Drawing, Figures
from wm_lab.store import Store

DRAWN = []


def line(height, title=""):
    DRAWN.append(height)
    figure = style.new_figure(2, 1)
    figure.subplots().plot([0, 1], [0, height])
    figure.suptitle(title)
    return figure


def test_a_figure_of_the_same_numbers_comes_from_the_store(tmp_path):
    DRAWN.clear()
    store = Store(tmp_path / "store")
    paths = [
        Figures({"line": Drawing(line, (height,), {"title": "T"})}).save("line", tmp_path / f"{n}.svg", store)
        for n, height in enumerate([1.0, 1.0, 2.0])
    ]
    assert DRAWN == [1.0, 2.0]
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again == style.save(line(1.0, title="T"), tmp_path / "plain.svg").read_bytes() != other


def test_other_code_draws_anew(tmp_path, monkeypatch):
    DRAWN.clear()
    for code in ("old", "old", "new"):
        monkeypatch.setattr(drawing, "code_hash", lambda folders, code=code: code)
        Figures({"line": Drawing(line, (1.0,))}).save("line", tmp_path / "line.svg", Store(tmp_path / "store"))
    assert DRAWN == [1.0, 1.0]


def test_an_answer_shows_figures_whoever_drew_them():
    DRAWN.clear()
    answer = Answer(["said"], {}, figures={"late": Drawing(line, (3.0,)), "ready": line(4.0)})
    assert set(answer.figures) == {"late", "ready"} and DRAWN == [4.0]
    assert answer.figures["late"] is answer.figures["late"] and DRAWN == [4.0, 3.0]
    assert len(answer.figures["ready"].axes[0].lines) == 1
