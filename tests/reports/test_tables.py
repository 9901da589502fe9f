"""Tables say the numbers, their intervals and n, in every form."""

from __future__ import annotations

import re
from types import SimpleNamespace

from rich.console import Console

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.evaluation.comparison import attribute, compare_by_type, success_rows
from wm_lab.evaluation.manifest import freeze
from wm_lab.reports.tables import Table, attribution_table, difference_table, success_table
from wm_lab.reports.terminal import print_answer
from wm_lab.system.names import file_name


def results() -> dict:
    found = {}
    for task, tags, mpc, bc in (("toy/push", ("contact",), 92, 40), ("toy/reach", ("reach",), 100, 99)):
        manifest = freeze(task_spec(task, tags), 100)
        arms = {"mpc": mpc, "bc": bc, "noop": 0}
        found[task] = {arm: outcomes(solved(k, 100), arm, manifest) for arm, k in arms.items()}
    return found


def on_terminal(table: Table, width: int = 160) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table.rich())
    return capture.get()


def test_every_success_rate_stands_with_its_interval_and_n():
    text = on_terminal(success_table(success_rows(results())))
    assert re.search(r"toy/push\s+mpc\s+0\.92 \[0\.85, 0\.96\].*100\s*$", text, re.MULTILINE)
    assert re.search(r"noop\s+0\.00 \[0\.00, 0\.04\]", text)
    assert text.count("toy/push") == 1  # a group is named once


def test_terminal_markdown_and_html_hold_the_same_cells():
    table = difference_table(compare_by_type(results(), "mpc", "bc"))
    forms = (on_terminal(table), table.markdown(), table.html())
    for row in table.rows:
        for cell in row:
            assert all(cell.replace("<", "&lt;") in form or cell in form for form in forms), cell


def test_the_difference_table_says_who_wins_or_that_it_cannot_tell():
    rows = {row[0]: row for row in difference_table(compare_by_type(results(), "mpc", "bc")).rows}
    assert rows["contact"][5] == "mpc"
    assert rows["reach"][5] == "cannot tell"


def test_markdown_lines_up_and_marks_numbers_as_right_aligned():
    lines = Table("T", ("name", "value"), [("a|b", "1.5"), ("c", "10.25")], frozenset({"name"}), "note").markdown()
    assert lines.splitlines() == [
        "**T**",
        "",
        "| name | value |",
        "| ---- | ----: |",
        r"| a\|b |   1.5 |",
        "| c    | 10.25 |",
        "",
        "note",
    ]


def test_html_escapes_what_a_user_may_have_named():
    html = Table("<T>", ("name",), [("<script>",)], frozenset({"name"})).html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_terminal_shows_the_beginning_of_a_long_table_and_says_how_much_more_there_is(capsys, tmp_path):
    long = Table("T", ("name",), [(f"row {i}",) for i in range(500)], frozenset({"name"}), "note")
    print_answer(SimpleNamespace(verdicts=["so it is"], tables=[long]), tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "row 59" in told and "row 60" not in told
    assert "440 more rows" in told and "note" in told and "so it is" in told


def test_the_attribution_table_names_each_gap():
    arm = {k: outcomes(solved(k, 100)) for k in (98, 95, 85, 70, 50)}
    gaps = attribute(
        expert=arm[98], true_true=arm[95], true_learned=arm[85], learned_true=arm[70], learned_learned=arm[50]
    )
    row = attribution_table({"toy/push": gaps}).rows[0]
    assert [cell[:4] for cell in row] == ["toy/", "0.03", "0.10", "0.35", "0.48", "0.25", "100"]


def test_a_program_reads_one_value_a_column_whole_and_with_nothing_blanked():
    columns, rows = success_table(success_rows(results())).tidy()
    assert " ".join(columns[:7]) == "task arm success success_low success_high still_there still_there_low"
    assert [row[0] for row in rows] == ["toy/push"] * 3 + ["toy/reach"] * 3
    push = dict(zip(columns, rows[0], strict=True))
    assert push["success"] == 0.92 and 0.850 < push["success_low"] < 0.851 and push["n"] == 100
    assert push["predicted_minus_realised"] is None, "what nobody knows is empty"


def test_comma_separated_values_have_no_signs_that_only_people_read():
    text = Table("T", ("p (Holm)", "train s", "mpc − bc"), [("–", "1,234", "×3")], frozenset()).csv()
    assert text == "p_holm,train_s,mpc_minus_bc\n,1234,×3\n"


def test_latex_spells_what_it_would_take_for_its_own():
    table = Table("T", ("name", "R²"), [("50% & more_of_it", "0.92 [0.85, 0.96]"), ("a × b", "–")], frozenset({"name"}))
    assert table.latex().splitlines()[1:] == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"name & R$^2$ \\",
        r"\midrule",
        r"50\% \& more\_of\_it & 0.92 [0.85, 0.96] \\",
        r"a $\times$ b & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_files_have_plain_names():
    assert file_name("Linear: R² on unseen / trajectories") == "linear-r2-on-unseen-trajectories"
    assert file_name("−–") == "minus" and file_name("汉") == "table"
