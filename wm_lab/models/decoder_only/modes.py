"""What a decoder predicts beside forward dynamics: actions to take, the action taken, the next observation.

One backbone, several directions, chosen by what a token may see (Unified World Models, Zhu et al. 2025,
arXiv 2504.02792, where noise hides what attention hides here). All three heads read the outputs of *observation*
tokens, which see no action: the policy cannot repeat its own last action, and inverse dynamics cannot look up the
action that it is to infer. Beside these outputs g they read the frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Positive, Weight
from wm_lab.models.decoder_only.frame import Frame
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.flow import ActionHead
from wm_lab.world_model import Windows


@dataclass
class ModesConfig:
    """Weight of each mode's loss."""

    forward: Positive = 1.0  # observation from the past and the action: what planning imagines with
    policy: Weight = 0.25  # actions from observations
    inverse: Weight = 0.25  # an action from the observations before and after it
    video: Weight = 0.25  # observation from observations, without the action


class Predictions(NamedTuple):
    """What every mode predicts along observed steps [B, T]; observations in the task's own units."""

    forward: dict[str, Tensor]  # {key: [B, T, ...]} step t from earlier observations and the actions up to t
    video: dict[str, Tensor]  # {key: [B, T, ...]} step t + 1 from observations up to t
    inverse: Tensor  # [B, T, A] the action that led to t, from observations up to t
    policy: Tensor  # [B, T, chunk, A] actions after t, from observations up to t


class Modes(nn.Module):
    """Heads on outputs g [B, T, W] of observation tokens and on frames `frames` [B, T, R]."""

    def __init__(
        self, config: ModesConfig, frame: Frame, width: int, action_size: int, policy: ActionHead, units: int
    ) -> None:
        super().__init__()
        self.config, self.policy = config, policy
        self.inverse = mlp(width + frame.size, units, 1, action_size)
        self.video = mlp(width + frame.read_size, units, 1, frame.size)
        zero(self.video[-1])

    def infer_action(self, frame: Frame, g: Tensor, frames: Tensor) -> Tensor:
        """The action that led to each step, [B, T, A]; no frame before the first shows what led to it."""
        change = frame.change(frames[:, :-1], frames[:, 1:])
        action: Tensor = self.inverse(torch.cat([g, F.pad(change, (0, 0, 1, 0))], -1))
        return action

    def action_between(self, frame: Frame, g: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The action [..., A] that leads from one frame to another, whose output is g."""
        action: Tensor = self.inverse(torch.cat([g, frame.change(before, after)], -1))
        return action

    def next_frame(self, frame: Frame, g: Tensor, frames: Tensor) -> Tensor:
        """z one step later, without knowing the action, [B, T, Z]."""
        return frame.follow(frames, self.video(torch.cat([g, frames], -1)))

    def losses(self, frame: Frame, g: Tensor, frames: Tensor, windows: Windows, linked: Tensor) -> dict[str, Tensor]:
        """Unreduced losses [B, T]; linked [B, T] where the step before is known."""
        config, terms = self.config, {}
        error = frame.error(self.next_frame(frame, g[:, :-1], frames[:, :-1]), frames[:, 1:])
        terms["video"] = config.video * F.pad(error, (1, 0)) * linked
        difference = self.infer_action(frame, g, frames) - windows.action
        terms["inverse"] = config.inverse * difference.square().sum(-1) * linked
        chunk = self.policy.shape[0]
        ahead = windows.action[:, 1:].unfold(1, chunk, 1).transpose(-1, -2)  # [B, T - chunk, chunk, A]
        whole = (linked & windows.valid)[:, 1:].unfold(1, chunk, 1).all(-1)
        error = self.policy.loss(torch.cat([g, frames], -1)[:, :-chunk], ahead) * whole
        terms["policy"] = config.policy * F.pad(error, (0, chunk))
        return terms
