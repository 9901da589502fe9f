"""What one planning call returns, and what the next one starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass
class Plan:
    """Plans of B environments. Every tensor leads with `B`; all methods return a changed copy.

    actions: [B, H, A] the chosen sequences, within the planner's bounds
    score: [B] the score of `actions`; -inf where it has none
    mean: [B, K, A] the search's final mean in knots, where the next search starts
    std: [B, K, A] its final standard deviation; NaN where nothing was searched. For diagnosis only: every search starts
        at `std_init`, since a warm-started, collapsed distribution could not react to new observations
    elites: [B, E, K, A] the final elites in knots, best first; they may join the next search
    elite_scores: [B, E] their scores; -inf marks an empty place. Far above `score`: the search exploits its model
    failed: [B] bool, no candidate had a finite score, so `actions` are the mean the search started from
    block: steps for which a knot is held
    """

    actions: Tensor
    score: Tensor
    mean: Tensor
    std: Tensor
    elites: Tensor
    elite_scores: Tensor
    failed: Tensor
    block: int

    def shift(self, steps: int) -> Self:
        """The same plans seen `steps` steps later, the last action held at the end.

        Exact where `steps` is a multiple of the block; otherwise knots average what they now cover.
        """
        horizon = self.actions.shape[-2]
        later = (torch.arange(horizon, device=self.actions.device) + steps).clamp(max=horizon - 1)

        def move(knots: Tensor) -> Tensor:
            return to_knots(to_steps(knots, horizon, self.block)[..., later, :], self.block)

        return replace(self, actions=self.actions[:, later], mean=move(self.mean), elites=move(self.elites))

    def reset(self, rows: Any) -> Self:
        """`rows` (mask or indices) are blank again (see `Planner.blank`); the other rows are untouched."""
        blank = {"score": -torch.inf, "elite_scores": -torch.inf, "std": torch.nan}

        def clear(name: str) -> Tensor:
            value: Tensor = getattr(self, name).clone()
            value[rows] = blank.get(name, 0)
            return value

        return self._change(clear)

    def put(self, rows: Any, other: Plan) -> Self:
        """`rows` (mask or indices) hold the plans of `other`; the other rows are untouched."""

        def write(name: str) -> Tensor:
            value: Tensor = getattr(self, name).clone()
            value[rows] = getattr(other, name)
            return value

        return self._change(write)

    def __getitem__(self, rows: Any) -> Self:
        """Some rows: `plan[mask]`, `plan[indices]`."""
        return self._change(lambda name: getattr(self, name)[rows])

    def to(self, device: torch.device | str) -> Self:
        return self._change(lambda name: getattr(self, name).to(device))

    def _change(self, change: Callable[[str], Tensor]) -> Self:
        changed: dict[str, Any] = {f.name: change(f.name) for f in fields(self) if f.name != "block"}
        return replace(self, **changed)


def to_steps(knots: Tensor, horizon: int, block: int) -> Tensor:
    """Each knot held for `block` steps: [..., K, A] -> [..., H, A]; the last knot may be cut short."""
    if block == 1:
        return knots
    return knots.repeat_interleave(block, dim=-2)[..., :horizon, :]


def to_knots(actions: Tensor, block: int) -> Tensor:
    """The mean action of every block: [..., H, A] -> [..., K, A]; inverse of `to_steps` for what it made."""
    if block == 1:
        return actions
    return torch.stack([piece.mean(dim=-2) for piece in torch.split(actions, block, dim=-2)], dim=-2)
