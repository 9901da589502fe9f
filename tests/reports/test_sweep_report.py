"""Any runs become one report: compared on the same episodes, whatever state their folders are in."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab import report
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest, freeze
from wm_lab.evaluation.verdicts import is_significant
from wm_lab.reports.cells import sweep_cells
from wm_lab.reports.runs import OUTCOMES, missing_cells, read_run, read_runs, save_outcomes
from wm_lab.reports.sweep_report import _against_best, answer_sweep, write_report

PUSH = freeze(task_spec("toy/push"), 100)
REACH = freeze(task_spec("toy/reach", ("reach",)), 100)


def write_run(
    folder: Path,
    planner: str = "cem",
    solves: int = 90,
    manifest: Manifest = PUSH,
    seed: int = 0,
    model: str = "rssm",
    arm: str = "mpc",
) -> Path:
    """A finished planning run in which the first `solves` of 100 episodes were solved."""
    folder.mkdir(parents=True)
    arms = {name: outcomes(solved(k, 100), name, manifest, seed=seed) for name, k in {arm: solves, "bc": 40}.items()}
    save_outcomes(folder, arms)
    labels = {"exercise": "planning", "task": manifest.task, "model": model, "planner": planner, "objective": "reward"}
    result = {
        "labels": labels,
        "task": manifest.task,
        "seed": seed,
        "verdict": f"{planner} did so.",
        "numbers": {"manifest": manifest.hash},
        "model": {"parameters": 2_000_000, "seconds": 60.0, "frames_per_second": 1000.0},
    }
    (folder / "result.json").write_text(json.dumps(result))
    typed = [f"planner={planner}", f"model={model}", f"task={manifest.task}", f"seed={seed}"]
    (folder / "overrides.txt").write_text("".join(f"{line}\n" for line in typed))
    (folder / "environment.json").write_text(json.dumps({"cpu": "toy", "cores": 2, "packages": {"torch": "2"}}))
    write_status(folder, "finished")
    return folder


def write_status(folder: Path, state: str, reason: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {"state": state, "reason": reason, "exit_code": 0, "pid": 1, "host": "h", "started": "", "ended": ""}
    (folder / "status.json").write_text(json.dumps(values))


def table(answer, title: str) -> list[dict[str, str]]:
    found = next(t for t in [*answer.tables, *answer.details] if t.title == title)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_choices_are_what_differs_between_the_runs_and_the_best_is_compared_with_the_rest(tmp_path):
    write_run(tmp_path / "0", "cem", 95)
    write_run(tmp_path / "1", "mppi", 60)
    answer = answer_sweep([tmp_path])
    assert [row["choice"] for row in table(answer, "Comparison")] == ["cem", "mppi"]
    duel = table(answer, "toy/push: the best against the others")[0]
    assert (duel["cem"], duel["mppi"], duel["says"]) == ("0.95", "0.60", "cem")
    assert answer.verdicts[0].startswith(
        "toy/push: in this training, cem solves most (0.95 [0.89, 0.98], n=100); "
        "significantly better (95 % CI) than mppi"
    )


def test_choices_on_a_task_that_only_pays_are_compared_by_what_they_earn(tmp_path):
    pays = freeze(task_spec("toy/hop", success_test=""), 100)
    for name, more in (("cem", 0.0), ("mppi", 1.0)):
        folder = write_run(tmp_path / name, name, 0, manifest=pays)
        earned = more + np.linspace(0, 1, 100)
        arms = {arm: outcomes(solved(0, 100), arm, pays, episode_return=earned) for arm in ("mpc", "bc")}
        save_outcomes(folder, arms)
    answer = answer_sweep([tmp_path])
    assert answer.verdicts[0].startswith("toy/hop: in this training, mppi earns most (1.5")
    duel = table(answer, "toy/hop: the best against the others")[0]
    assert (duel["mppi"], duel["cem"], duel["says"]) == ("1.50", "0.50", "mppi")
    assert {row["return"][:4] for row in table(answer, "Returns of every arm")} == {"0.50", "1.50"}
    assert not any(t.title == "Success of every arm" for t in answer.tables) and not answer.figures


def test_a_sweep_in_which_nobody_plans_has_its_report_all_the_same(tmp_path):
    for manifest in (PUSH, REACH):
        write_run(tmp_path / manifest.task, manifest=manifest, arm="real_n10")
    answer = answer_sweep([tmp_path])
    assert {row["arm"] for row in table(answer, "Success of every arm")} == {"real_n10", "bc"}
    assert not answer.figures


def test_facts_of_the_model_stand_in_the_comparison(tmp_path):
    write_run(tmp_path / "0", "cem")
    write_run(tmp_path / "1", "mppi")
    row = table(answer_sweep([tmp_path]), "Comparison")[0]
    assert (row["M weights"], row["train s"], row["frames/s"], row["n"]) == ("2.00", "60", "1,000", "100")


def test_seeds_of_one_choice_are_one_cell_whose_n_says_so(tmp_path):
    for seed, solves in enumerate((80, 90, 85)):
        write_run(tmp_path / f"{seed}", solves=solves, seed=seed)
    rows = table(answer_sweep([tmp_path]), "Comparison")
    assert [row["n"] for row in rows] == ["100 × 3"]
    assert rows[0]["success"].startswith("0.85 [")


def test_how_many_trainings_a_run_made_is_no_choice(tmp_path):
    for name, planner, seeds in (("0", "cem", 3), ("1", "mppi", 5)):
        with (write_run(tmp_path / name, planner) / "overrides.txt").open("a") as file:
            file.write(f"seeds={seeds}\n")
    assert [row["choice"] for row in table(answer_sweep([tmp_path]), "Comparison")] == ["cem", "mppi"]


def test_runs_of_unlike_manifests_are_shown_apart_and_the_page_says_so(tmp_path):
    other = freeze(task_spec("toy/push", settings={"tolerance": 0.04, "goal_distance": 0.1}), 100)
    write_run(tmp_path / "0", "cem", 50)
    write_run(tmp_path / "1", "mppi", 99, manifest=other)
    answer = answer_sweep([tmp_path])
    assert any("2 different manifests" in verdict for verdict in answer.verdicts)
    assert not any("best against" in t.title for t in answer.tables)


def test_across_tasks_the_interquartile_mean_and_the_chance_to_win_are_those_of_the_literature(tmp_path):
    for i, (planner, solves) in enumerate({"cem": (90, 80), "mppi": (70, 85)}.items()):
        for j, manifest in enumerate((PUSH, REACH)):
            write_run(tmp_path / f"{2 * i + j}", planner, solves[j], manifest)
    rows = {row["choice"]: row for row in table(answer_sweep([tmp_path]), "Across tasks")}
    assert rows["cem"]["IQM success"].startswith("0.85")
    assert rows["cem"]["P(better)"] == rows["mppi"]["P(better)"] == "0.50"  # each wins on one of two tasks


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda f: (f / "result.json").write_text("{"), "unreadable"),
        (lambda f: (f / "result.json").unlink(), "incomplete"),
        (lambda f: [(f / "status.json").write_text("?"), (f / "result.json").unlink()], "unreadable"),
        (lambda f: write_status(f, "failed", "no space") or (f / "result.json").unlink(), "failed: no space"),
    ],
)
def test_a_broken_run_is_named_with_its_reason_and_command_and_the_others_are_reported(tmp_path, broken, said):
    write_run(tmp_path / "0")
    write_run(tmp_path / "1", "mppi")
    broken(write_run(tmp_path / "2", "random_shooting"))
    answer = answer_sweep([tmp_path])
    lost = table(answer, "Without a result")
    assert len(lost) == 1 and lost[0]["why"].startswith(said)
    assert "planner=random_shooting" in lost[0]["run it again with"]
    assert len(table(answer, "Comparison")) == 2


def test_jobs_that_never_began_are_listed_as_commands(tmp_path):
    write_run(tmp_path / "0")
    jobs = [[f"planner={name}", "model=rssm", "task=toy/push", "seed=0"] for name in ("cem", "mppi")]
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    missing = missing_cells(tmp_path, read_runs([tmp_path]))
    assert missing == [("planner=mppi", "model=rssm", "task=toy/push", "seed=0")]
    assert "not begun" in [row["why"] for row in table(answer_sweep([tmp_path]), "Without a result")]


def test_a_sweep_with_no_valid_cell_still_says_what_happened(tmp_path):
    for i in range(2):
        write_status(tmp_path / f"{i}", "failed", "out of memory")
    answer = answer_sweep([tmp_path])
    assert answer.verdicts == ["2 of 2 runs left no result and 0 were not begun."]
    assert write_report(tmp_path, "sweep", answer).exists()


def test_the_page_is_complete_in_itself_and_the_same_tables_lie_beside_it(tmp_path):
    write_run(tmp_path / "runs" / "0")
    write_run(tmp_path / "runs" / "1", "mppi", 50)
    page = report.report([tmp_path / "runs"], tmp_path / "out", "My sweep").read_text()
    assert "<script" not in page and not re.search(r'(src|href)="(?!data:|#)', page)
    assert "significantly better (95 % CI) than" in page and "wm-lab planner=mppi" in page
    assert "| 0.90 [0.83, 0.94] |" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "tables" / "comparison.csv").read_text().startswith("task,choice")


def test_folders_are_searched_and_a_run_counts_once(tmp_path):
    for job in (0, 1, 10, 2):
        write_run(tmp_path / "multiruns" / "today" / str(job))
    found = read_runs([tmp_path, tmp_path / "multiruns" / "today" / "10"])
    assert [run.folder.name for run in found] == ["0", "1", "2", "10"]


def test_what_is_not_there_is_told_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="there is no run in"):
        read_runs([tmp_path])
    with pytest.raises(UserError, match="holds one run"):
        report.report([write_run(tmp_path / "0")])


def test_imagination_and_planning_of_one_choice_meet_in_one_row_and_metres_become_millimetres(tmp_path):
    planned, imagined = write_run(tmp_path / "0"), tmp_path / "1"
    write_run(imagined)
    result = json.loads((imagined / "result.json").read_text())
    median = {"10": {"low": 0.01, "value": 0.012, "high": 0.02, "n": 9}}
    skill = {"low": 3, "value": 20, "high": 20, "significant": 20, "limit": 20, "n": 9}
    block = {"unit": "m", "tolerance": 0.02, "median": median, "skill": {}, "H_skill": skill, "H_act": skill}
    result["numbers"] = {"held_out": {"all": {"variables": {"block": block}}}}
    (imagined / "result.json").write_text(json.dumps(result))
    for file in (imagined / "outcomes").iterdir():
        file.unlink()
    cells = sweep_cells([read_run(planned), read_run(imagined)])
    assert len(cells) == 1 and cells[0].error_at["10"].value == pytest.approx(12.0)
    row = table(answer_sweep([tmp_path]), "Comparison")[0]
    assert (row["imagined"], row["at 10"], row["better for"]) == ("block [mm]", "12", "20+")
    assert row["success"].startswith("0.90")


def test_what_did_the_same_for_several_choices_stands_once_under_what_they_share(tmp_path):
    write_run(tmp_path / "0", "cem", 90)
    write_run(tmp_path / "1", "mppi", 80)
    write_run(tmp_path / "2", "cem", 70, model="latent_mlp")
    policy = outcomes(solved(10, 100), "policy", PUSH)
    for job in "01":
        save_outcomes(tmp_path / job, {"policy": policy})
    arms = [row["arm"] for row in table(answer_sweep([tmp_path]), "Success of every arm")]
    assert arms == ["bc", "mpc (rssm cem)", "mpc (rssm mppi)", "mpc (latent_mlp cem)", "policy (rssm)"]


def test_under_the_null_a_sweep_names_a_best_choice_in_at_most_5_percent_of_experiments():
    """The best of five is compared because it looked best; correcting over four questions would not be enough."""
    rng = np.random.default_rng(0)

    def claims() -> bool:
        hardness = rng.random(100)
        choices = {f"choice {k}": [outcomes(rng.random(100) < hardness, manifest=PUSH)] for k in range(5)}
        return any(is_significant(pair) for pair in _against_best(choices))

    assert np.mean([claims() for _ in range(100)]) <= 0.05


def test_where_nothing_is_sure_the_verdict_says_so(tmp_path):
    write_run(tmp_path / "0", "cem", 90)
    write_run(tmp_path / "1", "mppi", 89)
    told = answer_sweep([tmp_path]).verdicts[0]
    assert told.startswith("toy/push: cannot tell which choice solves most; cem comes first")


def test_a_sweep_without_a_choice_begins_with_what_each_run_found(tmp_path):
    write_run(tmp_path / "0")
    write_run(tmp_path / "1", manifest=REACH)
    verdicts = answer_sweep([tmp_path]).verdicts
    assert "planning on toy/push: cem did so." in verdicts and "planning on toy/reach: cem did so." in verdicts


def test_what_was_run_is_told_with_its_episodes(tmp_path):
    write_run(tmp_path / "0", "cem", 95)
    write_run(tmp_path / "1", "mppi", 60)
    answer = answer_sweep([tmp_path])
    (episodes,) = table(answer, "Episodes")
    assert (episodes["manifest"], episodes["episodes"]) == (PUSH.hash, "100")
    assert table(answer, "Where")[0]["runs"] == "2"


def test_unreadable_outcomes_cost_one_run_and_not_the_report(tmp_path):
    write_run(tmp_path / "0", "cem", 95)
    write_run(tmp_path / "1", "mppi", 60)
    (write_run(tmp_path / "2", "random_shooting") / "outcomes" / "mpc.json").write_text('{"half')
    (write_run(tmp_path / "3", "icem") / "result.json").write_text('{"task": "toy/push"}')
    answer = answer_sweep([tmp_path])
    lost = table(answer, "Without a result")
    assert [row["why"].partition(":")[0] for row in lost] == ["unreadable", "unreadable"]
    assert {row["choice"] for row in table(answer, "Comparison")} == {"cem", "mppi"}


def write_latent(folder: Path, model: str, rank: float, seed: int = 0, straight: float | None = 0.9) -> Path:
    """A finished run of the latent exercise."""
    write_run(folder, model=model, seed=seed)
    shutil.rmtree(folder / OUTCOMES)
    result = json.loads((folder / "result.json").read_text())

    def interval(value: float | None) -> dict[str, float | None]:
        low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
        return {"low": low, "value": value, "high": high, "n": 100}

    measures = {"effective_rank": rank, "straightness": straight, "steps_to_go": 0.5}
    result["numbers"] = {
        "structure": {"latent": {name: interval(value) for name, value in measures.items()}},
        "r2": {"ridge": {"latent": {"block": interval(0.7), "goal": interval(0.1)}}},
        "moves": {"block": True, "goal": False},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_latents_of_several_families_stand_beside_one_another(tmp_path):
    write_latent(tmp_path / "1", "rssm", 4.0)
    write_latent(tmp_path / "2", "jepa", 12.0)
    write_latent(tmp_path / "3", "jepa", 14.0, seed=1)
    write_latent(tmp_path / "4", "latent_mlp", 8.0, straight=None)
    rows = table(answer_sweep([tmp_path]), "Latents")
    told = {row["choice"]: row for row in rows}
    assert told["rssm"]["effective rank"] == "4.00 [3.90, 4.10]" and told["rssm"]["R² block"] == "0.70 [0.60, 0.80]"
    assert told["jepa"]["effective rank"].startswith("13.00 [")
    assert told["latent_mlp"]["straightness"] == "–"
    assert "R² goal" not in rows[0], "it never changes"
