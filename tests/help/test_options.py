"""What a choice's options are called, hold and follow; and the page of them all."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from tests.entry.command import ROOT
from wm_lab.domains import Count
from wm_lab.help.markdown import page
from wm_lab.help.options import options_of, shown, spelled
from wm_lab.tracking.wandb_run import Mode


def test_a_choice_shows_its_own_defaults():
    found = {option.name: option for option in options_of("model", "model=rssm_1m")}
    assert found["model.deter"] == (
        "model.deter",
        "int",
        "512",
        "from 1 to 65536",
        "width of the deterministic state h",
    )


def test_options_within_options_have_their_whole_name():
    found = {option.name: option for option in options_of("task")}
    assert found["task.planning.action_block"].default == "2"
    assert found["task.planning.std"].type == "list of float"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("${budget:${scale.train_steps}}", "scale.train_steps × task.budget_multiplier"),
        ("${batch:16,${scale.image_length}}", "16, of images scale.image_length"),
        (
            "${by_sight:${scale.seeds},${scale.sight_seeds}}",
            "scale.seeds, of images for exercise=latent scale.sight_seeds",
        ),
        ("${oc.select:task.planning.std,[0.6]}", "task.planning.std"),
        ("${seed}", "seed"),
        ("???", "to be given"),
        (None, "null"),
        (True, "true"),
        ([0.6, 2], "[0.6, 2]"),
        ({"a": None}, "{a: null}"),
        (Mode.auto, "auto"),
    ],
)
def test_a_default_reads_as_it_is_typed_or_names_what_it_follows(value, words):
    assert shown(value) == words


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Annotated[int, 1], "int"),
        (Count | None, "int or null"),
        (list[Count] | None, "list of int or null"),
        (dict[str, float], "names with float"),
        (Mode, "str"),
        (Any, "any"),
    ],
)
def test_types_are_spelled_plainly(hint, words):
    assert spelled(hint) == words


def test_the_page_of_options_is_what_the_code_says():
    written = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert written == page(), "make it anew: python -m wm_lab.help.markdown > docs/options.md"
