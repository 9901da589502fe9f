"""The contract of what is learned inside an imagination: it reads a world model's features and says what to do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import WindowSampler
from wm_lab.domains import Amount, Steps
from wm_lab.errors import UserError, unknown
from wm_lab.policies.frame_encoder import FrameEncoder
from wm_lab.system.device import device_of
from wm_lab.world_model import DataSpec, Imagination, Trainable, Windows, WorldModel, blank_windows

FEATURES = "features"
"""The name of a model's features among the statistics of a `DataSpec`."""

WINDOWS, LENGTH = 64, 16
"""Recorded steps whose features are normalised by."""

FAR = 10.0
"""Standard deviations beyond which a feature counts no further."""

ALL, SHOWN, GEOMETRY = READS = ("features", "observation", "geometry")
"""What networks read of a model's features: all of them, the part that shows the observation, or what is decoded of it
as a precise clone sees it."""

Paid = Callable[["Behaviour", Sequence[int]], Sequence[float]]
"""What a behaviour earns in the task itself, in whole episodes with these seeds."""


@dataclass
class BehaviourConfig:
    """What every behaviour has."""

    horizon: Steps = 15  # imagined steps of a dream
    validation_episodes: Amount = 16
    """Real episodes, nobody's data and nobody's test, that are played a few times in training: the actor that earns
    most in them is the one that is kept. 0: the newest is."""
    reads: str = ALL
    """features: all of the model's; observation: the part that shows it alone (`WorldModel.appearance`), where what is
    seen is the whole state. What a model adds to it means another thing after each round of training. geometry: the
    decoded observation and the gaps between its points, to the millimetre (as `bc.fine`)."""

    def __post_init__(self) -> None:
        if self.reads not in READS:
            raise unknown("behaviour.reads", self.reads, READS)


class Behaviour(Trainable):
    """Built and trained as a world model is: `Behaviour(Config(...), spec)`, `loss(windows)`, by the same loop.

    spec: of the data, which holds the statistics of the model's features too (`feature_spec`)
    """

    knows_value: ClassVar[bool] = False
    """Whether it has a `value`."""

    follows_itself: ClassVar[bool] = True
    """Its loss says nothing of which weights are better: without validation episodes the newest are kept."""

    by_gradient: ClassVar[bool] = True
    """Whether it learns by the gradient of its loss; else `loss` itself moves the weights, in `train()` mode."""

    CONTINUED: ClassVar[int] = 2
    """Revision of how a trained one goes on with more data."""

    config: BehaviourConfig

    @abstractmethod
    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar to minimise and detached scalars to log, for recorded windows [B, T] and what is dreamt from them."""

    @abstractmethod
    def act(self, features: Tensor) -> Tensor:
        """What it would do, without any chance: features [B, F] -> actions [B, A] in [-1, 1]."""

    def value(self, features: Tensor) -> Tensor:
        """Discounted rewards to come, in the task's own units: [..., F] -> [...]."""
        raise NotImplementedError(f"{type(self).__name__} knows no value")

    def learn_in(self, world: WorldModel) -> Self:
        """Say in which model it learns. It stays as it is, and is no part of this one's weights."""
        if (found := len(self.spec.mean[FEATURES])) != (size := feature_size(world, self.config.reads)):
            raise UserError(
                f"this behaviour reads {found} features and {type(world).__name__} has {size}; use the model that it "
                "was trained in, or train it anew"
            )
        self._world = (world.requires_grad_(False).eval(),)  # a tuple is no submodule
        self._reader = Reader(world, self.config.reads)
        return self

    def learn_awake(self, paid: Paid) -> Self:
        """Say how it can be tried in the task; most behaviours have no use for that."""
        return self

    def go_on_with(self, spec: DataSpec) -> Self:
        """Say what data, and features of which model, it learns on from, where it was trained with less."""
        return self

    @property
    def dream_world(self) -> WorldModel:
        """The model as it dreams in it."""
        return self.world

    @property
    def world(self) -> WorldModel:
        if not hasattr(self, "_world"):
            raise UserError("a behaviour learns in a world model; call learn_in first")
        return self._world[0]


