"""A world model that draws the next frame out of noise, given the last ones and the action.

DIAMOND (Alonso et al. 2024, arXiv 2405.12399), and the same for state vectors:

    x_{t+1} = prediction(x_t, a_t) + unit * y   y ~ denoiser(noise; x_{t-k+1..t}, a_t)   reward and end from x_{t+1}
    loss = denoising (EDM) + reward + continue + open loop

There is no latent: a frame x is what is observed, normalised vectors and pixels in [-1, 1]. What is diffused is how it
departs from a prediction, the linear one for vectors and "as before" for an image, in units of typical one-step
changes. Vectors come first, from an MLP, and tell the U-Net where the robot will be in the image. Where only images are
observed, which show no velocity, heads read the previous action beside a frame's features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wm_lab.errors import UserError
from wm_lab.models.parts.blocks import mlp
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.heads import Heads, Roll, loss_of_a_share
from wm_lab.models.parts.images import ImageEncoder, images_alone
from wm_lab.models.video_diffusion.config import VideoDiffusionConfig
from wm_lab.models.video_diffusion.next_frame import NextImage, NextVector
from wm_lab.models.video_diffusion.raw_frames import RawFrames
from wm_lab.world_model import DataSpec, Imagination, State, Windows

ROWS = 64
"""Futures of images that a CPU imagines side by side: 1,024 of them cost half as much again each."""


@dataclass
class FramesState(State):
    frames: Tensor  # [B, k, Z], the newest last; an episode's first frame stands for those before it
    action: Tensor  # [B, A], the previous action
    features: Tensor  # [B, R] of the newest, as networks read it


class VideoDiffusion(FeatureModel):
    Config = VideoDiffusionConfig
    config: VideoDiffusionConfig
    REVISION = 3

    def __init__(self, config: VideoDiffusionConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        frames = RawFrames(spec, config.min_step_std, config.image_scale)
        self.encoder: nn.Module | None = None
        size = frames.vectors.read_size
        if frames.image_key is not None:
            image_encoder = ImageEncoder(spec, frames.image_key, config.depth, config.points)
            self.encoder = nn.Sequential(image_encoder, mlp(image_encoder.size, config.units, 1))
            size += config.units
        self.vector = NextVector(config.denoiser, config.context, spec, frames, size) if frames.width else None
        self.image = NextImage(config.denoiser, config.context, spec, frames) if frames.side else None
        self.heads_see_action, self.read_size = images_alone(spec), size
        self.heads = Heads(config, spec, size + self.heads_see_action * spec.action_size, size, frames)
        self.frames = frames

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config, (b, steps) = self.config, windows.shape
        if config.context >= steps:
            raise UserError(
                f"model.context={config.context} leaves nothing to predict in trainer.length={steps} steps; "
                "lower the context or raise trainer.length"
            )
        past, z = self._remember(windows, None)
        read = self._read(z)
        terms = self.heads.losses(self._features(z, read, windows.previous_action), windows, read)
        del terms["decoder"]  # a frame is the observation itself

        def denoising(chosen: Tensor) -> Tensor:
            rows, at = chosen // steps, chosen % steps
            return self._denoising(past(rows, (at - 1).clamp_min(0)), windows.action[rows, at], z[rows, at])

        denoising_loss = loss_of_a_share(config.drawn_share, torch.Size([b, steps]), z.device, denoising)
        begins = windows.first.index_fill(
            1, torch.tensor(0, device=z.device), True
        )  # steps without a known step before
        terms["denoising"] = config.denoising_scale * denoising_loss * ~begins
        share = math.ceil(config.drawn_share * b)

        def roll_from(rows: Tensor, t: Tensor) -> Roll:
            frames = past(rows, t)
            return self._roll(
                FramesState(frames, windows.previous_action[rows, t], self._read(frames[:, -1])), likely=True
            )

        return self.total_loss(terms, windows, roll_from, share)

    def observe(self, windows: Windows, state: State | None = None) -> tuple[FramesState, Imagination]:
        past, z = self._remember(windows, state)
        b, steps = windows.shape
        rows = torch.arange(b, device=z.device)
        read = self._read(z)
        belief = FramesState(past(rows, torch.full_like(rows, steps - 1)), windows.previous_action[:, -1], read[:, -1])
        return belief, self.observed(self._features(z, read, windows.previous_action), windows)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., : self.read_size]

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, FramesState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        rows, plans = state.expand(n), actions.flatten(0, 1)
        features = torch.cat([self._roll(rows[some])(plans[some]) for some in self._side_by_side(plans)])
        return self.imagined(self._state_features(state), features.unflatten(0, (b, n)), actions)

    def step(self, state: State, actions: Tensor) -> tuple[FramesState, Imagination]:
        assert isinstance(state, FramesState)
        self.check_actions(state, actions, "BA")
        parts = [self._advance(state[some], actions[some]) for some in self._side_by_side(actions)]
        frames, features = (torch.cat([getattr(part, name) for part in parts]) for name in ("frames", "features"))
        after = FramesState(frames, actions, features)
        return after, self.imagined(
            self._state_features(state), self._state_features(after)[:, None, None], actions[:, None, None]
        )

    def _side_by_side(self, futures: Tensor) -> list[slice]:
        """Which of so many futures [M, ...] are imagined together."""
        together = ROWS if self.image is not None and futures.device.type == "cpu" else max(1, len(futures))
        return [slice(begin, begin + together) for begin in range(0, len(futures), together)]

    def _remember(self, windows: Windows, state: State | None) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
        """past(rows [...], steps [...]) -> the k frames up to there [..., k, Z]; and all frames [B, T, Z]."""
        z, k = self.frames.encode(windows.observation), self.config.context
        if state is None:
            earlier = z[:, :1].expand(-1, k, -1)
        else:
            assert isinstance(state, FramesState)
            earlier = state.frames
        known = torch.cat([earlier, z], 1)  # [B, k + T, Z]
        steps = torch.arange(z.shape[1], device=z.device)
        began = torch.where(windows.first, steps, -k).cummax(1).values  # [B, T]
        index = k + torch.maximum(steps[:, None] + torch.arange(1 - k, 1, device=z.device), began[..., None])
        return lambda rows, t: known[rows[..., None], index[rows, t]], z

    def _read(self, z: Tensor) -> Tensor:
        """What heads and the vector's denoiser see of a frame, the vectors first: [..., Z] -> [..., R]."""
        vector, image = self.frames.split(z)
        read = [self.frames.vectors.read(vector)]
        if self.encoder is not None:
            read.append(self.encoder(self.frames.picture(image)))
        return torch.cat(read, -1)

    def _features(self, z: Tensor, read: Tensor, previous_action: Tensor) -> Tensor:
        """[..., R + P], with images alone R + A + P: the pixels last, for `decode` alone."""
        return torch.cat(
            [read, previous_action, z] if self.heads_see_action else [read, z[..., self.frames.width :]], -1
        )

    def _state_features(self, state: FramesState) -> Tensor:
        """Features [B, F] of the present."""
        return self._features(state.frames[:, -1], state.features, state.action)

    def _denoising(self, past: Tensor, action: Tensor, target: Tensor) -> Tensor:
        """EDM's loss [M] for past [M, k, Z] and action [M, A] that lead to target [M, Z]."""
        past = past + self.config.context_noise * self.frames.unit * torch.randn_like(past)
        vectors, images = self.frames.split(past)
        vector, image = self.frames.split(target)
        loss = torch.zeros(len(past), device=past.device)
        if self.vector is not None:
            loss = loss + self.vector.loss(vector, vectors, self._read(past[:, -1]), action).sum(-1)
        if self.image is not None:
            error = self.image.loss(image, images, vectors[:, -1], vector, action)
            loss = loss + self.config.image_scale * error.mean((-1, -2, -3))
        return loss

    def _roll(self, state: FramesState, likely: bool = False) -> Roll:
        """Imagination from M beliefs."""

        def roll(actions: Tensor) -> Tensor:
            now, features = state, []
            for action in actions.unbind(1):
                now = self._advance(now, action, likely)
                features.append(self._state_features(now))
            return torch.stack(features, 1)

        return roll

    def _advance(self, state: FramesState, action: Tensor, likely: bool = False) -> FramesState:
        """Beliefs [M] after an action [M, A], its outcome unobserved.

        While training the noise is random, as a sample's; `likely` starts from none also then, as planning will.
        """
        noise = torch.zeros_like if likely or not self.training else torch.randn_like
        vectors, images = self.frames.split(state.frames)
        vector, image = vectors[:, -1], images[:, -1]
        if self.vector is not None:
            vector = self.vector.sample(noise(vector), vectors, state.features, action)
        if self.image is not None:
            image = self.image.sample(noise(image), images, vectors[:, -1], vector, action)
        present = self.frames.join(vector, image)
        return FramesState(torch.cat([state.frames[:, 1:], present[:, None]], 1), action, self._read(present))
