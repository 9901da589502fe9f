"""Goals that nobody saw: where a world model thinks that what was done leads.

An executor that is told imagined sub-goals should have learned from goals that are wrong in the same way. So what was
done keeps its label, and where it led to is told as the model would have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wm_lab.world_model import Windows, WorldModel

CONTEXT = 5
"""Observed steps that the model believes something by, before it imagines."""


class ImaginedGoals:
    """Imagines from any moment of an episode to a later one, under the actions in between."""

    def __init__(self, model: WorldModel, sentences: Sequence[str]) -> None:
        """model: reads and decodes states; sentences: those that windows count"""
        self._model, self._sentences = model.eval(), sentences

    @torch.no_grad()
    def __call__(self, windows: Windows, rows: Tensor, now: Tensor, later: Tensor) -> Tensor:
        """States [M, D] at the moments `later` [M] of the episodes `rows` [M], as imagined at the moments `now` [M]."""
        rows, device = rows[:, None], rows.device
        # Before an episode's first step there is that step again, which begins it anew.
        before = (now[:, None] + torch.arange(1 - CONTEXT, 1, device=device)).clamp_min(0)
        belief = self._model.encode(self._model.told(windows[rows, before], self._sentences))
        steps = torch.arange(1, int((later - now).max()) + 1, device=device)
        after = (now[:, None] + steps).clamp_max(windows.shape[1] - 1)
        imagined = self._model.imagine(belief, windows.action[rows, after].nan_to_num()[:, None])
        at = torch.arange(len(now), device=device), 0, later - now - 1
        arrived = imagined.map(lambda part: part[at][:, None, None])
        return self._model.decode(arrived)["state"][:, 0, 0].float()
