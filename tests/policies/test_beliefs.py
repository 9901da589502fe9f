"""What an episode asks for reaches a model that reads instructions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.policies.linear_world import LinearModel
from wm_lab.errors import UserError
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import Moment
from wm_lab.world_model import State, Windows


class Listener(LinearModel):
    """Remembers what it was told."""

    instructed = True

    def __init__(self) -> None:
        super().__init__()
        self.spec.instructions.extend(["Come.", "Go."])
        self.told: list[list[int]] = []

    def observe(self, windows: Windows, state: State | None = None):
        assert windows.instruction is not None
        self.told.append(windows.instruction.tolist())
        return super().observe(windows, state)


def asking(instruction: str) -> SimpleNamespace:
    return SimpleNamespace(instruction=instruction)


def moment(rows: list[int]) -> Moment:
    count = len(rows)
    state = {"state": np.zeros((count, 2), np.float32)}
    return Moment(np.array(rows), state, np.zeros((count, 1), np.float32), np.ones(count, bool))


def test_each_row_is_given_the_instruction_of_its_own_task():
    model = Listener()
    beliefs = Beliefs(model, 3)
    for row, sentence in enumerate(["Go.", "Come.", "Go."]):
        beliefs.reset(row, asking(sentence))
    beliefs.update(moment([0, 1, 2]))
    beliefs.update(moment([2, 1]))
    assert model.told == [[[1], [0], [1]], [[1], [0]]]


def test_an_instruction_that_the_model_was_not_trained_on_is_refused():
    with pytest.raises(UserError, match=r"not trained on the instruction 'Dance.', but on 'Come.', 'Go.'"):
        Beliefs(Listener(), 1).reset(0, asking("Dance."))


def test_a_model_without_language_needs_no_instruction():
    beliefs = Beliefs(LinearModel(), 1)
    beliefs.reset(0, asking("Dance."))
    beliefs.update(moment([0]))
    assert torch.equal(beliefs.instruction, torch.zeros(1, dtype=torch.long))
