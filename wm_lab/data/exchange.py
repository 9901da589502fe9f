"""Things of a kind in each other's places: the same episode, had the red block been the green one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wm_lab.world_model import Windows


class Exchange:
    """Shuffles, in each window of a batch, what stands in the slots of things that are alike.

    alike: groups of things, each thing the indices of its numbers in the state (`TaskSpec.alike`).
    """

    def __init__(self, alike: Sequence[Sequence[Sequence[int]]], size: int) -> None:
        """size: D, numbers of the state"""
        self._size = size
        self._groups = [torch.tensor(group) for group in alike]  # [K things, C numbers] each

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Where each number of the states of each window is to be taken from: [batch, D] indices."""
        source = torch.arange(self._size).repeat(batch, 1)
        for slots in self._groups:
            order = torch.rand(batch, len(slots), generator=generator).argsort(-1)
            source[:, slots.flatten()] = slots[order].flatten(1)
        return source

    @staticmethod
    def exchanged(windows: Windows, source: Tensor) -> Windows:
        """The windows [B, T], with source [B, D]; an observation of fewer numbers is the beginning of the state."""
        for key, vector in windows.observation.items():
            index = source[:, None, : vector.shape[-1]].expand_as(vector)
            windows.observation[key] = vector.gather(-1, index)
        return windows
