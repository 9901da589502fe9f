"""Behaviour cloning: from the last few observations to the next few actions, learned on demonstrations.

How actions come out is a choice: one number each (regression), the likeliest of many bins (tokens, as RT-2), or a draw
from all that was done in such a place (flow matching, as π0). A regression averages two ways to act into none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wm_lab.domains import Depth, Few, Share, ShareBelowOne, Steps, Width
from wm_lab.errors import UserError, unknown
from wm_lab.models.parts.action_tokens import TokenHead, TokensConfig
from wm_lab.models.parts.flow import ActionHead, FlowHead
from wm_lab.models.parts.sentences import SentenceEncoder
from wm_lab.policies.frame_encoder import FrameEncoder
from wm_lab.policies.told import ToldEncoder
from wm_lab.world_model import DataSpec, Trainable, Windows

HEADS = ("regression", "tokens", "flow")

FIRST = 3
"""Modules of the first layer, which a sentence turns up and down: linear, norm, nonlinearity."""

HUBER = 0.1
"""Errors above this count linearly: a demonstrator's rare jump must not outweigh the precise moves around it."""

PLAYING: Mapping[str, float] = {"execute": 1, "temporal_average": 0.0}
"""Options of how chunks are played, which change no training: one net serves all, and its checkpoint holds these."""


@dataclass
class BehaviourCloningConfig:
    history: Steps = 2  # observations seen; two show velocity
    chunk: Few = 4  # actions predicted at once (ACT, Zhao et al. 2023)
    execute: Steps = 2  # of them executed before predicting anew; 1: it may wait for ever where its demonstrator paused
    temporal_average: Share = 0.0  # ACT's temporal ensembling: weight this^k of a prediction k steps old; 0: off
    hidden: Width = 256  # units of each layer
    layers: Depth = 3  # hidden layers
    dropout: ShareBelowOne = 0.1  # without it the clone of few demonstrations fails once it leaves their states
    image_features: Width = 128  # size of each image's embedding
    fine: bool = False  # sees gaps between points and their moves to the millimetre, too: for precise tasks
    action_head: str = "regression"  # how actions come out: regression, tokens (bins) or flow (flow matching)
    tokens: TokensConfig = field(default_factory=TokensConfig)  # with action_head=tokens
    flow_steps: Few = 10  # of the integration that draws actions, with action_head=flow

    language: bool = False  # it is told what to do: reads the sentence of the episode
    sentence_width: Width = 64  # size of a sentence's embedding, with language=true

    LATER: ClassVar[tuple[str, ...]] = ("action_head", "tokens", "flow_steps", "language", "sentence_width")

    @classmethod
    def played(cls, section: Mapping[str, Any]) -> Self:
        """How chunks are played, as a section says; of the other options it has the defaults."""
        return cls(**{option: section[option] for option in ("chunk", *PLAYING) if option in section})

    def __post_init__(self) -> None:
        if self.action_head not in HEADS:
            raise unknown("bc.action_head", self.action_head, HEADS)
        if self.execute > self.chunk:
            raise UserError(f"bc.execute={self.execute} exceeds bc.chunk={self.chunk}; lower execute or raise chunk")
        if self.temporal_average and self.execute > 1:
            raise UserError(
                f"bc.temporal_average averages predictions made at every step, but bc.execute={self.execute}; "
                "set bc.execute=1, or bc.temporal_average=0"
            )


