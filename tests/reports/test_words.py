"""What pages say beside their numbers: every figure is told what it shows, and words that are used are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from wm_lab.reports.page import write_page
from wm_lab.reports.tables import Table
from wm_lab.reports.words import TERMS, reading, terms_in

SVG = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'
FIGURES = (
    *("imagination_all", "imagination_contact", "imagination_planned_free", "imagination_frames"),
    *("imagined (translucent) over true", "filmstrip median", "success", "success_latency", "nudged", "rounds"),
    *("behaviour", "policies", "augmentation", "scenes", "contact_sheet", "success against thinking time"),
)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_is_seen_and_how_it_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.svg").write_text(SVG)
    html = write_page(tmp_path / "report.html", "", figures={name: tmp_path / "a.svg"}).read_text()
    words = reading(name)
    assert words.seen.endswith(".") and words.read.endswith(".") and words.seen != words.read
    assert f'aria-label="{words.seen}"'.replace("'", "&#x27;") in html
    assert f">{words.read}<".replace("'", "&#39;") in html


def test_of_two_names_that_fit_the_longer_one_counts() -> None:
    assert reading("success_latency").read != reading("success").read
    assert reading("success_latency", "integration") == reading("success_latency")
    assert reading("success", "goals").read != reading("success").read == reading("success", "planning").read
    assert reading("another figure") == ("another figure", "another figure")


def test_a_page_explains_the_terms_that_it_uses_and_no_others(tmp_path: Path) -> None:
    table = Table("Where success is lost", ("arm", "success"), [("mpc_cost", "1.00 [0.96, 1.00]")])
    html = write_page(tmp_path / "report.html", "", about="What is asked.", tables=[table]).read_text()
    assert all(f"<dt>{term}</dt>" in html for term in ("arm", "mpc_cost", "attribution", "[low, high]"))
    assert all(f"<dt>{term}</dt>" not in html for term in ("mpc", "setpoint", "greedy"))
    assert 'href="#terms"' in html and 'id="terms"' in html
    assert terms_in("2 mpcs") == {term: TERMS[term] for term in ("mpc", "[low, high]")}
