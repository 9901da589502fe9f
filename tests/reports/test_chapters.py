"""The course page: each exercise's question, answer, own figure and page, and the words that it uses."""

from __future__ import annotations

from pathlib import Path

from wm_lab.reports.chapters import EXERCISES, chapters, title_of
from wm_lab.reports.page import write_page
from wm_lab.reports.runs import RunRecord

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path id="a"/></svg>'


def record(folder: Path, exercise: str, task: str = "hand/push") -> RunRecord:
    plots = folder / exercise / "plots"
    plots.mkdir(parents=True)
    (plots / f"{EXERCISES[exercise].figure}.svg").write_text(SVG)
    result = {"exercise": exercise, "task": task, "verdict": f"{exercise} reads the setpoint."}
    return RunRecord(folder / exercise, "finished", "", (), {}, "", result)


def test_a_course_has_a_chapter_an_exercise_with_its_figure_and_a_way_to_its_page(tmp_path: Path) -> None:
    found = chapters([record(tmp_path, name) for name in reversed(EXERCISES)])
    assert [chapter.question for chapter in found] == [lesson.question for lesson in EXERCISES.values()]
    assert found[1].question == found[2].question, "planning in full and in brief"
    said = ["latent on hand/push: latent reads the setpoint.", "1 of 8 runs left no result."]
    html = write_page(tmp_path / "report.html", title_of(found, ""), verdicts=said, chapters=found).read_text()
    assert html.count("latent reads the setpoint.</p>") == 1 and html.index(said[1]) > html.rindex("The whole run")
    assert "<h1>World models on hand/push: 7 exercises</h1>" in html
    assert html.count('role="img" aria-label="') == html.count("<svg") == len(EXERCISES)
    assert all(f'href="{name}/report.html"' in html for name in EXERCISES) and "<dt>setpoint</dt>" in html
    assert html.index('href="#terms"') < html.index("<h2>"), "whoever begins to read finds them"


def test_runs_of_one_exercise_are_no_course(tmp_path: Path) -> None:
    assert chapters([record(tmp_path, "planning")]) == []
    assert title_of([], "sweep 7") == "sweep 7"
