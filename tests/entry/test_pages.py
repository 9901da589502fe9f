"""Pages keep what they promise: results say where they are from."""

from __future__ import annotations

import re

import wm_lab
from tests.entry.command import ROOT

README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"
FACTS = ("Command", "n", "Seeds", "Machine")
ONE = "**Seeds:** 1."
TABLE = re.compile(r"(?:^\|.*\n)+", re.M)


def measured(text: str) -> list[tuple[str, str]]:
    """(what stands between it and the table before, the table itself), of every table below the legend."""
    body = text[text.index("## The default run") :]
    found, start = [], 0
    for table in TABLE.finditer(body):
        found.append((body[start : table.start()], table.group()))
        start = table.end()
    return found


def test_every_table_of_results_says_its_command_n_seeds_and_machine_and_older_ones_their_age():
    tables = measured(RESULTS.read_text())
    assert len(tables) >= 10
    for before, table in tables:
        facts = (*FACTS, "Measured before") if ONE in before else FACTS
        missing = [fact for fact in facts if f"**{fact}:**" not in before]
        assert not missing, (missing, table.splitlines()[0])


def test_every_row_of_results_says_its_seeds():
    for _, table in measured(RESULTS.read_text()):
        header, _, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
        if "seeds" not in header:
            assert any(cell.startswith("seed ") for cell in header), header  # a column a training
            continue
        for row in rows:
            assert re.fullmatch(r"\d+|–", row[header.index("seeds")]), row


def test_results_of_one_training_rank_no_methods():
    sections = [section for section in RESULTS.read_text().split("\n## ") if ONE in section]
    for verb in ("beats", "loses", "significantly better", "is better", "is worse", "outperforms"):
        assert not [section.splitlines()[0] for section in sections if verb in section], verb


def test_the_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 130
    assert len(re.findall(r"\d+(?:[.,]\d+)*", text)) <= 60


def test_the_pages_link_to_pages_that_are_there():
    for page in (README, *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)


def test_a_citation_names_the_version():
    assert f"\nversion: {wm_lab.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_choice_has_a_line():
    text = (ROOT / "docs" / "choices.md").read_text()
    told = set(re.findall(r"`(?:[\w/]+=)?([\w/]+)`", text))
    for group in ("exercise", "task", "model", "planner", "objective", "data", "experiment", "scale", "tracking"):
        folder = ROOT / "conf" / group
        choices = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")}
        missing = {choice for choice in choices if choice not in told and not choice.startswith("suite/")}
        assert not missing, (group, missing)
