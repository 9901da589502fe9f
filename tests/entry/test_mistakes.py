"""Whatever a user can mend ends in one sentence and exit code 2, before any work."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from tests.entry.command import QUIET, SMALL, artifacts, wm_lab
from wm_lab.command_line.mistakes import explain

NAMES = {
    "model=rsmm": r"'rsmm'; did you mean rssm",
    "task=hand/psuh": r"did you mean hand/push",
    "modle=rssm": r"'modle'.*did you mean model\?",
    "planner.elitse=3": r"did you mean planner.elites\?",
    "task.planning.horizn=3": r"did you mean task.planning.horizon\?",
    "sed=1": r"did you mean seed or seeds\?",
    "behaviour.horizon=5": r"'behaviour.horizon' to set: behaviour, as it is chosen, has no options; choose .*=cma_es$",
    "value.steps=5": r"has no options; choose value=distance or value=graph or ",
    "policy=mpc": r"policy@bc, policy@mpc",
    "trainer.steps=abc": r"trainer.steps: Value 'abc'.*Integer",
    "tracking.mode=ofline": r"offline",
    "--config-name=confgi": r"unknown configuration 'confgi'.*config",
    "experiment=familys": r"'familys'; did you mean families",
    "hparams_search=optnua": r"'optnua'; did you mean optuna",
    "hydra/launcher=jobilb": r"hydra/launcher=jobilb.*did you mean joblib\?",
    "seed=[1": r"seed=\[1 cannot be read",
    "model._target_=nowhere.Model": r"cannot be imported.*--config-dir",
    "task.goal=psuh": r"did you mean push\?",
    "exercise._target_=wm_lab.models.rssm.RSSM": r"is no Exercise; choose exercise by name",
    "model._target_=.": r"cannot be imported",
    "exercise.reranker=3": r"model@exercise.reranker=3 is no section",
    "mpc=RSSM": r"mpc=RSSM is no section of options",
    "bc_trainer=3": r"bc_trainer=3 is no section of options",
    "~planner": r"no planner is chosen; name one with planner=NAME",
    "task.budget_multiplier=nan": r"task.budget_multiplier=nan must be a finite number",
    "scale.batch=0": r"scale.batch=0 must be a whole number",
    "model.layers=1000000000": r"model.layers=1000000000 must be a whole number from 1",
    "seed=2147483648": r"seed=2147483648 must be a whole number from 0 to 2147483647",
    "outputs=a,b": r"outputs=a,b names several values; put -m before it",
}
COMBINATIONS = {  # the others are tested where they are checked, in tests/exercises
    "planner.elites=300": r"planner.elites=300 exceeds planner.candidates=32; lower elites or raise candidates",
    "mpc.proposals.count=40": r"40 proposals.*no room.*planner.candidates=32",
    "device=gpu": r"'gpu'; did you mean cpu\?",
}


@pytest.mark.slow
@pytest.mark.parametrize(("override", "sentence"), (NAMES | COMBINATIONS).items())
def test_a_mistake_is_one_sentence_before_any_work(tmp_path, override, sentence):
    ended = wm_lab(tmp_path, *QUIET, override)
    assert ended.code == 2
    assert "Traceback" not in ended.err and "Error executing job" not in ended.err
    assert re.search(sentence, ended.complaint), ended.complaint
    assert not any(tmp_path.iterdir()), "nothing is left behind"


def test_a_choice_of_another_exercise_is_told_whose_it_is(tmp_path):
    ended = wm_lab(tmp_path, *QUIET, "exercise=imagination", "model@exercise.reranker=rssm")
    assert ended.code == 2 and not any(tmp_path.iterdir())
    assert ended.complaint == "wm-lab: model@exercise.reranker can be chosen with exercise=planning alone"


def test_a_preset_beside_a_choice_that_it_is_not_made_for_is_told(tmp_path):
    ended = wm_lab(tmp_path, *QUIET, "experiment=reach_from_pixels", "exercise=collect")
    assert ended.code == 2 and not any(tmp_path.iterdir())
    sentence = "experiment=reach_from_pixels sets 'attribution', and the collect that was chosen beside it has no such"
    assert sentence in ended.complaint


def test_any_seed_of_31_bits_is_taken(tmp_path):
    for seed in (2024, 2**31 - 1):
        ended = wm_lab(tmp_path, *QUIET, f"seed={seed}", "device=gpu")
        assert "unknown device" in ended.complaint, "that is all that is wrong with it"


@pytest.mark.parametrize("mistake", ["model=rsmm", "planner.elites=300"])
def test_a_sweep_of_mistakes_leaves_nothing_behind(tmp_path, mistake):
    ended = wm_lab(tmp_path, "-m", *QUIET, "seed=0,1", mistake)
    assert ended.code == 2 and not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("subdir", ["same", "'${seed}'", "x/same"])
def test_two_jobs_of_a_sweep_that_would_share_a_folder_are_refused(tmp_path, subdir):
    ended = wm_lab(tmp_path, "-m", *QUIET, "seed=0,1", "planner=cem,mppi", f"hydra.sweep.subdir={subdir}")
    assert ended.code == 2 and not any(tmp_path.iterdir())
    assert re.search(r"hydra.sweep.subdir=\S+ is the folder of .* planner=cem and of ", ended.complaint)


def test_folders_that_cannot_be_are_told(tmp_path):
    for outputs, sentence in (("/proc/x", "No such file"), ("x" * 300, "File name too long")):
        ended = wm_lab(tmp_path, *QUIET, f"outputs={outputs}")
        assert ended.code == 2 and sentence in ended.complaint and "outputs=/some/folder" in ended.complaint
    assert not any(tmp_path.iterdir())


def test_the_home_folder_in_a_yaml_is_written_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "experiment").mkdir()
    preset = "# @package _global_\noutputs: ~/lab\ndata: {path: ~/nowhere}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(preset)
    ended = wm_lab(tmp_path, *QUIET, f"--config-dir={tmp_path}", "experiment=mine")
    assert ended.code == 2 and f"{tmp_path}/home/nowhere" in ended.complaint
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("several", [(), ("-m", "seed=0,1")])
def test_what_is_logged_after_a_refused_command_asks_for_no_folder(tmp_path, several):
    assert wm_lab(tmp_path, *QUIET, *several, "planner.elites=999").code == 2
    logging.getLogger("wm_lab").warning("still here")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choice", "group", "extra"),
    [("hydra/launcher=slurm", "launcher", "slurm"), ("hparams_search=optuna", "sweeper", "optuna")],
)
def test_an_extra_that_is_not_installed_is_named(tmp_path, choice, group, extra):
    Plugins.instance()  # which makes known what is installed
    there = ConfigStore.instance().repo["hydra"][group]
    without = {name: node for name, node in there.items() if extra not in name}
    with mock.patch.dict(there, without, clear=True):
        ended = wm_lab(tmp_path, "-m", *QUIET, choice)
    assert ended.code == 2 and f"{choice} needs" in ended.complaint
    assert f"pip install 'wm_lab[{extra}]'" in ended.complaint
    assert not any(tmp_path.iterdir())


def test_ray_that_is_not_installed_is_named(tmp_path):
    with mock.patch.dict(sys.modules, {"ray": None}):
        ended = wm_lab(tmp_path, "-m", *QUIET, "hydra/launcher=ray")
    assert ended.code == 2 and "pip install 'wm_lab[ray]'" in ended.complaint
    assert not any(tmp_path.iterdir())


def test_the_traceback_is_there_for_who_asks(tmp_path):
    ended = wm_lab(tmp_path, *QUIET, "planner.elites=300", HYDRA_FULL_ERROR="1")
    assert ended.code == 2 and "Traceback" in ended.err and "exceeds" in ended.complaint


def test_a_defect_of_the_program_keeps_its_traceback(tmp_path):
    with (
        mock.patch("wm_lab.experiment.experiment.Experiment.check", side_effect=ZeroDivisionError("a bug")),
        pytest.raises(ZeroDivisionError, match="a bug"),
    ):
        wm_lab(tmp_path, *QUIET)


@pytest.fixture
def nobody():
    """A folder that can be entered, as somebody who may not write there (root may write anywhere)."""
    folder = Path(tempfile.mkdtemp())
    (folder / "outputs").mkdir(mode=0o555)
    folder.chmod(0o755)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(me)
    shutil.rmtree(folder)


def test_an_output_folder_that_refuses_is_named(nobody):
    ended = wm_lab(nobody, *QUIET)
    assert ended.code == 2
    assert re.search(r"outputs/runs.*Permission denied.*choose another folder with outputs=", ended.complaint)


def test_an_output_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "outputs").write_text("not a folder")
    ended = wm_lab(tmp_path, *QUIET)
    assert ended.code == 2 and re.search(r"outputs/runs.*Not a directory.*outputs=", ended.complaint)


@pytest.mark.slow
def test_a_disk_that_fills_up_is_told_and_the_same_command_goes_on(furnished):
    save = np.savez
    left = [1]

    def filling(file, **columns):
        if not left:
            raise OSError(28, "No space left on device", str(furnished / "outputs" / "store" / "group"))
        left.pop()
        save(file, **columns)

    before_it = artifacts(furnished, "dataset")
    command = (*SMALL, "data.episodes=40", "workers=1")
    with mock.patch("wm_lab.data.collect.np.savez", filling):
        ended = wm_lab(furnished, *command)
    assert ended.code == 2 and "is full" in ended.complaint and "same command" in ended.complaint
    assert artifacts(furnished, "dataset") == before_it
    (kept,) = furnished.glob("outputs/store/dataset/.building-*/groups/*.npz")
    before = kept.stat().st_mtime_ns
    resumed = []

    def watching(file, **columns):
        resumed.append(kept.stat().st_mtime_ns)
        save(file, **columns)

    with mock.patch("wm_lab.data.collect.np.savez", watching):
        assert wm_lab(furnished, *command).code == 0
    assert resumed == [before, before], "two of three groups were missing"
    assert len(artifacts(furnished, "dataset")) == len(before_it) + 1


def test_memory_that_does_not_suffice_is_told_with_what_shrinks_it():
    with pytest.raises(RuntimeError) as real:
        torch.empty(10**15)
    for error in (real.value, torch.OutOfMemoryError("CUDA out of memory."), MemoryError()):
        told = explain(error)
        assert told is not None
        assert all(name in told for name in ("out of memory", "trainer.batch", "trainer.length", "planner.candidates"))
    assert explain(RuntimeError("shapes (2, 3) and (4, 5) do not fit")) is None
