"""One table told three ways: terminal, Markdown, HTML. Numbers line up on the right; n is always shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from csv import writer
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING, Any

from wm_lab.errors import harmless
from wm_lab.evaluation.comparison import MEASURES, Attribution, Difference, SuccessRow
from wm_lab.evaluation.interval import DIGITS, LARGEST, Interval
from wm_lab.evaluation.nudges import split_name
from wm_lab.evaluation.table_cell import TableCell
from wm_lab.evaluation.verdicts import is_significant
from wm_lab.system.names import column_name

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class Table:
    """Rows of text under a title; `left` names the columns of words, the others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: frozenset[str] = frozenset()
    caption: str = ""
    groups: list[int] = field(default_factory=list)  # rows that begin a new group
    prose: frozenset[str] = frozenset()  # columns of sentences, which may be broken into lines

    def rich(self) -> RichTable:
        """For `rich.console.Console().print`."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=self.title, caption=self.caption or None, box=box.SIMPLE_HEAD, title_justify="left")
        table.caption_justify = "left"
        for name in self.columns:
            justify: Any = "left" if name in self.left else "right"
            table.add_column(name, justify=justify, overflow="fold")  # a narrow terminal breaks cells, and loses none
        for i, row in enumerate(self.rows):
            # Text, not str: "[0.85, 0.96]" must not be read as markup
            table.add_row(*(Text(harmless(cell)) for cell in row), end_section=i + 1 in self.groups)
        return table

    def markdown(self) -> str:
        """A GitHub table, padded so that the source reads as well as the page."""
        cells = [self.columns, *([c.replace("|", "\\|") for c in row] for row in self.rows)]
        widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(self.columns))]
        left = [name in self.left for name in self.columns]

        def line(row: Sequence[str]) -> str:
            padded = (c.ljust(w) if is_left else c.rjust(w) for c, w, is_left in zip(row, widths, left, strict=True))
            return f"| {' | '.join(padded)} |"

        rule = ["-" * w if is_left else "-" * (w - 1) + ":" for w, is_left in zip(widths, left, strict=True)]
        parts = [f"**{self.title}**", "", line(cells[0]), line(rule), *map(line, cells[1:])]
        return "\n".join([*parts, "", self.caption] if self.caption else parts) + "\n"

    def tidy(self) -> tuple[list[str], list[list[float | str | None]]]:
        """Columns and rows for programs: one value each, an interval as estimate, `_low` and `_high`, nothing blanked.

        Numbers are whole and not rounded as in the other forms; what is not known is None.
        """
        cells = [[_values(cell) for cell in row] for row in self.rows]
        parts = [
            list(dict.fromkeys(part for row in cells for part in row[i])) or [""] for i in range(len(self.columns))
        ]
        places = [(i, part) for i in range(len(self.columns)) for part in parts[i]]
        names: list[str] = []
        for i, part in places:
            name = column_name(f"{self.columns[i]} {part}")
            names.append(name if name not in names else f"{name}_{i + 1}")
        return names, [[row[i].get(part) for i, part in places] for row in cells]

    def csv(self) -> str:
        """What `tidy` says, as comma-separated values."""
        columns, rows = self.tidy()
        text = StringIO()
        writer(text, lineterminator="\n").writerows([columns, *rows])
        return text.getvalue()

    def latex(self) -> str:
        """A `tabular` of the package booktabs; the caption is a comment, for a paper has its own."""
        style = "".join("l" if name in self.left else "r" for name in self.columns)
        lines = [f"% {self.title}. {self.caption}".rstrip(), rf"\begin{{tabular}}{{{style}}}", r"\toprule"]
        lines += [_latex_row(self.columns), r"\midrule"]
        for i, row in enumerate(self.rows):
            lines += [r"\midrule"] * (i in self.groups) + [_latex_row(row)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def html(self) -> str:
        """Heading, `<table>` in a box that scrolls by itself, caption; the page brings the style."""
        styles = ["prose" if name in self.prose else "" if name in self.left else "number" for name in self.columns]
        kind = [f' class="{style}"' if style else "" for style in styles]

        def line(row: Sequence[str], tag: str, first: bool = False) -> str:
            cells = "".join(f"<{tag}{k}>{escape(c)}</{tag}>" for c, k in zip(row, kind, strict=True))
            return f"<tr{' class=group' if first else ''}>{cells}</tr>"

        body = "\n".join(line(row, "td", i in self.groups) for i, row in enumerate(self.rows))
        head, caption = line(self.columns, "th"), escape(self.caption)
        note = f"<p class=caption>{caption}</p>" if caption else ""
        table = f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody></table>"
        return f'<h3>{escape(self.title)}</h3>\n<div class="scroll">{table}</div>\n{note}'


THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")

LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "²": "$^2$",
    "ρ": r"$\rho$",
    "<": "$<$",
    ">": "$>$",
}
"""How LaTeX spells signs that mean something to it, or that its old engines lack."""


def _values(cell: str) -> Mapping[str, float | str | None]:
    """{part: value} of a cell."""
    if isinstance(cell, TableCell):
        return cell.values
    if cell == "–":
        return {"": None}
    return {"": cell.replace(",", "") if THOUSANDS.fullmatch(cell) else cell}


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join("".join(LATEX.get(sign, sign) for sign in cell) for cell in cells) + r" \\"


def success_table(rows: Sequence[SuccessRow], title: str = "Success") -> Table:
    """Every arm of every task."""
    columns = ("task", "arm", "success", "still there", "steps", "return", "predicted − realised", "ms/decision", "n")
    body = [
        (
            row.task,
            row.arm,
            row.success.bounds(),
            row.at_end.bounds(),
            estimate(row.steps, 0),
            estimate(row.episode_return, 2),
            row.predicted_minus_realised.bounds(),
            number(row.decision_ms, 1),
            counted(row.success.n, row.seeds),
        )
        for row in rows
    ]
    starts = [i for i in range(1, len(rows)) if rows[i].task != rows[i - 1].task]
    counts = what_n_counts(row.seeds for row in rows)
    caption = (
        "95 % intervals. Success: first hit. Still there: success in the last step played. Steps: mean to success, "
        f"solved episodes. {counts}"
    )
    return Table(title, columns, blank_repeats(body), frozenset({"task", "arm"}), caption, starts)


def return_table(rows: Sequence[SuccessRow], title: str = "Returns") -> Table:
    """Every arm of a task that has nothing but rewards."""
    columns = ("task", "arm", "return", "predicted − realised", "ms/decision", "n")
    body = [
        (
            row.task,
            row.arm,
            row.episode_return.bounds(),
            row.predicted_minus_realised.bounds(),
            number(row.decision_ms, 1),
            counted(row.episode_return.n, row.seeds),
        )
        for row in rows
    ]
    caption = f"95 % intervals. Return: sum of rewards of an episode. {what_n_counts(row.seeds for row in rows)}"
    return Table(title, columns, blank_repeats(body), frozenset({"task", "arm"}), caption)


OF_RATES = "Each row's own 95 % interval (Tango's, over episodes and seeds); p: McNemar's mid-p, or the interval's"
OF_RETURNS = "Each row's own 95 % interval (over episodes and seeds); p: the interval's"


def difference_table(
    differences: Sequence[Difference],
    title: str = "Paired differences",
    corrected_over: str = "the rows",
    method: str = OF_RATES,
) -> Table:
    """Pairs of arms, or one pair over task types or tasks; `corrected_over` says among which questions they stand."""
    a, b = (_one_name([getattr(d, side) for d in differences], side) for side in ("a", "b"))
    columns = ("on", a, b, f"{a} − {b}", "p (Holm)", "says", "n")
    body = [
        (
            d.name,
            number(d.rate_a.value, 2),
            number(d.rate_b.value, 2),
            d.difference.bounds(),
            p_value(d.p_adjusted),
            d.better if is_significant(d) else "cannot tell",
            counted(d.difference.n, d.seeds),
        )
        for d in differences
    ]
    counts = what_n_counts(d.seeds for d in differences)
    caption = f"Same episodes for both arms. {method}; Holm over {corrected_over}. {counts}"
    return Table(title, columns, body, frozenset({"on", "says"}), caption)


def clone_table(differences: Sequence[Difference], title: str = "Planning against the clone") -> Table:
    """Planning arms against the clone that was trained on the same demonstrations, in every measure."""
    columns = ("task", "arm", "measure", "planning", "clone", "planning − clone", "p (Holm)", "says", "n")
    body = [
        (
            d.name,
            d.a,
            d.measure,
            *(number(rate.value, 1 if MEASURES[d.measure].less else 2) for rate in (d.rate_a, d.rate_b)),
            d.difference.bounds(),
            p_value(d.p_adjusted),
            d.better if is_significant(d) else "cannot tell",
            counted(d.difference.n, d.seeds),
        )
        for d in differences
    ]
    starts = [i for i in range(1, len(body)) if body[i][:2] != body[i - 1][:2]]
    counts = what_n_counts(d.seeds for d in differences)
    caption = (
        "Same episodes for both. Still there: success in the last step played. Steps: to success, the fewer the "
        f"better; an episode without success counts as its whole budget. {OF_RATES}; Holm over the rows. {counts}"
    )
    left = frozenset({"task", "arm", "measure", "says"})
    return Table(title, columns, blank_repeats(body), left, caption, starts)


def robustness_table(differences: Sequence[Difference]) -> Table:
    """What arms solve after a nudge of each group of action dimensions; see `nudge_differences`."""
    columns = ("task", "arm", "disturbed", "success", "undisturbed", "difference", "p (Holm)", "says", "n")
    body = [
        (
            d.name,
            d.b,
            split_name(d.a)[1],
            d.rate_a.bounds(),
            number(d.rate_b.value, 2),
            d.difference.bounds(),
            p_value(d.p_adjusted),
            ("loses" if d.difference.negative else "gains") if is_significant(d) else "cannot tell",
            counted(d.difference.n, d.seeds),
        )
        for d in differences
    ]
    starts = [i for i in range(1, len(body)) if body[i][:2] != body[i - 1][:2]]
    caption = (
        "Two steps of each episode with noise of .2 on the actions named, at a moment within the first three quarters "
        f"of the expert's median way; the same for all arms. {OF_RATES}; Holm over the rows. "
        f"{what_n_counts(d.seeds for d in differences)}"
    )
    left = frozenset({"task", "arm", "disturbed", "says"})
    return Table("After a nudge", columns, blank_repeats(body), left, caption, starts)


def nudged_clone_table(differences: Sequence[Difference]) -> Table:
    """Planning arms against the clone under the same nudge; see `nudged_against_clone`."""
    columns = ("task", "arm", "disturbed", "planning", "clone", "planning − clone", "p (Holm)", "says", "n")
    body = [
        (
            d.name,
            *split_name(d.a),
            d.rate_a.bounds(),
            number(d.rate_b.value, 2),
            d.difference.bounds(),
            p_value(d.p_adjusted),
            split_name(d.better)[0] if is_significant(d) else "cannot tell",
            counted(d.difference.n, d.seeds),
        )
        for d in differences
    ]
    starts = [i for i in range(1, len(body)) if body[i][:2] != body[i - 1][:2]]
    caption = f"The same nudge in the same episodes. {OF_RATES}; Holm over the rows. " + what_n_counts(
        d.seeds for d in differences
    )
    left = frozenset({"task", "arm", "disturbed", "says"})
    return Table("After a nudge, against the clone", columns, blank_repeats(body), left, caption, starts)


def attribution_table(gaps: Mapping[str, Attribution], title: str = "Where success is lost") -> Table:
    """{task: attribution}: expert (if any) to learned planner, in steps that add up."""
    columns = ("task", "planner", "cost", "model", "total", "model (true cost)", "n")
    body = [
        (
            task,
            *(gap.bounds() for gap in (g.planner, g.cost, g.model, g.total, g.model_under_true_cost)),
            str(g.total.n),
        )
        for task, g in gaps.items()
    ]
    caption = (
        "planner: expert − MPC(true dynamics, true cost); cost: true − learned cost; model: true − learned dynamics."
    )
    return Table(title, columns, body, frozenset({"task"}), caption)


def _one_name(names: Sequence[str], stand_in: str) -> str:
    """The arm that all rows have in common, or a letter for them."""
    return names[0] if len(set(names)) == 1 else stand_in


def blank_repeats(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Say a group's name once; programs are told it in every row."""
    same = [i > 0 and rows[i][0] == rows[i - 1][0] for i in range(len(rows))]
    return [(TableCell("", {"": row[0]}) if again else row[0], *row[1:]) for again, row in zip(same, rows, strict=True)]


def number(value: float, decimals: int, thousands: str = "") -> TableCell:
    if not isfinite(value):
        return TableCell("–", {"": None})
    form = f"z{thousands}.{decimals}f" if abs(value) < LARGEST else f".{DIGITS}g"
    return TableCell(f"{value:{form}}", {"": value})


def estimate(interval: Interval, decimals: int) -> TableCell:
    """The value alone, where the bounds would make a row too wide for people."""
    return TableCell(number(interval.value, decimals), interval.bounds().values)


def p_value(p: float) -> TableCell:
    if not isfinite(p):
        return TableCell("–", {"": None})
    return TableCell(f"{p:.3f}" if p >= 0.001 else "<0.001", {"": p})


def what_n_counts(seeds: Iterable[int]) -> str:
    """What the column n counts in a table whose rows have so many training seeds each."""
    if max(seeds, default=1) == 1:
        return "n: episodes, of one training seed."
    return "n: episodes × training seeds; without seeds, of what learns nothing or was trained once."


def counted(episodes: int, seeds: int) -> TableCell:
    return TableCell(f"{episodes} × {seeds}" if seeds > 1 else str(episodes), {"": episodes, "seeds": seeds})
