"""What the command says of itself without running anything."""

from __future__ import annotations

import subprocess
import sys

import yaml

from tests.entry.command import ROOT, wm_lab


def test_help_shows_the_groups_and_how_to_choose(tmp_path):
    shown = wm_lab(tmp_path, "--help")
    assert shown.code == 0
    assert "planner: cem, mppi, random_shooting" in shown.out
    assert "wm-lab -m planner=cem,mppi,random_shooting" in shown.out
    assert not list(tmp_path.iterdir())


def test_the_configuration_can_be_shown_without_a_run(tmp_path):
    shown = wm_lab(tmp_path, "--cfg", "job", "--resolve", "task=hand/push", "scale=laptop")
    values = yaml.safe_load(shown.out)
    assert values["task"]["goal"] == "push" and values["task"]["effort"] == 4
    assert values["data"]["episodes"] == 4 * values["scale"]["collect_episodes"], "four times the effort of a reach"
    assert values["planner"]["horizon"] == values["task"]["planning"]["horizon"] == 18
    assert not list(tmp_path.iterdir())


def test_a_shell_can_complete_groups_options_and_keys(tmp_path):
    def complete(line: str) -> list[str]:
        # How Hydra's completion script in bash asks.
        return wm_lab(tmp_path, "-sc", "query=bash", COMP_LINE=f"wm-lab {line}", COMP_POINT="999").out.split()

    assert "planner=mppi" in complete("planner=")
    assert "model=latent_mlp" in complete("model=l")
    assert "trainer.learning_rate=" in complete("trainer.lear")
    installed = wm_lab(tmp_path, "-sc", "install=bash")
    assert installed.code == 0 and "complete" in installed.out


def test_no_command_waits_for_libraries_that_it_may_never_need():
    heavy = ("scipy.stats", "scipy.ndimage", "scipy.sparse.csgraph", "sklearn", "matplotlib", "wandb", "mujoco.viewer")
    script = f"import sys, wm_lab.main; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "[]", ended.stdout + ended.stderr
