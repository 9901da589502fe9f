"""What else a decoder says of the observations it has read: how one would act, what was done, what comes next.

One backbone, several directions, chosen by what a token may see (Unified World Models, Zhu et al. 2025,
arXiv 2504.02792, where noise hides what attention hides here). All three heads read the outputs of *observation*
tokens, which see no action: the policy cannot repeat its own last action, and inverse dynamics cannot look up the
action that it is to infer. Beside g they read the frames as they are.
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
    video: Weight = 0.25  # observation from observations, whatever is done


class Said(NamedTuple):
    """What every mode says along observed steps [B, T]; observations in the task's own units."""

    forward: dict[str, Tensor]  # {key: [B, T, ...]} step t from earlier observations and the actions up to t
    video: dict[str, Tensor]  # {key: [B, T, ...]} step t + 1 from observations up to t
    inverse: Tensor  # [B, T, A] the action that led to t, from observations up to t
    policy: Tensor  # [B, T, chunk, A] actions after t, from observations up to t


class Modes(nn.Module):
    """Heads on outputs g [B, T, W] of observation tokens and on frames `seen` [B, T, R]."""

    def __init__(
        self, config: ModesConfig, frame: Frame, width: int, action_size: int, policy: ActionHead, units: int
    ) -> None:
        super().__init__()
        self.config, self.policy = config, policy
        self.inverse = mlp(width + frame.size, units, 1, action_size)
        self.video = mlp(width + frame.read_size, units, 1, frame.size)
        zero(self.video[-1])

    def infer_action(self, frame: Frame, g: Tensor, seen: Tensor) -> Tensor:
        """What led to each step, [B, T, A]; nobody knows what led to the first."""
        change = frame.change(seen[:, :-1], seen[:, 1:])
        action: Tensor = self.inverse(torch.cat([g, F.pad(change, (0, 0, 1, 0))], -1))
        return action

    def next_frame(self, frame: Frame, g: Tensor, seen: Tensor) -> Tensor:
        """z one step later, whatever is done, [B, T, Z]."""
        return frame.follow(seen, self.video(torch.cat([g, seen], -1)))

    def losses(self, frame: Frame, g: Tensor, seen: Tensor, windows: Windows, linked: Tensor) -> dict[str, Tensor]:
        """Unreduced losses [B, T]; linked [B, T] where the step before is known."""
        config, terms = self.config, {}
        arrived = frame.error(self.next_frame(frame, g[:, :-1], seen[:, :-1]), seen[:, 1:])
        terms["video"] = config.video * F.pad(arrived, (1, 0)) * linked
        missed = self.infer_action(frame, g, seen) - windows.action
        terms["inverse"] = config.inverse * missed.square().sum(-1) * linked
        chunk = self.policy.shape[0]
        ahead = windows.action[:, 1:].unfold(1, chunk, 1).transpose(-1, -2)  # [B, T - chunk, chunk, A]
        whole = (linked & windows.valid)[:, 1:].unfold(1, chunk, 1).all(-1)
        error = self.policy.loss(torch.cat([g, seen], -1)[:, :-chunk], ahead) * whole
        terms["policy"] = config.policy * F.pad(error, (0, chunk))
        return terms