class BehaviourCloning(Trainable):
    """Built and trained like a world model: `BehaviourCloning(config, spec)` and `loss(windows)`.

    Past actions are not among the inputs: a policy that sees them learns to repeat them (de Haan et al. 2019).
    """

    Config = BehaviourCloningConfig
    REVISION: ClassVar[int] = 1

    def __init__(self, config: BehaviourCloningConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.sentences: SentenceEncoder | None = None
        if config.language:
            self.sentences = SentenceEncoder(spec.instructions, config.sentence_width)
            self.encoder: FrameEncoder = ToldEncoder(spec, config.image_features, config.sentence_width)
        else:
            self.encoder = FrameEncoder(spec, config.image_features, config.fine)
        width, layers = config.history * self.encoder.size + (config.history - 1) * self.encoder.move_size, []
        width += self.told_size
        for _ in range(config.layers):
            layers += [nn.Linear(width, config.hidden), nn.LayerNorm(config.hidden), nn.SiLU()]
            layers += [nn.Dropout(config.dropout)] if config.dropout else []
            width = config.hidden
        if config.action_head == "regression":
            layers.append(nn.Linear(width, config.chunk * spec.action_size))
        self.head = nn.Sequential(*layers)
        self.film = nn.Linear(config.sentence_width, 2 * config.hidden) if config.language else None
        self.actions = self._action_head(width)

    @property
    def observation_keys(self) -> tuple[str, ...]:
        return tuple(self.spec.observation)

    @property
    def told_size(self) -> int:
        """How many numbers it reads beside what it has seen."""
        return 0

    def number(self, instruction: str) -> int:
        """What stands for this sentence where it is told; 0 for a policy that is not."""
        return 0 if self.sentences is None else self.sentences.number(instruction)

    def forward(self, history: Mapping[str, Tensor], noise: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """The next actions [..., chunk, A] in [-1, 1]; history: {key: [..., history, *shape]}, oldest first.

        noise: standard normal of the actions' shape, which decides where several would do; None: none of it
        told: numbers of sentences [...] int64 (`number`); None: the first one
        """
        sentence = None
        if self.sentences is not None:
            key, value = next(iter(history.items()))
            lead = value.shape[: -len(self.spec.observation[key]) - 1]
            told = torch.zeros(lead, dtype=torch.long, device=value.device) if told is None else told
            sentence = self.sentences(told)
        condition = self.read(history, sentence)
        noise = condition.new_zeros(*condition.shape[:-1], *self.actions.shape) if noise is None else noise
        chunks: Tensor = self.actions(condition, noise)
        return chunks.clamp(-1, 1)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Error of the chunks that follow every step of windows [B, T], where past and future are known."""
        c, (_, steps) = self.config, windows.shape
        device = windows.action.device
        now = torch.arange(steps, device=device)
        start = torch.where(windows.first, now, -1).cummax(dim=1).values  # [B, T] of the episode; -1: before the window

        sentence = None
        if self.sentences is not None:
            told = windows.instruction
            sentence = self.sentences(torch.zeros_like(windows.first, dtype=torch.long) if told is None else told)
        frames, points = self._look(windows.observation, sentence)  # [B, T, E], [B, T, P, 3]
        lags = now[:, None] + torch.arange(1 - c.history, 1, device=device)  # [T, history]
        history = torch.maximum(lags[None], start.clamp_min(0)[..., None])  # the first observation repeats
        batch = torch.arange(len(frames), device=device)[:, None, None]
        condition = self._condition(frames[batch, history], points[batch, history], sentence)  # [B, T, C]
        past_known = (start >= 0) | (now >= c.history - 1)

        ahead = now[:, None] + torch.arange(1, c.chunk + 1, device=device)  # [T, chunk]
        inside, ahead = ahead < steps, ahead.clamp(max=steps - 1)
        same_episode = start[:, ahead] == start[..., None]
        mask = inside & windows.valid[:, ahead] & same_episode & (past_known & windows.valid)[..., None]

        target = windows.action[:, ahead]  # [B, T, chunk, A]
        return self.error(condition, target, mask[..., None].expand_as(target).to(target.dtype))

    def error(self, condition: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighed mean error of what is made of conditions [..., C], and what is logged of it; chunks [..., A]."""
        total = weight.sum().clamp_min(1)
        unit = HUBER if isinstance(self.actions, HuberHead) else 1.0
        loss = (weight * self.actions.errors(condition, target)).sum() / (unit * total)
        with torch.no_grad():
            predicted = self.actions(condition, torch.zeros_like(target))
            error = (weight * (predicted.clamp(-1, 1) - target).abs()).sum() / total
        return loss, {"loss": loss.detach(), "action_error": error}

    def read(self, history: Mapping[str, Tensor], sentence: Tensor | None) -> Tensor:
        """What actions are made of, [..., C]; history: {key: [..., history, *shape]}; sentence: [..., W]"""
        each = (
            None if sentence is None else sentence[..., None, :].expand(*sentence.shape[:-1], self.config.history, -1)
        )
        return self._condition(*self._look(history, each), sentence)

    def _look(self, observation: Mapping[str, Tensor], sentence: Tensor | None) -> tuple[Tensor, Tensor]:
        """Frames [..., E] and the points in them [..., P, 3], under sentences [..., W]."""
        if isinstance(self.encoder, ToldEncoder):
            assert sentence is not None
            return self.encoder.look(observation, sentence)
        return self.encoder(observation), self.encoder.points(observation)

    def _condition(self, frames: Tensor, points: Tensor, sentence: Tensor | None, *more: Tensor) -> Tensor:
        """What actions are made of, [..., C].

        frames: [..., history, E] as encoded; points: of these, [..., P, 3]; sentence: [..., W]; more: what else there
        is to read, [..., told_size] together
        """
        seen = torch.cat([frames.flatten(-2), self.encoder.moves(points), *more], dim=-1)
        if self.film is None or sentence is None:
            condition: Tensor = self.head(seen)
            return condition
        scale, base = self.film(sentence).chunk(2, dim=-1)
        told: Tensor = self.head[FIRST:](self.head[:FIRST](seen) * (1 + scale) + base)
        return told

    def _action_head(self, width: int) -> ActionHead:
        config, actions = self.config, self.spec.action_size
        match config.action_head:
            case "tokens":
                return TokenHead(width, config.chunk, actions, config.hidden, 0, config.tokens)
            case "flow":
                return FlowHead(width, config.chunk, actions, config.hidden, 2, config.flow_steps)
            case _:
                return HuberHead(config.chunk, actions)


class HuberHead(ActionHead):
    """The condition is the chunk: what the last layer says."""

    def errors(self, condition: Tensor, actions: Tensor) -> Tensor:
        return F.huber_loss(condition.unflatten(-1, self.shape), actions, reduction="none", delta=HUBER)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        chunk: Tensor = condition.unflatten(-1, self.shape)
        return chunk
