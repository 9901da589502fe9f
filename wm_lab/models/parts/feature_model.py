"""What all families do alike once they have features: sum up losses, wrap what was observed or imagined, decode."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from wm_lab.models.parts.heads import Heads, HeadsConfig, Roll
from wm_lab.world_model import Imagination, State, Windows, WorldModel


class FeatureModel(WorldModel):
    """A world model whose steps are features [..., F], from which shared heads predict all that others ask for."""

    config: HeadsConfig
    heads: Heads

    @property
    def exchange(self) -> bool:
        """Whether training may show things of a kind in each other's places."""
        return self.config.exchange

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return self.heads.decoder(imagination.features)

    def foresee(
        self, state: State, actions: Tensor, told: Collection[str], steps: Collection[int] | None = None
    ) -> Imagination:
        with self.heads.telling(told):
            return self.imagine(state, actions)

    def total_loss(
        self,
        terms: dict[str, Tensor],
        windows: Windows,
        roll_from: Callable[[Tensor, Tensor], Roll],
        open_loop_windows: int | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Means of unreduced terms [B, T] and the open-loop loss, summed; and each one for the log.

        `roll_from(rows [M], steps [M])` imagines from there. Where `open_loop_windows` is given, only so many windows,
        the first, are imagined.
        """
        total, logs = self.heads.total(terms, windows.valid)
        if self.config.open_loop:
            open_loop = self.heads.open_loop(windows[:open_loop_windows], roll_from)
            total, logs["open_loop"] = total + open_loop, open_loop.detach()
        return total, logs

    def observed(self, features: Tensor, windows: Windows) -> Imagination:
        """Observed steps [B, T, F] as `observe` returns them, [B, 1, T, ...]."""
        return self.heads.imagination(features[:, None], windows.action[:, None])

    def imagined(self, start: Tensor, features: Tensor, actions: Tensor) -> Imagination:
        """Imagined steps [B, N, H, F] under actions [B, N, H, A], which followed the present's features [B, F]."""
        if self.heads.ensemble is None:
            return self.heads.imagination(features, actions)
        read = features[..., : self.heads.read_size]
        start = start[:, None, None, : self.heads.read_size].expand(*actions.shape[:2], 1, -1)
        return self.heads.imagination(features, actions, torch.cat([start, read[:, :, :-1]], 2))
