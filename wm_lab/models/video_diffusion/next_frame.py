"""The next frame, drawn from noise: vectors by an MLP, images by a U-Net, each as its departure from a prediction."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from wm_lab.errors import UserError
from wm_lab.models.video_diffusion.config import DenoiserConfig
from wm_lab.models.video_diffusion.edm import DIAMOND, EDM, Network
from wm_lab.models.video_diffusion.raw_frames import IMAGE_CHANGE, RawFrames
from wm_lab.models.video_diffusion.unet import AdaptiveMLP, NoiseEmbedding, UNet
from wm_lab.world_model import DataSpec


class NextVector(nn.Module):
    """p(vector | past vectors [M, k, V], reading of the present [M, R], action [M, A])"""

    def __init__(self, config: DenoiserConfig, context: int, spec: DataSpec, frames: RawFrames, read: int):
        super().__init__()
        size, actions = frames.width, spec.action_size
        levels = replace(DIAMOND, sigma_offset=0.0)  # there are no pixels to share it
        self.edm, self.vectors = EDM(config.steps, config.order, levels), frames.vectors
        self.condition = Condition(actions, config.condition)
        inputs = size + read + (context - 1) * size + actions
        self.net = AdaptiveMLP(inputs, size, config.width, config.layers, config.condition)

    def loss(self, target: Tensor, past: Tensor, read: Tensor, action: Tensor) -> Tensor:
        """[M, V]"""
        prediction = self.vectors.prior(past[:, -1], action)
        return self.edm.loss(self._network(past, read, action), self.vectors.change(prediction, target))

    def sample(self, noise: Tensor, past: Tensor, read: Tensor, action: Tensor) -> Tensor:
        prediction = self.vectors.prior(past[:, -1], action)
        after: Tensor = prediction + self.vectors.step_std * self.edm.sample(self._network(past, read, action), noise)
        return after

    def _network(self, past: Tensor, read: Tensor, action: Tensor) -> Network:
        known = torch.cat([read, self.vectors.change(past[:, :-1], past[:, 1:]).flatten(1), action], -1)
        return lambda x, noise: self.net(torch.cat([x, known], -1), self.condition(noise, action))


class NextImage(nn.Module):
    """p(image | past images [M, k, 3, S, S], vector now and next [M, V], action [M, A])"""

    def __init__(self, config: DenoiserConfig, context: int, spec: DataSpec, frames: RawFrames):
        super().__init__()
        self.edm, self.vectors = EDM(config.steps, config.order), frames.vectors
        smallest = config.patch * 2 ** (len(config.channels) - 1)
        if frames.side % smallest:
            raise UserError(
                f"an image of side {frames.side} does not split into model.denoiser.patch={config.patch} and "
                f"then halve {len(config.channels) - 1} times for model.denoiser.channels; it must be a multiple of "
                f"{smallest}"
            )
        self.condition = Condition(spec.action_size + 2 * frames.width, config.condition)
        inputs = 3 * (context + 1)
        self.net = UNet(inputs, 3, list(config.channels), config.blocks, config.condition, config.patch)

    def loss(self, target: Tensor, past: Tensor, now: Tensor, vector: Tensor, action: Tensor) -> Tensor:
        """[M, 3, S, S]"""
        network = self._network(past, now, vector, action)
        return self.edm.loss(network, (target - past[:, -1]) / IMAGE_CHANGE)

    def sample(self, noise: Tensor, past: Tensor, now: Tensor, vector: Tensor, action: Tensor) -> Tensor:
        return past[:, -1] + IMAGE_CHANGE * self.edm.sample(self._network(past, now, vector, action), noise)

    def _network(self, past: Tensor, now: Tensor, vector: Tensor, action: Tensor) -> Network:
        # The vector's change in ordinary steps: two nearly equal vectors hide what will move.
        condition = torch.cat([action, now, self.vectors.change(now, vector)], -1)
        known = past.flatten(1, 2) / self.edm.levels.sigma_data
        return lambda x, noise: self.net(torch.cat([x, known], 1), self.condition(noise, condition))


class Condition(nn.Module):
    """Noise level c_noise [M or 1] and what is known besides [M, I], for adaptive normalisations: [M, C]."""

    def __init__(self, known: int, size: int):
        super().__init__()
        self.noise, self.known = NoiseEmbedding(size), nn.Linear(known, size)
        self.net = nn.Sequential(nn.Linear(size, size), nn.SiLU(), nn.Linear(size, size), nn.SiLU())

    def forward(self, noise: Tensor, known: Tensor) -> Tensor:
        out: Tensor = self.net(self.noise(noise) + self.known(known))
        return out
