"""What the command says of itself without running anything."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib import import_module
from runpy import run_module

import pytest
import yaml

import wm_lab as package
from tests.entry.command import ROOT, wm_lab
from wm_lab.help.choices import GROUPS


def test_help_shows_the_groups_and_how_to_choose(tmp_path):
    shown = wm_lab(tmp_path, "--help")
    assert shown.code == 0
    assert "wm-lab -m planner=cem,mppi" in shown.out
    assert "* cem              Redraws around the best candidates" in shown.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_help_is_a_screen_of_lines_that_fit(tmp_path, columns):
    lines = wm_lab(tmp_path, "--help", COLUMNS=str(columns)).out.splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= columns
    assert not [line for line in lines if "schema" in line or "_target_" in line or "hydra/" in line]
    for group in GROUPS:
        assert any(line.startswith(group) for line in lines), group


def test_help_of_a_choice_shows_its_options_as_they_are_typed(tmp_path):
    shown = wm_lab(tmp_path, "--help", "model=rssm_1m", COLUMNS="100")
    assert "  model.deter=512\n      width of the deterministic state h (int, from 1 to 65536)" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100


def test_help_of_a_group_shows_what_each_choice_is(tmp_path):
    shown = wm_lab(tmp_path, "--help", "planner")
    assert "* cem" in shown.out and "random_shooting" in shown.out and "planner.std_min=0.05" in shown.out
    assert "planner.horizon: 4,8,16,24" in wm_lab(tmp_path, "--help", "experiment=horizon").out


@pytest.mark.parametrize(
    ("topic", "sentence"),
    [
        ("planer", "did you mean planner"),
        ("model=rsm", "unknown option of model 'rsm'; did you mean rssm"),
        ("planner.horizn", "did you mean planner.horizon"),
        ("sed", "did you mean seed"),
    ],
)
def test_help_of_nothing_offers_what_is_near(tmp_path, topic, sentence):
    shown = wm_lab(tmp_path, "--help", topic)
    assert shown.code == 2 and sentence in shown.complaint


def test_help_knows_what_a_folder_of_ones_own_adds(tmp_path):
    (tmp_path / "mine" / "planner").mkdir(parents=True)
    (tmp_path / "mine" / "planner" / "bold.yaml").write_text("# Looks far.\ndefaults: [cem, _self_]\nhorizon: 40\n")
    assert "bold             Looks far" in wm_lab(tmp_path, "--config-dir", "mine", "--help").out
    assert "planner.horizon=40" in wm_lab(tmp_path, "--config-dir=mine", "--help", "planner=bold").out


def test_help_and_version_wait_for_no_library():
    for word in ("--help", "--version"):
        script = "import sys; from wm_lab.__main__ import cli; cli(); print(*({'torch', 'hydra'} & {*sys.modules}))"
        ended = subprocess.run([sys.executable, "-c", script, word], capture_output=True, text=True, cwd=ROOT)
        assert ended.stdout.splitlines()[-1] == "", ended.stdout + ended.stderr


COMMANDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_its_version(name, capsys, monkeypatch):
    module, _, function = COMMANDS[name].partition(":")
    monkeypatch.setattr(sys, "argv", [name, "--version"])
    with suppress(SystemExit):
        getattr(import_module(module), function)()
    assert capsys.readouterr().out == f"{name} {package.__version__}\n"


def afresh(module, monkeypatch):
    """It is loaded once more, and what other tests know of it is put back afterwards, in its package, too."""
    package, _, name = module.rpartition(".")
    monkeypatch.setattr(import_module(package), name, import_module(module), raising=False)
    monkeypatch.delitem(sys.modules, module)


@pytest.mark.parametrize("module", [*(place.partition(":")[0] for place in COMMANDS.values()), "wm_lab.play"])
def test_every_command_can_be_called_by_its_module(module, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    afresh(module, monkeypatch)
    with suppress(SystemExit):
        run_module(module, run_name="__main__")
    assert "wm-lab" in capsys.readouterr().out


def test_a_module_that_is_no_command_says_which_one_is(monkeypatch):
    afresh("wm_lab.main", monkeypatch)
    with pytest.raises(SystemExit, match="python -m wm_lab`"):
        run_module("wm_lab.main", run_name="__main__")


def test_the_configuration_can_be_shown_without_a_run(tmp_path):
    shown = wm_lab(tmp_path, "--cfg", "job", "--resolve", "task=hand/push", "scale=laptop")
    values = yaml.safe_load(shown.out)
    assert values["task"]["goal"] == "push" and values["task"]["budget_multiplier"] == 4
    assert values["data"]["episodes"] == 4 * values["scale"]["collect_episodes"], "four times what a reach gets"
    assert values["planner"]["horizon"] == values["task"]["planning"]["horizon"] == 18
    assert not list(tmp_path.iterdir())


def test_no_command_waits_for_libraries_that_it_may_never_need():
    heavy = (
        "scipy.special",
        "scipy.stats",
        "scipy.ndimage",
        "scipy.optimize",
        "scipy.sparse",
        "sklearn",
        "matplotlib",
        "wandb",
    )
    heavy += ("mujoco.viewer", "torch._dynamo")  # the last loads sympy
    script = f"import sys, wm_lab.main; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "[]", ended.stdout + ended.stderr
