"""What cannot fit into memory is refused before it is built."""

from __future__ import annotations

import re
import time

import pytest
import torch
from torch import nn

from tests.entry.command import QUIET, wm_lab
from wm_lab.experiment.memory import memory, weights


def test_weights_are_counted_without_being_made():
    assert weights(lambda: nn.Linear(10, 3), 100) == 33
    assert weights(lambda: nn.Linear(2**20, 2**20), 100) == 2**40
    assert memory(torch.device("cpu")) > 2**28


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model.hidden=65536", "model.units=65536", "model.layers=256"), "model=rssm takes at least .* GiB"),
        (("bc.hidden=65536", "bc.layers=256"), "bc takes at least"),
        (("planner.candidates=131072", "planner.horizon=100000"), "planner.candidates=131072 takes at least"),
        (("trainer.batch=131072", "trainer.length=100000"), "trainer.batch=131072 takes at least"),
    ],
)
def test_what_cannot_fit_is_refused_at_once(tmp_path, words, sentence):
    began = time.process_time()
    ended = wm_lab(tmp_path, *QUIET, *words)
    assert ended.code == 2 and not any(tmp_path.iterdir())
    assert re.search(sentence, ended.complaint), ended.complaint
    assert time.process_time() - began < 5
