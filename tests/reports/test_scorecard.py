"""What a model is good for: a card never claims more than its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.reports.chapters import Chapter
from wm_lab.reports.metric_use import correlation, metric_use, metric_use_figure, metric_use_table
from wm_lab.reports.runs import RunRecord
from wm_lab.reports.scorecard import RUNGS, card, cards, scorecard_table, scorecard_verdict
from wm_lab.reports.sweep_report import SweepAnswer, write_report
from wm_lab.reports.words import Reading


def interval(low: float, value: float, high: float) -> dict[str, float]:
    return {"low": low, "value": value, "high": high, "n": 100}


def horizon(steps: int) -> dict[str, int]:
    return {"low": steps, "value": steps, "high": steps, "significant": steps, "limit": 20, "n": 100}


def imagination(skill: int = 12, reads: int = 20) -> dict[str, Any]:
    saved = {"5": interval(0.5, 0.6, 0.7), "10": interval(0.4, 0.5, 0.6)}
    error = {"5": interval(0.01, 0.02, 0.03), "10": interval(0.01, 0.02, 0.03)}
    found = {"tolerance": 0.02, "unit": "m", "H_skill": horizon(skill), "H_act": horizon(reads), "median": error}
    return {"held_out": {"all": {"variables": {"tcp": {**found, "skill": {"persistence": saved}}}}}}


def planning(mpc: float = 0.8, gap: float = 0.0) -> dict[str, Any]:
    rates = {"mpc": mpc, "random": 0.05, "simulator": 0.95, "expert": 1.0}
    rows = [
        {
            "arm": arm,
            "success": interval(rate - 0.04, rate, rate + 0.04),
            "episode_return": interval(-rate - 1, -rate, -rate + 1),
            "predicted_minus_realised": interval(0.1, 0.2, 0.3),
        }
        for arm, rate in rates.items()
    ]
    difference = interval(gap - 0.05, gap, gap + 0.05)
    pair = {"a": "mpc", "b": "bc", "measure": "success", "difference": difference, "p_adjusted": 0.01}
    return {"rows": rows, "against_clone": [pair], "differences": [], "by_type": []}


def policies(low: float = 0.6) -> dict[str, Any]:
    world = {"spearman": interval(low, 0.9, 1.0), "mmrv": interval(0.0, 0.02, 0.1), "agreement": interval(0.8, 0.9, 1)}
    return {"ranking": {"model": world, "simulator": world}}


def rung(**asked: Any) -> int:
    reached = card("hand/reach", "rssm", asked).reached
    return next((number for number, found in enumerate(reached) if not found), len(RUNGS))


def test_a_rung_is_reached_only_with_those_below_it():
    asked = {"imagination": imagination(), "policies": policies(), "planning": planning()}
    assert rung(**asked) == 4
    assert rung(**{**asked, "planning": planning(gap=0.1)}) == 5
    assert rung(**{**asked, "planning": planning(mpc=0.06)}) == 3
    assert rung(**{**asked, "policies": policies(low=-0.1)}) == 2
    assert rung(**{**asked, "imagination": imagination(skill=0)}) == 0
    assert rung(policies=policies(), planning=planning()) == 0  # nobody asked whether it predicts


def test_the_sentence_says_what_the_next_rung_lacks():
    told = scorecard_verdict(card("hand/reach", "rssm", {"imagination": imagination(), "policies": policies()}))
    assert told == (
        "on hand/reach, rssm reaches rung 3 of 5: it predicts better than nothing moving, answers to actions and ranks "
        "policies; that it plans better than chance was not asked."
    )
    best = {"imagination": imagination(), "policies": policies(), "planning": planning(gap=0.1)}
    assert scorecard_verdict(card("hand/reach", "rssm", best)).endswith("learned without it.")


def test_a_card_has_a_row_a_role_with_floor_and_ceiling():
    found = card("hand/reach", "rssm", {"imagination": imagination(), "policies": policies(), "planning": planning()})
    rows = {row[0]: row for row in scorecard_table(found).rows if row[0]}
    assert list(rows) == [
        "perception",
        "counterfactuals",
        "doubt",
        "exploitability",
        "planner",
        "policy evaluator",
        "data engine",
        "place to learn in",
    ]
    assert rows["planner"][2:] == ("0.80 [0.76, 0.84]", "0.05 [0.01, 0.09]", "0.95 [0.91, 0.99]")
    assert rows["policy evaluator"][3] == "–" and rows["data engine"][2] == "–"


def test_the_card_stands_first_on_its_page_and_once(tmp_path):
    shown = scorecard_table(card("hand/reach", "rssm", {"policies": policies()}))
    chapter = Chapter("Does it rank?", "hand/reach", "It does.", None, Reading("", ""), tmp_path / "run.html")
    page = write_report(tmp_path, "cards", SweepAnswer(["It ranks."], [shown], cards=[shown], chapters=[chapter]))
    text = page.read_text(encoding="utf-8")
    assert text.count(shown.title) == 1 and text.index(shown.title) < text.index(chapter.question)


def test_only_runs_that_say_whether_policies_are_ranked_make_a_card():
    def record(exercise: str, numbers: dict[str, Any]) -> RunRecord:
        labels = {"exercise": exercise, "model": "rssm", "planner": "cem"}
        result = {"labels": labels, "task": "hand/reach", "seed": 0, "seeds": 3, "verdict": "", "numbers": numbers}
        return RunRecord(Path(exercise), "finished", "", (), {}, "", result)

    asked = [record("imagination", imagination()), record("planning", planning())]
    assert cards(asked) == []
    (found,) = cards([*asked, record("policies", policies()), record("planning", {"manifest": "0"})])
    assert (found.task, found.choice) == ("hand/reach", "rssm cem")
    assert scorecard_verdict(found).startswith("over 3 training seeds, on hand/reach, rssm cem reaches rung")


def test_a_cheap_number_that_orders_models_as_a_use_does_has_a_correlation_of_one():
    models = np.arange(8.0)
    assert correlation([list(zip(models, models**2, strict=True))]) == (1, 1, 1, 8)
    assert correlation([list(zip(models, -models, strict=True))]).value == -1
    turned = correlation([list(zip(models, models, strict=True)), list(zip(models, -models, strict=True))])
    assert turned.value == 0 and turned.low <= 0 <= turned.high and turned.n == 16
    assert correlation([[(1.0, 2.0)] * 8]) is None and correlation([list(zip(models, models, strict=True))[:4]]) is None


def test_models_of_a_sweep_say_which_number_predicts_which_use():
    made = []
    for steps in range(1, 7):
        told = {"imagination": imagination(skill=steps), "planning_brief": planning(mpc=0.1 * steps)}
        told["policies"] = policies()
        for exercise, numbers in told.items():
            labels = {"exercise": exercise, "model": "rssm", "planner": "cem"}
            result = {"labels": labels, "task": "hand/reach", "seed": 0, "verdict": "", "numbers": numbers}
            typed = (f"trainer.steps={steps}",)
            made.append(RunRecord(Path(f"{exercise}{steps}"), "finished", "", typed, {}, "", result))
    told = metric_use(made)
    table = metric_use_table(told)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["steps useful"]["planner"] == "1.00 [1.00, 1.00]" and rows["steps useful"]["n"] == "6"
    assert "ranks policies" not in table.columns  # all alike
    assert not metric_use(made[:9])
    planner = metric_use_figure(told).axes[0]
    assert planner.get_title(loc="left") == "planner"
    assert [label.get_text() for label in planner.get_yticklabels()] == list(rows)
