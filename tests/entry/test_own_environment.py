"""A Gymnasium environment of one's own, by following docs/tasks.md: its files and commands as they stand there."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from tests.entry import user_lab
from tests.entry.command import QUIET, ROOT, runs, wm_lab
from tests.entry.test_docs import commands

pytestmark = pytest.mark.slow

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


def test_a_yaml_that_names_a_class_alone_knows_all_its_options(place):
    (place / "my_lab" / "task" / "bare.yaml").write_text("_target_: my_task.MyTask\nid: my_module:MyEnv-v0\n")
    ask = ("--config-dir", "my_lab", "task=bare", "exercise=collect", "data=random", *QUIET)
    ended = wm_lab(place, *ask, "task.sharpness=2.0", "task.episode_steps=20", "task.control_hz=20")
    assert ended.code == 0, ended.err
    told = (runs(place)[-1] / "config.yaml").read_text()
    assert "sharpness: 2.0" in told and "control_hz: 20.0" in told and "image_size: 64" in told
    assert "did you mean task.sharpness?" in wm_lab(place, *ask, "task.sharpnes=2.0").complaint
    assert "task.image_size=4 must be" in wm_lab(place, *ask, "task.image_size=4").complaint
    assert "has no render_mode rgb_array" in wm_lab(place, *ask, "task.observation=pixels").complaint
    for told in ("task.make={size: 3}", "task.make.size=3", "+task.make.size=3"):
        assert "MyEnv() takes no arguments" in wm_lab(place, *ask, told).complaint
    (place / "my_lab" / "task" / "odd.yaml").write_text("_target_: my_task.MyTask\nsharpnes: 1.0\n")
    assert (
        "unknown option of task 'sharpnes'; did you mean sharpness"
        in wm_lab(place, "--config-dir", "my_lab", "task=odd", *QUIET).complaint
    )


def test_the_expert_of_the_page_solves_its_task_and_so_does_the_true_simulator(place):
    ended = wm_lab(place, "--config-dir", "my_lab", "task=mine", *QUIET)
    assert ended.code == 0, ended.err
    result = json.loads((runs(place)[-1] / "result.json").read_text())
    rows = {row["arm"]: row["success"]["value"] for row in result["numbers"]["rows"]}
    assert rows["expert"] == 1.0 and rows["simulator"] == 1.0
