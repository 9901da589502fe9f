"""data=recorded on the command line: one word chooses the task that only describes, and refuses what must play."""

from __future__ import annotations

import json

import pytest

from tests.entry.command import SMALL, artifacts, runs, wm_lab

pytestmark = pytest.mark.slow

RECORDED = (*SMALL[:3], "data=recorded", "data.validation_fraction=0.3")


def test_a_dataset_alone_is_enough_to_train_and_judge_a_model(lab, tmp_path):
    (collection,) = (lab.folder / "outputs/store/dataset").glob("hand-reach-*")
    asked = (f"data.path={collection}", "exercise.resamples=100")
    ended = wm_lab(tmp_path, *RECORDED, "exercise=imagination", *asked)
    assert ended.code == 0, ended.err
    result = json.loads((runs(tmp_path)[0] / "result.json").read_text())
    assert result["labels"]["task"] == "recorded" and result["task"] == "hand/reach"
    assert not artifacts(tmp_path, "dataset"), "nothing was collected"


def test_planning_on_a_recording_is_refused_in_one_sentence(lab, tmp_path):
    (collection,) = (lab.folder / "outputs/store/dataset").glob("hand-reach-*")
    ended = wm_lab(tmp_path, *RECORDED, "exercise=planning", f"data.path={collection}")
    assert ended.code == 2 and "hand/reach is a recording without a simulator" in ended.complaint
    assert not runs(tmp_path) or not artifacts(tmp_path, "model")