class NormalisedBehaviour(Behaviour):
    """A behaviour whose networks read features in their own standard deviations."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("feature_mean", torch.tensor(spec.mean[FEATURES]))
        self.register_buffer("feature_std", torch.tensor(spec.std[FEATURES]))

    def go_on_with(self, spec: DataSpec) -> Self:
        """Read features in their new deviations: what training adds to a latent soon lies far from where it began."""
        mean, std = spec.mean[FEATURES], spec.std[FEATURES]
        self.feature_mean.copy_(torch.tensor(mean))
        self.feature_std.copy_(torch.tensor(std))
        self.spec = replace(self.spec, mean={**self.spec.mean, FEATURES: mean}, std={**self.spec.std, FEATURES: std})
        return self

    def _read(self, features: Tensor) -> Tensor:
        """What networks see of a model's features [..., F]."""
        seen = self._reader(features)
        return ((seen.float() - self.feature_mean) / self.feature_std).clamp(-FAR, FAR)


class Reader:
    """Reads what a behaviour sees, by its option `reads`, off a world model's features: [..., F] -> [..., R]."""

    def __init__(self, world: WorldModel, reads: str) -> None:
        self._world, self._reads, self._sight = world, reads, None
        if reads != GEOMETRY:
            return
        self._sight = FrameEncoder(world.spec, 0, fine=True).to(device_of(world))
        if not self._sight.fine or self._sight.images:
            raise UserError(
                f"behaviour.reads={GEOMETRY} needs an observation of numbers with at least two points in it, which "
                f"this one is not: {', '.join(world.spec.observation)}; use behaviour.reads={ALL}"
            )

    def __call__(self, features: Tensor) -> Tensor:
        if self._sight is not None:
            blank = features[..., 0]
            seen: Tensor = self._sight(self._world.decode(Imagination(features, blank, blank)))
            return seen
        return features if self._reads == ALL else self._world.appearance(features)


def feature_spec(world: WorldModel, dataset: Dataset, reads: str = ALL) -> DataSpec:
    """What a behaviour must know of the data: with mean and deviation of what it reads of the features over some of
    it."""
    length = min(LENGTH, int(dataset.table.length[dataset.episodes("train")].max()) + 1)
    windows = WindowSampler(dataset, "train", WINDOWS, length, seed=0, keys=world.observation_keys).sample()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        seen = world.eval().observe(windows.to(device_of(world)))[1].features[:, 0]
        seen = Reader(world, reads)(seen)
    return with_features(dataset.spec, seen[windows.valid.to(seen.device)])


def require_rewards(dataset: Dataset) -> None:
    """UserError where the rewards of the data are all the same, which teach nothing."""
    if not rewards_differ(dataset):
        raise UserError(
            f"a behaviour learns from rewards, and all in the data of {dataset.task_spec['name']} are "
            f"{_rewards(dataset)[0]:g}; give it more or other data, or leave out behaviour=…"
        )


def rewards_differ(dataset: Dataset) -> bool:
    """Whether the data hold more than one reward."""
    return bool(np.ptp(_rewards(dataset)) > 0)


def _rewards(dataset: Dataset) -> np.ndarray:
    """Of every step that was taken, [M]; an episode's first row holds none."""
    reward = dataset.column("reward")
    arrived = np.ones(len(reward), bool)
    arrived[dataset.table.offset] = False
    return reward[arrived]


def with_features(spec: DataSpec, features: Tensor) -> DataSpec:
    """The same with the statistics of features [M, F]. A feature that hardly varies counts as none."""
    features = features.double()
    std = features.std(0, unbiased=False)
    std = torch.where(std > 1e-3 * std.max(), std, torch.ones_like(std) * std.max().clamp_min(1e-6))
    return replace(
        spec,
        mean={**spec.mean, FEATURES: features.mean(0).tolist()},
        std={**spec.std, FEATURES: std.tolist()},
    )


@torch.no_grad()
def feature_size(world: WorldModel, reads: str = ALL) -> int:
    """How many numbers a behaviour reads, which only features tell."""
    blank = blank_windows(world.spec, 1).to(device_of(world))
    with torch.random.fork_rng(devices=[]):
        return int(Reader(world, reads)(world.eval().observe(blank)[1].features).shape[-1])
