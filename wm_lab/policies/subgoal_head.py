"""What demonstrations say of a moment: where it will have led to a little later, and how long it still takes.

    p(z_{t+k} | z_t)   a flow over the numbers that sub-goals tell, the "world model" of SuSIE (Black et al. 2023,
                       arXiv 2310.10639) on states: several ways to go on are several sub-goals, and no mean of them
    V(z_t)             minus the steps that were left, the mean of an ensemble whose spread is its doubt

A state of which the demonstrations know nothing is told apart by how far it lies from the nearest that they showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Amount, Batch, Depth, Few, ShareBelowOne, Steps, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.blocks import mlp
from wm_lab.models.parts.flow import FlowHead
from wm_lab.policies.frame_encoder import FrameEncoder
from wm_lab.world_model import DataSpec, Trainable, Windows

KNOWN = 4096
"""Moments of demonstrations that are kept, to tell what was never seen."""


@dataclass
class SubgoalHeadConfig:
    steps: Steps = 10  # k: that a sub-goal lies ahead
    hidden: Width = 256  # units of each layer
    layers: Depth = 3  # hidden layers
    dropout: ShareBelowOne = 0.1  # between them: few demonstrations are soon known by heart
    flow_steps: Few = 10  # of the integration that draws sub-goals
    members: Few = 5  # of the ensemble that tells the steps to go
    pairs: Batch = 64  # of a moment and a later one, in each window
    fine: bool = False  # sees gaps between points to the millimetre, too
    untold: list[Amount] = field(default_factory=list)  # numbers of the state that goals do not tell; filled in


class SubgoalHead(Trainable):
    """Reads single states, all of them with their task's goal; `loss` wants windows that hold whole episodes."""

    Config = SubgoalHeadConfig
    config: SubgoalHeadConfig
    REVISION: ClassVar[int] = 1
    told: Tensor
    move: Tensor
    known: Tensor
    longest: Tensor
    std: Tensor

    def __init__(self, config: SubgoalHeadConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        size = spec.observation["state"][0]
        told = torch.tensor(spec.changes.get("state", [True] * size), dtype=torch.bool)
        told[config.untold] = False
        self.register_buffer("told", told.nonzero()[:, 0], persistent=False)
        self.register_buffer("std", torch.tensor(spec.std["state"]), persistent=False)
        self.register_buffer("move", torch.ones(len(self.told)))  # typical change in k steps
        self.register_buffer("known", torch.zeros(KNOWN, size))
        self.register_buffer("longest", torch.ones(()))
        self.encoder = FrameEncoder(spec, 0, config.fine)
        width, layers = self.encoder.size, []
        self.values = nn.ModuleList(mlp(width, config.hidden // 2, 2, 1) for _ in range(config.members))
        for _ in range(config.layers):
            layers += [nn.Linear(width, config.hidden), nn.LayerNorm(config.hidden), nn.SiLU()]
            layers += [nn.Dropout(config.dropout)] if config.dropout else []
            width = config.hidden
        self.trunk = nn.Sequential(*layers)
        self.flow = FlowHead(width, 1, len(self.told), config.hidden, 2, config.flow_steps)

    def prepare(self, episodes: Sequence[Tensor]) -> None:
        """What is computed once of all training episodes, [T, D] each; UserError where none has so many steps."""
        k = self.config.steps
        moved = [part[k:] - part[:-k] for part in episodes if len(part) > k]
        if not moved:
            raise UserError(f"exercise.subgoals.steps={k} reaches beyond every demonstration to train on; lower it")
        moves = torch.cat(moved)[:, self.told]
        self.move.copy_(moves.square().mean(0).sqrt().clamp_min(1e-6))
        every = torch.cat(list(episodes))
        self.known.copy_(every[torch.linspace(0, len(every) - 1, KNOWN).long()])  # some twice, where there are fewer
        self.longest.fill_(float(max(len(part) for part in episodes) - 1))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Of moments drawn at random: where they led to, no later than where their episode ends, and when that was."""
        states, ends = windows.observation["state"], windows.valid.sum(1)
        rows = torch.arange(len(ends), device=ends.device).repeat_interleave(self.config.pairs)
        last = ends[rows] - 1
        now = (torch.rand(len(rows), device=ends.device) * ends[rows]).long().minimum(last)
        later = torch.minimum(now + self.config.steps, last)
        here = states[rows, now]
        seen = self.encoder({"state": here})
        moved = (states[rows, later] - here)[:, self.told] / self.move
        flow = self.flow.loss(self.trunk(seen), moved[:, None]).mean()
        left = (last - now) / self.longest
        errors = [F.huber_loss(net(seen)[:, 0], left, delta=0.1, reduction="none") for net in self.values]
        # Each member sees its own two thirds of the moments, or they would agree on everything.
        shares = torch.rand(len(errors), len(rows), device=ends.device) < 2 / 3
        value = (torch.stack(errors) * shares).sum() / shares.sum().clamp_min(1)
        return flow + 10 * value, {"loss": (flow + 10 * value).detach(), "flow": flow.detach(), "left": value.detach()}

    def draw(self, states: Tensor, noise: Tensor) -> Tensor:
        """States [R, M, D] that may be reached from states [R, D]; noise: [R, M, told], standard normal."""
        seen = self.trunk(self.encoder({"state": states}))[:, None].expand(-1, noise.shape[1], -1)
        moved = self.flow(seen, noise[:, :, None])[:, :, 0]
        there = states[:, None].repeat(1, noise.shape[1], 1)
        there[..., self.told] += self.move * moved
        return there

    def left(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Steps to the end of a demonstration from states [..., D], and the ensemble's deviation: [...] each."""
        seen = self.encoder({"state": states})
        every = self.longest * torch.stack([net(seen)[..., 0] for net in self.values])
        return every.mean(0), every.std(0, correction=0)

    def strange(self, states: Tensor) -> Tensor:
        """How far states [..., D] are from the nearest demonstrated one: root mean square of what is told, in
        deviations."""
        measured = (states[..., self.told] / self.std[self.told]).reshape(-1, len(self.told))
        known = self.known[:, self.told] / self.std[self.told]
        nearest: Tensor = torch.cdist(measured, known).amin(-1) / len(self.told) ** 0.5
        return nearest.view(states.shape[:-1])
