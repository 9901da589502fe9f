"""A Gymnasium environment of one's own, by following docs/tasks.md: its files and commands as they stand there."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from tests.entry import user_lab
from tests.entry.command import QUIET, ROOT, runs, wm_lab
from tests.entry.test_docs import commands

OWN = [line for line in commands((ROOT / "docs" / "tasks.md").read_text()) if "mine" in line or "id=my_module" in line]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where a newcomer works; their modules are unloaded afterwards."""
    folder = tmp_path_factory.mktemp("newcomer")
    user_lab.write(folder / "my_lab", "tasks")
    yield folder
    for name in user_lab.PYTHON:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_the_page_asks_all_four_exercises():
    asked = {word for line in OWN for word in line.split() if word.startswith("exercise=")}
    assert asked == {"exercise=imagination", "exercise=augmentation", "exercise=latent"}  # and planning, the default


@pytest.mark.parametrize("arguments", OWN)
def test_a_command_of_the_page_answers_about_an_environment_of_ones_own(place, arguments):
    ended = wm_lab(place, *shlex.split(arguments), *QUIET)
    assert ended.code == 0, ended.err
    result = json.loads((runs(place)[-1] / "result.json").read_text())
    assert result["task"] == "gym/my_module:MyEnv-v0" and result["verdict"]


def test_the_expert_of_the_page_solves_its_task_and_so_does_the_true_simulator(place):
    ended = wm_lab(place, "--config-dir", "my_lab", "task=mine", *QUIET)
    assert ended.code == 0, ended.err
    result = json.loads((runs(place)[-1] / "result.json").read_text())
    rows = {row["arm"]: row["success"]["value"] for row in result["numbers"]["rows"]}
    assert rows["expert"] == 1.0 and rows["simulator"] == 1.0
