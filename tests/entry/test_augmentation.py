"""The augmentation exercise through the command, with the one synthetic arm that trains no world model."""

from __future__ import annotations

import json

import pytest

from tests.entry.command import QUIET, runs, wm_lab

pytestmark = pytest.mark.slow


def test_one_command_answers_whether_synthetic_data_help(tmp_path):
    asked = ("exercise=augmentation", "model=latent_mlp", "exercise.arms=[duplicated,untrained]", "device=cpu")
    ended = wm_lab(tmp_path, *QUIET, *asked)
    assert ended.code == 0, ended.err
    (run,) = runs(tmp_path)
    result = json.loads((run / "result.json").read_text())
    assert result["exercise"] == "augmentation" and "data from an untrained model" in result["verdict"]
    assert set(result["numbers"]["provenance"]) == {"real_n4", "duplicated_n4", "untrained_n4_x1"}
    assert "Where the data came from" in ended.out and "mixture" in ended.out
    assert (run / "plots/augmentation.svg").stat().st_size > 0
    assert (run / "outcomes/untrained_n4_x1.json").exists()


def test_more_demonstrations_than_there_are_is_one_sentence(tmp_path):
    ended = wm_lab(tmp_path, *QUIET, "exercise=augmentation", "exercise.counts=[50]")
    assert ended.code == 2 and "asks for more than there are: demonstrations=6" in ended.complaint
    assert not (tmp_path / "outputs/store").exists()
