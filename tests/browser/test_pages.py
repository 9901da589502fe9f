"""The pages as a reader meets them: whole without a network, on a phone, and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.entry.command import QUIET, runs, wm_lab
from tests.reports.test_sweep_report import write_status
from wm_lab.report import report

pytestmark = pytest.mark.slow

DESK, PHONE = 1200, 390
PAPER = 1032
"""CSS pixels across A4 on its side, less the margins."""

PAGES = ("imagination", "planning", "augmentation", "latent", "sweep")

BEYOND = """() => [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll, pre, svg') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
"""What sticks out of the window and does not lie in a box that scrolls."""

CUT = """() => [...document.querySelectorAll('table, figure svg, figure img')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
"""What paper would cut off."""


@pytest.fixture(scope="module")
def pages(chromium, tmp_path_factory) -> dict[str, Path]:
    """The page of a run of each exercise, and of all of them with one that failed."""
    folder = tmp_path_factory.mktemp("course")
    course = wm_lab(folder, "--config-name", "course", *QUIET, "task=hand/reach", "model=latent_mlp", "workers=1")
    assert course.code == 0, course.err
    found = dict(zip(PAGES, (run / "report.html" for run in runs(folder)), strict=False))
    sweep = runs(folder)[0].parent
    write_status(sweep / "9", "failed", "out of memory")
    return found | {"sweep": report([sweep])}


def look(chromium: Any, file: Path, width: int, media: str = "screen") -> tuple[Any, list[str]]:
    """The page, opened at a width, and whatever it said or asked the network for."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.emulate_media(media=media)
    page.goto(file.as_uri())
    return page, [words for words in heard if words != file.as_uri() and not words.startswith("data:")]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_page_is_whole_in_itself_and_fits_its_window(chromium, pages, name, width):
    page, heard = look(chromium, pages[name], width)
    assert heard == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BEYOND) == []
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_verdicts_come_first_and_what_was_run_is_told(chromium, pages, name):
    page, _ = look(chromium, pages[name], DESK)
    first = page.evaluate("[...document.querySelector('body').children].map(e => e.className).slice(1, 3)")
    assert first == ["about", "chapter" if name == "sweep" else "verdict headline"]
    headings = page.evaluate("[...document.querySelectorAll('h3')].map(e => e.innerText)")
    assert ("Where" if name == "sweep" else "What was run") in headings
    page.close()


def test_figures_keep_the_size_of_their_words_on_a_phone(chromium, pages):
    for name in PAGES:
        page, _ = look(chromium, pages[name], PHONE)
        words = "[...document.querySelectorAll('.scroll svg text')].map(e => e.getBoundingClientRect().height)"
        assert min(height for height in page.evaluate(words) if height) > 6
        page.close()


def test_wide_tables_scroll_in_their_own_box_on_a_phone(chromium, pages):
    page, _ = look(chromium, pages["planning"], PHONE)
    wider = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.evaluate(wider) > 0
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_paper_cuts_nothing_off(chromium, pages, name):
    page, _ = look(chromium, pages[name], PAPER, media="print")
    assert page.evaluate(CUT) == []
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF") and len(pdf) > 10_000
    page.close()
