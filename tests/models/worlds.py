"""Small worlds whose answers are known, and one of each model to ask about them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wm_lab.models.decoder_only import DecoderOnly, DecoderOnlyConfig
from wm_lab.models.jepa import JEPA, JEPAConfig
from wm_lab.models.jepa_block import BlockJEPA, BlockJEPAConfig
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.mdn_rnn import MDNRNN, MDNRNNConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.models.video_diffusion import VideoDiffusion, VideoDiffusionConfig
from wm_lab.models.video_diffusion.config import DenoiserConfig
from wm_lab.models.video_token import VideoToken, VideoTokenConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

STATE, ACTION = 5, 2
LATENT = ("rssm-gaussian", "rssm-categorical", "latent_mlp", "mdn_rnn")
"""Those with a posterior, a prior and a decoder of its latent."""
KINDS = (*LATENT, "video_token", "video_diffusion", "decoder_only", "jepa", "jepa_block")
SMALL = {"units": 24, "layers": 1, "depth": 4, "reward_bins": 21, "reward_limit": 4.0}
"""Few bins that reach not far: the default's outermost ones, at 5e8, would drown comparisons in rounding."""
SPEC = DataSpec(
    observation={"state": (STATE,)},
    action_size=ACTION,
    mean={"state": [0.5, -1.0, 0.0, 2.0, 0.0], "reward": [-0.3]},
    std={"state": [1.0, 2.0, 0.5, 1.0, 3.0], "reward": [0.7]},
    std_change={"state": [0.1, 0.5, 0.05, 0.2, 0.3], "reward": [0.2]},
)

SIGHT = DataSpec({"pixels": (8, 8, 3)}, ACTION)
"""Images alone."""


def make(kind: str, spec: DataSpec = SPEC, **options) -> WorldModel:
    """An untrained model, small, with weights that are the same every time."""
    torch.manual_seed(0)
    options = {**SMALL, **options}
    if kind == "latent_mlp":
        return LatentMLP(
            LatentMLPConfig(**{"variables": 8, "transition_units": 24, "transition_layers": 1, **options}), spec
        )
    if kind == "mdn_rnn":
        return MDNRNN(MDNRNNConfig(**{"variables": 8, "memory": 32, "mixtures": 3, **options}), spec)
    if kind == "video_token":
        sizes = {"width": 16, "num_heads": 2, "context": 3, "levels": [5, 5], "vector_codes": 4}
        return VideoToken(VideoTokenConfig(**{**sizes, **options}), spec)
    if kind == "video_diffusion":
        sizes = {"width": 32, "layers": 1, "channels": [16, 32], "patch": 1, "condition": 16}
        for name in DenoiserConfig.__dataclass_fields__.keys() & options.keys():
            sizes[name] = options.pop(name)
        return VideoDiffusion(VideoDiffusionConfig(denoiser=DenoiserConfig(**sizes), **options), spec)
    if kind == "jepa":
        sizes = {"variables": 8, "predictor_units": 24, "predictor_layers": 1, "directions": 16}
        return JEPA(JEPAConfig(**{**sizes, **options}), spec)
    if kind == "jepa_block":
        sizes = {"variables": 8, "predictor_units": 24, "predictor_layers": 1, "directions": 16, "block": 3}
        return BlockJEPA(BlockJEPAConfig(**{**sizes, **options}), spec)
    if kind == "decoder_only":
        sizes = {"width": 16, "transition_units": 24, "window": 3, "chunk": 2, "embedding": 32}
        return DecoderOnly(DecoderOnlyConfig(**{**sizes, **options}), spec)
    latent = kind.removeprefix("rssm-")
    sizes = {"deter": 32, "hidden": 16, "groups": 4, "variables": 8, "classes": 4}
    return RSSM(RSSMConfig(**{**sizes, "latent": latent, **options}), spec)


