"""A JEPA whose predictor takes a block of actions at once, as those of DINO-WM and LeWM do.

    z'_{t+k} = z_t + predictor(z_t, a_t, a_{t+1..t+k}),   k = 1..block

Imagining 25 steps is five predictions in a row, not 25: errors add up over fewer of them, and a search that looks at
the last step alone pays for five. What lies within a block is predicted from where the block began, for whoever looks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wm_lab.domains import Few, Steps
from wm_lab.errors import UserError
from wm_lab.models.jepa import JEPA, JEPAConfig
from wm_lab.models.jepa.model import JEPAState, squared_error
from wm_lab.models.parts.heads import Roll
from wm_lab.world_model import DataSpec, Imagination, State, Windows


@dataclass
class BlockJEPAConfig(JEPAConfig):
    history: Few = 1  # a block departs from where it begins
    block: Steps = 5  # actions that one prediction takes in

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.history != 1:
            raise UserError(f"model.history={self.history} is more than a block departs from; set model.history=1")


@dataclass
class BlockState(JEPAState):
    began: Tensor  # [B, 1, Z + A], the moment from which the running block departs
    done: Tensor  # [B, block, A], the actions since, the first `count`
    count: Tensor  # [B] int64, fewer than a block


class BlockJEPA(JEPA):
    Config = BlockJEPAConfig
    config: BlockJEPAConfig

    taken: Tensor  # [block, block] bool: of a block, the actions taken after 1, 2, .. steps

    def __init__(self, config: BlockJEPAConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        every = torch.ones(config.block, config.block, dtype=torch.bool)
        self.register_buffer("taken", every.tril(), persistent=False)

    @property
    def predictor_inputs(self) -> int:
        action: int = self.spec.action_size
        return self.config.variables + action + self.config.block * (action + 1)

    def foresee(
        self, state: State, actions: Tensor, told: Collection[str], steps: Collection[int] | None = None
    ) -> Imagination:
        assert isinstance(state, BlockState)
        if steps is None or self.heads.say(told) or state.count.any():
            return super().foresee(state, actions, told)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        features = self._blocks(state.expand(n).began, actions.flatten(0, 1), steps).unflatten(0, (b, n))
        with self.heads.telling(told):
            return self.imagined(self._newest(state.moments), features, actions)

    def _belief(self, moments: Tensor) -> BlockState:
        none = torch.zeros(len(moments), dtype=torch.long, device=moments.device)
        done = moments.new_zeros(len(moments), self.config.block, self.spec.action_size)
        return BlockState(moments, moments, done, none)

    def _prediction_error(self, embedded: Tensor, moments: Tensor, windows: Windows) -> Tensor:
        """Of every step [B, T] from the one before, and from where a whole block before began."""
        error, block = super()._prediction_error(embedded, moments, windows), self.config.block
        if windows.shape[1] <= block:
            return error
        actions = windows.action[:, 1:].unfold(1, block, 1).transpose(-1, -2)  # [B, T - block, block, A]
        whole = ~windows.first[:, 1:].unfold(1, block, 1).any(-1)
        ahead = self._after(moments[:, :-block], actions, [block])[..., 0, :]
        return error + F.pad(squared_error(ahead, embedded[:, block:]) * whole, (block, 0))

    def _predict(self, moments: Tensor, action: Tensor) -> Tensor:
        return self._after(moments, action[..., None, :], [1])[..., 0, :]

    def _advance(self, state: JEPAState, action: Tensor) -> BlockState:
        """Goes on in the running block, whichever step of it each row has come to."""
        assert isinstance(state, BlockState)
        now = torch.arange(self.config.block, device=action.device) == state.count[:, None]  # [M, block]
        done = torch.where(now[..., None], action[:, None], state.done)
        reached = self._after_taken(state.began, done[:, None], self.taken[state.count][:, None])[:, 0]
        moment, count = torch.cat([reached, action], -1)[:, None], state.count + 1
        whole = count == self.config.block
        began = torch.where(whole[:, None, None], moment, state.began)
        return BlockState(moment, began, done * ~whole[:, None, None], count * ~whole)

    def _roll(self, state: JEPAState) -> Roll:
        assert isinstance(state, BlockState)
        if state.count.any():
            return super()._roll(state)
        return lambda actions: self._blocks(state.began, actions)

    def _blocks(self, moments: Tensor, actions: Tensor, looked_at: Collection[int] | None = None) -> Tensor:
        """Embeddings [M, H, Z] under actions [M, H, A]; of steps that nobody looks at they are blank."""
        parts, at = [], []
        for begin in range(0, actions.shape[1], self.config.block):
            block = actions[:, begin : begin + self.config.block]
            size = block.shape[1]
            counts = [k for k in range(1, size + 1) if k == size or looked_at is None or begin + k - 1 in looked_at]
            parts.append(self._after(moments, block, counts))
            at += [begin + k - 1 for k in counts]
            moments = torch.cat([parts[-1][:, -1], block[:, -1]], -1)[:, None]
        embedded = torch.cat(parts, 1)
        if len(at) == actions.shape[1]:
            return embedded
        every = embedded.new_zeros(len(actions), actions.shape[1], embedded.shape[-1])
        every[:, at] = embedded
        return every

    def _after(self, moments: Tensor, actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Embeddings [..., C, Z] after so many of the actions [..., <= block, A], from moments [..., 1, Z + A]."""
        actions = F.pad(actions, (0, 0, 0, self.config.block - actions.shape[-2]))[..., None, :, :]
        return self._after_taken(moments, actions, self.taken[[count - 1 for count in counts]])

    def _after_taken(self, moments: Tensor, actions: Tensor, taken: Tensor) -> Tensor:
        """The same after those of the actions [..., C or 1, block, A] that were taken, bool [..., C, block]."""
        taken = taken.to(actions.dtype)
        done = (actions * taken[..., None]).flatten(-2)  # [..., C, block * A]
        shape = done.shape[:-1]
        read = torch.cat([moments.expand(*shape, -1), done, taken.expand(*shape, -1)], -1)
        change: Tensor = self.predictor(read)
        return self._newest(moments)[..., None, :] + change
