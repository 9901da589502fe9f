"""What every world model predicts from its features: observation, reward, continuation, and its own uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Domain, PositiveShare, Steps, Weight, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.blocks import EnsembleMLP, Regression, TwoHot, mlp
from wm_lab.models.parts.images import is_image
from wm_lab.world_model import TOLD, DataSpec, Imagination, Windows

Roll = Callable[[Tensor], Tensor]
"""actions [M, H, A] -> features [M, H, F]"""


@dataclass
class HeadsConfig:
    """What every family has: sizes of encoder and heads, and the weights of their losses."""

    units: Width = 96  # of each hidden layer of encoder, decoder and heads
    depth: Width = 8  # channels of the first convolution of an image; each halving doubles them
    points: Annotated[int, Domain(least=0, most=2**16)] = 32  # keypoints of an image; 0: none, as in the papers
    decoded_share: PositiveShare = 0.25
    """Of the frames of a batch with images, those that are decoded for the loss, drawn anew each time: painting them
    all costs most of a training step, and a share of them says the same."""
    reward_layers: Annotated[int, Domain(least=0, most=256)] = 2  # hidden layers of the reward head
    reward_bins: Annotated[int, Domain(least=0, most=2**16)] = 0
    """Of a two-hot reward; odd, so that one of them is zero. 0: a plain regression, finer where rewards are dense."""
    reward_limit: Annotated[float, Domain(above=0, most=80)] = 5.0
    """The outermost bins stand for symexp(this) standard deviations of the reward."""
    decoder_scale: Weight = 1.0  # weight of the observation's loss
    image_scale: Weight = 64.0
    """How many vector dimensions an image's error weighs as much as. Far more, and what few pixels show that only the
    reward asks for, such as a goal, is learned last."""
    min_step_std: Annotated[float, Domain(least=1e-6, most=1)] = 0.01
    """Least standard deviation of a dimension's one-step changes, in its standard deviations. Errors count in units of
    such changes: smaller, and what hardly ever changes counts more."""
    reward_scale: Weight = 1.0  # weight of the reward's loss
    open_loop: Annotated[int, Domain(least=0, most=10**5)] = 12
    """Steps that training imagines without looking, and compares with what came; 0: none, as in the papers."""
    open_loop_starts: Steps = 1  # in each window of a batch, for the open-loop loss
    open_loop_scale: Weight = 1.0  # weight of the open-loop loss
    ensemble: Annotated[int, Domain(least=0, most=1000)] = 0
    """Predictors of the next latent whose disagreement is the model's uncertainty; 0: none, 5 are usual."""
    exchange: bool = True
    """Training shows things of a kind in each other's places, so that what is learned of one is learned of all: of a
    table's blocks and zones, where it is states that are observed and no sentence names a colour."""

    LATER: ClassVar[tuple[str, ...]] = ("exchange",)

    def __post_init__(self) -> None:
        if self.reward_bins and (self.reward_bins < 3 or self.reward_bins % 2 == 0):
            raise UserError(
                f"model.reward_bins={self.reward_bins} has no bin in the middle; use an odd number from 3 on, or 0 for "
                "a plain regression"
            )
        if self.ensemble == 1:
            raise UserError("model.ensemble=1 has no other to disagree with; use 0 for none, or at least 2")


class Decoder(Protocol):
    """Observations from features, and their error; see `ObservationDecoder`."""

    def __call__(self, features: Tensor) -> dict[str, Tensor]: ...

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor: ...


