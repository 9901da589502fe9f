"""Two processes train what one would, and when one of them fails the other says so."""

from __future__ import annotations

import multiprocessing

import pytest
import torch

from tests.training.examples import Line, LineConfig, point_data, small, trainer
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.training.checkpoint import read
from wm_lab.training.distributed import require_devices
from wm_lab.training.trainer import BEST, LAST, train

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """As sudden as SIGKILL: nothing in the loop may expect it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    return point_data(tmp_path_factory.mktemp("data") / "points")


@pytest.fixture
def nobody_stays():
    """Fails the test that leaves a process of its own behind; those of earlier tests are not its business."""
    before = set(multiprocessing.active_children())
    yield
    assert not set(multiprocessing.active_children()) - before


def test_two_processes_learn_what_one_learns_from_the_same_batches(tmp_path, data):
    told: list[list[dict]] = []
    kept = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        told.append([])
        config = trainer(devices=devices, batch=8, validate=40, learning_rate=0.05)
        train(Line(LineConfig(), data.spec), data, config, folder, 0, log=lambda step, logs: told[-1].append({**logs}))
        kept.append(read(folder / BEST)["weights"]["weight"])
    assert [len(rows) for rows in told] == [40, 40]
    assert {logs.pop("windows") for logs in told[0]} == {8.0} and {logs.pop("windows") for logs in told[1]} == {4.0}
    for one, two in zip(*told, strict=True):
        assert one == pytest.approx(two, rel=1e-4)
    assert told[0][-1]["loss"] < 0.5 * told[0][0]["loss"]
    torch.testing.assert_close(*kept, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("nobody_stays")
def test_two_processes_that_were_killed_end_with_the_bits_of_two_that_were_left_alone(tmp_path, data):
    config = trainer(devices=2, steps=12, validate=12, save_seconds=0.0)

    def kill(step: int, logs) -> None:
        if step == 9:
            raise Killed

    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    train(small("rssm", data.spec), data, config, tmp_path / "whole", 3)
    with pytest.raises(Killed):
        train(small("rssm", data.spec), data, config, tmp_path / "resumed", 3, log=kill)
    assert read(tmp_path / "resumed" / LAST)["step"] == 8
    train(small("rssm", data.spec), data, config, tmp_path / "resumed", 3)
    whole, resumed = (read(tmp_path / name / LAST) for name in ("whole", "resumed"))
    for part in ("model", "average"):
        assert all(torch.equal(whole[part][key], resumed[part][key]) for key in whole[part]), part


@pytest.mark.usefixtures("nobody_stays")
@pytest.mark.parametrize(
    ("fails", "error", "words"),
    [
        ("nan", FloatingPointError, "not finite at step 2"),
        ("raise", RuntimeError, "process 2 of 2 of the training failed: ValueError: a part is missing"),
        ("die", UserError, r"process 2 of 2 of the training died \(SIGKILL\)"),
    ],
)
def test_what_goes_wrong_in_the_other_process_is_told_and_nobody_is_left_waiting(tmp_path, data, fails, error, words):
    with pytest.raises(error, match=words):
        train(Line(LineConfig(fails), data.spec), data, trainer(devices=2), tmp_path, 0)
    assert not torch.distributed.is_initialized()


def test_devices_that_this_process_cannot_have_are_refused(monkeypatch):
    with pytest.raises(UserError, match=r"trainer\.batch=4 cannot be shared by trainer\.devices=3"):
        trainer(devices=3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_devices(2, torch.device("cuda"), "trainer.devices")
    with pytest.raises(UserError, match=r"trainer\.devices=3 exceeds the 2 GPUs"):
        require_devices(3, torch.device("cuda"), "trainer.devices")
    with pytest.raises(UserError, match=r"device=cuda:1 is a single one"):
        require_devices(2, torch.device("cuda:1"), "trainer.devices")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match=r"torchrun started 4 processes.*trainer\.devices=4"):
        require_devices(1, torch.device("cpu"), "trainer.devices")
