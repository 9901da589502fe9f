"""Things of a kind stand in each other's places, in whole windows, and all else is as it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from tests.data.toy import ConstantPolicy, PointConfig, PointTask
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.exchange import Exchange
from wm_lab.data.windows import WindowSampler
from wm_lab.tasks.task import TaskSpec

CONFIG = DataConfig(episodes=20)
ALIKE = (((0, 2), (1, 3)),)
"""The toy's state is x, y of the point, x, y of its goal and a clock: what is of x, exchanged for what is of y."""


@dataclass
class TwinConfig(PointConfig):
    observation: list[str] = field(default_factory=lambda: ["state"])


class TwinTask(PointTask):
    """Neither axis is special."""

    Config = TwinConfig

    def __init__(self, config: TwinConfig | None = None) -> None:
        super().__init__(config or TwinConfig())
        self.task_spec = replace(self.task_spec, alike=ALIKE)


class SeeingTwin(TwinTask):
    def __init__(self) -> None:
        super().__init__(TwinConfig(observation=["state", "pixels"]))


def collected(folder: Any, task: type) -> Dataset:
    arguments = CONFIG.seeds(0), CONFIG.exploration()
    return Dataset.open(collect(folder, task, ConstantPolicy, *arguments, round_number=0, workers=1))


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> Dataset:
    return collected(tmp_path_factory.mktemp("twins"), TwinTask)


def states(dataset: Dataset, **options: Any) -> tuple[torch.Tensor, WindowSampler]:
    sampler = WindowSampler(dataset, "train", 64, 5, seed=3, **options)
    return sampler.sample().observation["state"], sampler


def test_each_window_is_exchanged_as_a_whole_and_each_order_is_as_frequent(twins):
    plain, _ = states(twins)
    shown, _ = states(twins, exchange=True)
    swapped = plain[..., [1, 0, 3, 2, 4]]
    same, other = ((shown == of).flatten(1).all(1) for of in (plain, swapped))
    assert (same ^ other).all()
    assert 16 < int(other.sum()) < 48, "of 64, by a fair coin"


def test_all_orders_of_three_are_drawn(twins):
    source = Exchange([[[0, 5], [1, 4], [2, 3]]], 6).draw(600, torch.Generator().manual_seed(0))
    counts = {order: int((source[:, :3] == torch.tensor(order)).all(1).sum()) for order in permutations(range(3))}
    assert sum(counts.values()) == 600 and min(counts.values()) > 60
    partner = {0: 5, 1: 4, 2: 3}
    assert all([partner[int(at)] for at in row[:3]] == row[[5, 4, 3]].tolist() for row in source)


def test_a_shared_batch_and_a_stream_that_goes_on_are_exchanged_alike(twins):
    whole, sampler = states(twins, exchange=True)
    half = WindowSampler(twins, "train", 64, 5, seed=3, exchange=True).sample(slice(32, 64)).observation["state"]
    assert torch.equal(half, whole[32:])
    later = WindowSampler(twins, "train", 64, 5, seed=9, exchange=True)
    later.load_state_dict(sampler.state_dict())
    assert torch.equal(later.sample().observation["state"], sampler.sample().observation["state"])


def test_where_images_tell_things_apart_or_nothing_is_alike_windows_stay_as_they_are(tmp_path, twins):
    seeing, point = collected(tmp_path / "seeing", SeeingTwin), collected(tmp_path / "point", PointTask)
    for dataset in (seeing, point):
        assert dataset.alike == []
        assert torch.equal(states(dataset)[0], states(dataset, exchange=True)[0])
    assert twins.alike == [[[0, 2], [1, 3]]]


def test_a_task_says_it_in_its_data_and_data_that_say_nothing_are_read(twins):
    told = json.loads(json.dumps(asdict(TwinTask().task_spec)))
    assert TaskSpec.from_dict(told) == TwinTask().task_spec
    del told["alike"]
    assert TaskSpec.from_dict(told) == PointTask().task_spec
    assert np.array(twins.task_spec["alike"]).tolist() == np.array(ALIKE).tolist()