class Heads(nn.Module):
    """Heads read the first `read_size` numbers of features; the `decoder` reads what it likes.

    `target_size` is the width of the latent that the ensemble predicts one step ahead.
    """

    def __init__(
        self,
        config: HeadsConfig,
        spec: DataSpec,
        read_size: int,
        target_size: int,
        decoder: Decoder,
    ):
        super().__init__()
        self.config, self.read_size, self.decoder = config, read_size, decoder
        reward = (read_size, config.units, config.reward_layers)
        self.reward = (
            TwoHot(*reward, config.reward_bins, config.reward_limit) if config.reward_bins else Regression(*reward)
        )
        self.reward_norm = Normaliser(*spec.mean.get("reward", [0.0]), *spec.std.get("reward", [1.0]))
        self.continuation = mlp(read_size, config.units, 1, 1)
        self.ends = spec.ends
        inputs = read_size + spec.action_size
        self.ensemble = EnsembleMLP(config.ensemble, inputs, config.units, target_size) if config.ensemble else None
        self.told: Collection[str] = TOLD

    def losses(self, features: Tensor, windows: Windows, target: Tensor) -> dict[str, Tensor]:
        """Unreduced losses [B, T] from features [B, T, F]; `target` [B, T, Z] is what the ensemble predicts."""
        config = self.config
        reward = self.reward_norm(windows.reward)
        decoder = config.decoder_scale * self._decoder_loss(features, windows.observation)
        features = features[..., : self.read_size]
        terms = {
            "decoder": decoder,
            # Nothing was rewarded on arrival at an episode's first step.
            "reward": config.reward_scale * self.reward.loss(features, reward) * ~windows.first,
            "continue": F.binary_cross_entropy_with_logits(
                self.continuation(features)[..., 0], 1 - windows.terminal.float(), reduction="none"
            ),
        }
        if self.ensemble is not None:
            predictions = self.ensemble(torch.cat([features[:, :-1], windows.action[:, 1:]], -1).detach())
            error = (predictions - target[:, 1:].detach()).square().mean(0).sum(-1) * ~windows.first[:, 1:]
            terms["ensemble"] = F.pad(error, (1, 0))
        return terms

    def total(self, terms: dict[str, Tensor], valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the terms averaged over valid steps, and each one for the log."""
        means = {name: (term * valid).sum() / valid.sum().clamp_min(1) for name, term in terms.items()}
        return torch.stack(list(means.values())).sum(), {name: value.detach() for name, value in means.items()}

    def open_loop(self, windows: Windows, roll_from: Callable[[Tensor, Tensor], Roll]) -> Tensor:
        """Observation and reward error along imagined steps (PlaNet's overshooting, in observation space).

        From `open_loop_starts` random posteriors of every window, roll `open_loop` steps with the recorded actions and
        compare what is decoded with what was observed: the multi-step accuracy that planning lives on.
        """
        rows, start, ahead = self.stretches(windows)
        target = windows[rows[:, None], ahead]
        decoder, reward = self.errors_ahead(roll_from(rows, start)(target.action), target)
        return self.mean_ahead(decoder + reward, target)

    def stretches(self, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        """Random ones to imagine: from which rows [M] and steps [M] of windows, and the steps after these [M, H]."""
        b, steps = windows.shape
        horizon = min(self.config.open_loop, steps - 1)
        rows = torch.arange(b, device=windows.action.device).repeat_interleave(self.config.open_loop_starts)
        start = torch.randint(steps - horizon, rows.shape, device=rows.device)
        return rows, start, start[:, None] + 1 + torch.arange(horizon, device=rows.device)

    def errors_ahead(self, features: Tensor, target: Windows) -> tuple[Tensor, Tensor]:
        """Weighed errors of observation and reward along imagined stretches, [M, H] each."""
        config, reward = self.config, self.reward_norm(target.reward)
        decoder = config.decoder_scale * self._decoder_loss(features, target.observation)
        return decoder, config.reward_scale * self.reward.loss(features[..., : self.read_size], reward)

    def mean_ahead(self, errors: Tensor, target: Windows) -> Tensor:
        """Weighed mean of errors [M, H]; an episode boundary or padding inside a stretch ends it."""
        counts = target.valid & (target.first.cumsum(1) == 0)
        return self.config.open_loop_scale * (errors * counts).sum() / counts.sum().clamp_min(1)

    def _decoder_loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """The decoder's error [...]; while training on images, of a random share of the frames, as if it were all."""
        if not self.training or not any(is_image(value.shape[2:]) for value in observation.values()):
            return self.decoder.loss(features, observation)

        def error(chosen: Tensor) -> Tensor:
            some = {key: value.flatten(0, 1)[chosen] for key, value in observation.items()}
            return self.decoder.loss(features.flatten(0, 1)[chosen], some)

        return loss_of_a_share(self.config.decoded_share, features.shape[:2], features.device, error)

    @contextmanager
    def telling(self, told: Collection[str]) -> Iterator[None]:
        """Meanwhile `imagination` leaves the rest blank: rewards are 0, nothing ends, and uncertainty is unknown."""
        before, self.told = self.told, told
        try:
            yield
        finally:
            self.told = before

    def say(self, told: Collection[str]) -> bool:
        """Whether anything of this is read off features, by a head that there is."""
        return (
            "reward" in told
            or (self.ends and "continue_probability" in told)
            or (self.ensemble is not None and "uncertainty" in told)
        )

    def imagination(self, features: Tensor, actions: Tensor, before: Tensor | None = None) -> Imagination:
        """Heads on features [B, N, H, F]; `before` are those one step earlier, which the ensemble reads."""
        read, told = features[..., : self.read_size], self.told
        reward = self.reward_norm.inverse(self.reward(read)) if "reward" in told else torch.zeros_like(features[..., 0])
        # A head that never saw an end makes some up far from its data, and a plan "ends" to be spared what comes.
        ends = self.ends and "continue_probability" in told
        continue_probability = (
            torch.sigmoid(self.continuation(read)[..., 0]) if ends else torch.ones_like(features[..., 0])
        )
        uncertainty = None
        if self.ensemble is not None and before is not None and "uncertainty" in told:
            predictions = self.ensemble(torch.cat([before[..., : self.read_size], actions], -1))
            uncertainty = predictions.std(0, unbiased=False).mean(-1)
        return Imagination(features, reward, continue_probability, uncertainty)


class Normaliser(nn.Module):
    """A number by its mean and standard deviation in the training split."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.register_buffer("mean", torch.tensor([mean]))
        self.register_buffer("std", torch.tensor([std]))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean


def loss_of_a_share(share: float, shape: torch.Size, device: torch.device, error: Callable[[Tensor], Tensor]) -> Tensor:
    """Errors [B, T] of a random share of all frames, weighed as if they were all; 0 for the others.

    `error` gives the errors [M] of frames [M], which are numbered row by row.
    """
    frames = shape.numel()
    chosen = torch.arange(frames, device=device)
    if share < 1:
        chosen = torch.randperm(frames, device=device)[: math.ceil(share * frames)]
    errors = error(chosen) * (frames / len(chosen))
    spread: Tensor = errors.new_zeros(frames).index_copy(0, chosen, errors).unflatten(0, shape)
    return spread