def make_informed(kind: str, spec: DataSpec = SPEC, **options) -> WorldModel:
    """As `make`, with every weight drawn at random: nothing is hidden by layers that start at zero."""
    model = make(kind, spec, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def windows(observation: Tensor | dict[str, Tensor], action: Tensor, reward: Tensor | None = None) -> Windows:
    """Windows [B, T] of whole steps; the first of each row begins an episode."""
    b, steps, _ = action.shape
    first = torch.zeros(b, steps, dtype=torch.bool)
    first[:, 0] = True
    return Windows(
        observation=observation if isinstance(observation, dict) else {"state": observation},
        action=action * ~first[..., None],
        reward=torch.zeros(b, steps) if reward is None else reward * ~first,
        first=first,
        terminal=torch.zeros(b, steps, dtype=torch.bool),
        valid=torch.ones(b, steps, dtype=torch.bool),
    )


def noise_windows(b: int = 3, steps: int = 7, seed: int = 1) -> Windows:
    """Windows without any sense, for claims that hold whatever was observed."""
    generator = torch.Generator().manual_seed(seed)
    return windows(
        torch.randn(b, steps, STATE, generator=generator),
        torch.rand(b, steps, ACTION, generator=generator) * 2 - 1,
        torch.randn(b, steps, generator=generator),
    )


def looking(b: int = 3, steps: int = 7) -> Windows:
    """The same to look at: `SIGHT`."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (b, steps, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return windows({"pixels": pixels}, torch.rand(b, steps, ACTION, generator=generator) * 2 - 1)


def moving_square(episodes: int, seed: int, steps: int = 6) -> Windows:
    """`SIGHT` of a white square on black that moves one pixel right, left, down or up, as the action says."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.randint(-1, 2, (episodes, steps, ACTION), generator=generator).float()
    action[:, 0] = 0
    side = SIGHT.observation["pixels"][0]
    place = torch.randint(side - 2, (episodes, 1, ACTION), generator=generator) + action.cumsum(1)
    place = place.clamp(0, side - 3)
    grid = torch.arange(side)
    inside = [(grid >= p[..., None]) & (grid < p[..., None] + 3) for p in place.unbind(-1)]
    image = (inside[0][..., :, None] & inside[1][..., None, :]).unsqueeze(-1).expand(-1, -1, -1, -1, 3)
    return windows({"pixels": image.to(torch.uint8) * 255}, action)


def spec_of(data: Windows) -> DataSpec:
    """Statistics as a dataset would give them."""
    state, reward = data.observation["state"].flatten(0, 1), data.reward.flatten()
    change = data.observation["state"].diff(dim=1).flatten(0, 1)
    return DataSpec(
        observation={"state": (state.shape[-1],)},
        action_size=data.action.shape[-1],
        mean={"state": state.mean(0).tolist(), "reward": [float(reward.mean())]},
        std={"state": state.std(0).tolist(), "reward": [max(float(reward.std()), 1e-3)]},
        std_change={"state": change.std(0).tolist()},
    )


def fit(
    model: WorldModel, data: Windows, steps: int, batch: int = 32, rate: float = 3e-3, seed: int = 0
) -> list[float]:
    """Plain training with a rate that falls to zero; returns the losses and leaves the model in `eval()`."""
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), rate, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    model.train()
    for _ in range(steps):
        loss, _ = model.loss(data[torch.randint(data.shape[0], (batch,))])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    model.eval()
    return losses


class LinearWorld:
    """x' = A x + B u + process noise, seen through C x + sensor noise: the one system whose best forecast is a formula.

    A damped pendulum near its rest, pushed by an action; only its angle is measured, so that its velocity must be
    inferred from the past.
    """

    A = np.array([[1.0, 0.2], [-0.2, 0.95]])
    B = np.array([[0.0], [0.3]])
    C = np.array([[1.0, 0.0]])
    Q = np.diag([1e-3, 2e-2])  # covariance of the process noise
    R = np.array([[0.01]])  # and of the sensor's

    def play(self, episodes: int, steps: int, seed: int) -> Windows:
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(episodes, 2))
        action = generator.uniform(-1, 1, (episodes, steps, 1))
        seen = np.empty((episodes, steps, 1))
        for t in range(steps):
            if t:
                x = x @ self.A.T + action[:, t] @ self.B.T + generator.multivariate_normal([0, 0], self.Q, episodes)
            seen[:, t] = x @ self.C.T + generator.multivariate_normal([0], self.R, episodes)
        return windows(
            torch.tensor(seen).float(), torch.tensor(action).float(), torch.tensor(-np.abs(seen[..., 0])).float()
        )

    def forecast(self, data: Windows, context: int) -> Tensor:
        """The Kalman filter's best guess of what is seen after `context` steps, [B, T - context, 1]."""
        seen, action = (value.double().numpy() for value in (data.observation["state"], data.action))
        x, p = np.zeros((len(seen), 2)), np.eye(2)
        guesses = []
        for t in range(seen.shape[1]):
            if t:
                x, p = x @ self.A.T + action[:, t] @ self.B.T, self.A @ p @ self.A.T + self.Q
            if t < context:
                gain = p @ self.C.T @ np.linalg.inv(self.C @ p @ self.C.T + self.R)
                x, p = x + (seen[:, t] - x @ self.C.T) @ gain.T, p - gain @ self.C @ p
            else:
                guesses.append(x @ self.C.T)
        return torch.tensor(np.stack(guesses, 1)).float()


def imagined(model: WorldModel, data: Windows, context: int, key: str = "state") -> Tensor:
    """What the model foretells after `context` steps under the recorded actions, [B, T - context, ...]."""
    with torch.inference_mode():
        belief = model.encode(data[:, :context])
        return model.decode(model.imagine(belief, data.action[:, None, context:]))[key][:, 0]


def rmse(a: Tensor, b: Tensor) -> float:
    return (a - b).detach().square().mean().sqrt().item()
