"""Every episode keeps the sentence that it was told: in memory, on disk, in windows and in LeRobot's format."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.data.toy import PointTask, ScriptedPolicy
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.window_reader import WindowReader
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.hand_all import HandAllConfig, HandAllTask
from wm_lab.tasks.table import TableConfig, TableTask
from wm_lab.tasks.task import SCENE

CONFIG = DataConfig(episodes=8)
TABLE = partial(TableTask, TableConfig(observation="scene", episode_steps=12))
ALL = partial(HandAllTask, HandAllConfig(observation="scene", episode_steps=12))


@pytest.fixture(scope="module", params=[TABLE, ALL], ids=["table", "all"])
def made(request, tmp_path_factory):
    """A task of several commands, and a collection of it."""
    where = tmp_path_factory.mktemp("told") / "data"
    folder = collect(where, request.param, ExpertPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)
    return request.param(), folder


def sentences(task) -> list[str]:
    told = []
    for seed in CONFIG.seeds():
        task.reset(seed=seed)
        told.append(task.instruction)
    return told


def test_an_episode_is_kept_with_its_sentence_and_windows_point_at_it(made):
    task, folder = made
    data, told = Dataset.open(folder), sentences(task)
    assert [data.episode(index).instruction for index in range(len(data))] == told and len(set(told)) > 2
    windows = WindowReader(data, 5).read(torch.arange(8), torch.from_numpy(data.table.offset))
    assert [data.spec.instructions[number] for number in windows.instruction[:, 3]] == told


def test_the_scene_has_the_points_of_the_state_and_no_command(made):
    task, folder = made
    spec = Dataset.open(folder).spec
    count = 1 + (4 + 3 if isinstance(task, TableTask) else 3 + 1)
    assert spec.points[SCENE] == spec.points["state"] and len(spec.points[SCENE]) == count
    assert sum(at >= 0 for at in spec.present[SCENE]) == (7 if isinstance(task, TableTask) else 3)
    assert spec.observation[SCENE][0] < len(spec.mean["state"])


def test_a_task_that_is_told_one_thing_has_no_column_of_sentences(tmp_path):
    where = collect(tmp_path / "a", PointTask, ScriptedPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)
    assert not (where / "episode.instruction.npy").exists()
    assert Dataset.open(where).episode(0).instruction == PointTask().task_spec.instruction


def test_sentences_survive_a_trip_through_lerobot(made, tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("av")
    from wm_lab.formats.convert import export_dataset, import_dataset
    from wm_lab.formats.lerobot import LeRobot
    from wm_lab.formats.own import Own
    from wm_lab.formats.source import Wishes

    task, folder = made
    export_dataset(Own([folder]), tmp_path / "theirs")
    back = Dataset.open(import_dataset(LeRobot(tmp_path / "theirs", Wishes()), tmp_path / "ours"))
    assert [back.episode(index).instruction for index in range(len(back))] == sentences(task)
