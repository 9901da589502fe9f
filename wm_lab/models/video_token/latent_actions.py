"""Latent actions: a few codes for what can happen between two frames (Genie, arXiv 2402.15391, §2.1).

    code_t = FSQ(infer(o_t - o_{t-1}))       what happened; code_t and o_{t-1} together predict o_t
    p(code_t | a_t) = adapt(a_t)             what an action would do: learnt where actions are known, used to plan

Dynamics learn on the codes and never see an action. Codes are few, so they hold only what is new in a frame. Of images
they know how things moved, not where: otherwise the same motion would have another code in every place. Genie codes by
a VQ; FSQ cannot collapse. An action that was not recorded is NaN in `Windows.action`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import mlp
from wm_lab.models.parts.fsq import FSQ
from wm_lab.models.parts.images import is_image
from wm_lab.models.parts.observations import ObservationDecoder, ObservationEncoder
from wm_lab.models.video_token.config import VideoTokenConfig
from wm_lab.world_model import DataSpec, Windows

DETECTORS = 32
"""Of motion, each a patch of 8x8 pixels: as far as things go in a step, in an image of 64."""


class LatentActions(nn.Module):
    """Turns the actions of windows, [..., A] or NaN, into the codes [..., dims] that the dynamics read."""

    def __init__(self, config: VideoTokenConfig, spec: DataSpec):
        super().__init__()
        self.fsq, self.motion = FSQ(config.latent_actions.levels), MotionDetectors(spec)
        self.infer_code = mlp(self.motion.size, config.units, config.layers, self.fsq.dims)
        # Spread over all levels: codes that begin alike would stay alike.
        self.spread = nn.BatchNorm1d(self.fsq.dims, affine=False)
        self.encoder = ObservationEncoder(replace(config, points=0), spec)
        known = self.encoder.vectors.width + self.encoder.size + self.fsq.dims
        self.decoder = ObservationDecoder(config, spec, known, offset=0)
        self.adapter = mlp(spec.action_size, config.units, config.layers, self.fsq.size)
        # The linear prediction was fitted to the actions of all episodes, of which these dynamics must not know.
        self.spec = replace(spec, action_size=self.fsq.dims, linear={})

    def infer(self, windows: Windows) -> Tensor:
        """The code of what happened between the frame before and each frame: [B, T, dims], zero at the first."""
        raw = self.infer_code(self.motion(windows.observation))
        code = self.fsq(self.spread(raw.flatten(0, 1)).view_as(raw))
        return F.pad(code, (0, 0, 1, 0)) * ~windows.first[..., None]

    def adapt(self, actions: Tensor) -> Tensor:
        """What these actions [..., A] would do: the expected code [..., dims], smooth in the actions."""
        return self.fsq.expected(self.adapter(actions))

    def infer_codes(self, windows: Windows) -> tuple[Windows, dict[str, Tensor]]:
        """For training: the windows with inferred codes for actions, and the losses [B, T] of codes and adapter."""
        code = self.infer(windows)
        linked = F.pad(~windows.first[:, 1:], (1, 0))  # the frame before the first is not known
        before, after = windows[:, :-1].observation, windows[:, 1:].observation
        token, vector = self.encoder(before)
        reconstruction = F.pad(self.decoder.loss(torch.cat([vector, token, code[:, 1:]], -1), after), (1, 0))
        code = code.detach()
        logits = self.adapter(windows.action.nan_to_num()).float()
        surprise = F.cross_entropy(logits.flatten(0, 1), self.fsq.index(code).flatten(), reduction="none")
        losses = {
            "latent_actions": reconstruction * linked,
            "actions": surprise.view_as(linked) * linked * recorded(windows),
        }
        return replace(windows, action=code), losses

    def to_codes(self, windows: Windows) -> Windows:
        """For filtering: codes of recorded actions; where none was recorded, of what happened between the frames."""
        known = recorded(windows)[..., None]
        code = self.adapt(windows.action.nan_to_num())
        if not known.all():
            code = torch.where(known, code, self.infer(windows))
        return replace(windows, action=code)


class MotionDetectors(nn.Module):
    """How things moved from every step to the next: observations [B, T, ...] -> [B, T - 1, size].

    Detectors slide over the change of an image and only their strongest answers count, so a place leaves no trace.
    """

    def __init__(self, spec: DataSpec):
        super().__init__()
        self.detectors = nn.ModuleDict()
        self.units: dict[str, list[float]] = {}
        for key, shape in spec.observation.items():
            if is_image(shape):
                # No bias: where nothing moved, the answer is 0. Padding treats borders alike.
                self.detectors[key] = nn.Conv2d(3, DETECTORS, 8, 2, 7, bias=False)
            else:
                self.units[key] = spec.std_change.get(key, [1.0] * shape[0])
        self.size = DETECTORS * len(self.detectors) + sum(map(len, self.units.values()))

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        parts = [observation[key].diff(dim=1) / observation[key].new_tensor(unit) for key, unit in self.units.items()]
        for key, detect in self.detectors.items():
            change = observation[key].float().diff(dim=1).movedim(-1, -3) / 255  # [B, T - 1, 3, S, S]
            parts.append(detect(change.flatten(0, 1)).amax((-1, -2)).unflatten(0, change.shape[:2]))
        return torch.cat(parts, -1)


def recorded(windows: Windows) -> Tensor:
    """[B, T] bool, where the action is known."""
    return windows.action.isfinite().all(-1)
