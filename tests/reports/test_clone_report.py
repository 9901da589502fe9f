"""A sweep over tasks, or over an option's numbers, holds planning against the clone in one table and a sentence."""

from __future__ import annotations

from pathlib import Path

from tests.evaluation.examples import outcomes, solved
from tests.reports.test_sweep_report import PUSH, REACH, table, write_run
from wm_lab.evaluation.nudges import nudged_name
from wm_lab.reports.cells import curve_of
from wm_lab.reports.runs import save_outcomes
from wm_lab.reports.sweep_report import answer_sweep, write_report


def run_with(folder: Path, manifest, more: dict[str, int], *typed: str) -> None:
    """A run whose planner and clone solve 90 and 40 of 100, with more arms {name: solved}, and more options typed."""
    write_run(folder, manifest=manifest)
    few = manifest.first(50)
    arms = {
        name: outcomes(solved(count, 50 if "nudged" in name else 100), name, few if "nudged" in name else manifest)
        for name, count in more.items()
    }
    save_outcomes(folder, arms)
    with (folder / "overrides.txt").open("a") as overrides:
        overrides.writelines(f"{line}\n" for line in typed)


def test_a_sweep_over_tasks_shows_every_task_in_one_table_and_where_planning_beats_the_clone(tmp_path):
    nudged = nudged_name("bc", "position")
    run_with(tmp_path / "0", PUSH, {"local": 95, "simulator": 100, nudged: 2})
    run_with(tmp_path / "1", REACH, {"local": 41, "simulator": 100, nudged: 40})
    answer = answer_sweep([tmp_path])
    rows = table(answer, "Every task")
    assert [(row["task"], row["measure"]) for row in rows[:4]] == [
        ("toy/push", "success"),
        ("", "still there"),
        ("", "steps"),
        ("toy/reach", "success"),
    ]
    assert [rows[i]["local"][:4] for i in (0, 3)] == ["0.95", "0.41"] and not any("nudged" in row for row in rows)
    assert rows[2]["bc"].startswith("44.0 ["), "60 episodes without success count as 60 steps"
    assert answer.verdicts[0] == (
        "in this training, local planning does better than cloning on 1 (toy/push) of 2 tasks: in success on 1 "
        "(toy/push) and worse on 0; in still there on 1 (toy/push) and worse on 0; in steps on 1 (toy/push) and worse "
        "on 0."
    )
    says = {(row["task"], row["disturbed"]): row["says"] for row in table(answer, "After a nudge")}
    assert says == {("toy/push", "position"): "loses", ("toy/reach", "position"): "cannot tell"}
    assert not any("nudged" in row["arm"] for row in table(answer, "Success of every arm"))


def test_a_sweep_over_an_options_numbers_draws_a_curve_for_every_arm(tmp_path):
    for i, (count, clone) in enumerate({"100": 90, "10": 20, "25": 60}.items()):
        run_with(tmp_path / f"{i}", PUSH, {"local": 90, "bc": clone}, f"demonstrations={count}")
    answer = answer_sweep([tmp_path])
    rows = {row["arm"]: row for row in table(answer, "Success against demonstrations")}
    assert [rows["bc"][n][:4] for n in ("10", "25", "100")] == ["0.20", "0.60", "0.90"]
    assert "success against demonstrations" in answer.figures
    assert answer.verdicts[0].startswith(
        "demonstrations=10: in this training, local planning does better than cloning on 1 (toy/push) of 1 task: "
    )
    assert not any("best against" in t.title for t in answer.tables), "mpc did the same everywhere"
    write_report(tmp_path / "report", "few demonstrations", answer)
    drawn = (tmp_path / "report" / "plots" / "success-against-demonstrations.svg").read_text()
    assert all(word in drawn for word in ("demonstrations", "toy/push", "local", ">25<"))


def test_a_curve_needs_choices_that_differ_in_one_number_alone():
    assert curve_of(["demonstrations=100", "demonstrations=9"]) == (
        "demonstrations",
        {"demonstrations=9": 9.0, "demonstrations=100": 100.0},
    )
    assert curve_of(["rssm cem", "rssm mppi"]) is None
    assert curve_of(["planner.horizon=4 cem", "planner.horizon=8 cem"]) is None
    assert curve_of(["planner.horizon=4"]) is None
    assert curve_of(["planner.horizon=4", "planner.candidates=8"]) is None
