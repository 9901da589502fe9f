"""A small dataset on disk, and models whose training can be foretold."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from tests.data.toy import PointTask, ScriptedPolicy
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.training.config import TrainerConfig
from wm_lab.world_model import DataSpec, Windows

QUICK = {"steps": 40, "batch": 4, "length": 6, "validate": 4, "warmup": 5}
SIZES = {"units": 8, "layers": 1, "open_loop": 2, "reward_bins": 21}


def trainer(**options) -> TrainerConfig:
    return TrainerConfig(**{**QUICK, **options})


def point_data(folder: Path, episodes: int = 24, start: int = 0) -> Dataset:
    """Episodes of a point mass under its disturbed expert."""
    data = DataConfig(episodes=episodes)
    seeds = range(start, start + episodes)
    return Dataset.open(collect(folder, PointTask, ScriptedPolicy, seeds, data.exploration(), workers=1))


def small(kind: str, spec: DataSpec) -> nn.Module:
    torch.manual_seed(7)
    if kind == "latent_mlp":
        return LatentMLP(LatentMLPConfig(**SIZES, transition_units=8, transition_layers=1, variables=4), spec)
    return RSSM(RSSMConfig(**SIZES, deter=16, hidden=8, groups=4), spec)


@dataclass
class OneNumberConfig:
    start: float = 1.0
    target: float = 0.0


class OneNumber(nn.Module):
    """One weight that is pulled towards a target; what it saw and what a test told it to do is written down."""

    Config = OneNumberConfig

    def __init__(self, config: OneNumberConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.weight = nn.Parameter(torch.tensor(config.start))
        self.seen: list[Windows] = []
        self.validation: list[float] = []
        """Validation losses to pretend, one a validation; empty: the true ones."""
        self.broken_at: int | None = None
        """The training step whose term `friction` becomes NaN."""

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        error = (self.weight - self.config.target).square()
        friction = torch.zeros(())
        if torch.is_grad_enabled():
            if len(self.seen) == self.broken_at:
                friction = torch.tensor(torch.nan)
            self.seen.append(windows)
        elif self.validation:
            error = torch.tensor(self.validation[0])
        total = error + friction
        return total, {"pull": error.detach(), "friction": friction}


@dataclass
class LineConfig:
    fails: str = ""  # what the second of two processes does at its third step: "nan", "raise" or "die"


class Line(nn.Module):
    """Rewards as a line over states; nothing is drawn, so the loss of a batch is the mean of its parts' losses."""

    Config = LineConfig

    def __init__(self, config: LineConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.weight = nn.Parameter(torch.zeros(len(spec.mean["state"])))
        self.steps = 0

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        error = (windows.observation["state"] @ self.weight - windows.reward).square().mean()
        if self.training and torch.is_grad_enabled():
            self.steps += 1
            if self.steps == 3 and self.config.fails and distributed.get_rank() == 1:
                error = self._fail() * error
        return error, {"windows": torch.tensor(float(len(windows.reward)))}

    def _fail(self) -> float:
        if self.config.fails == "raise":
            raise ValueError("a part is missing")
        if self.config.fails == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.nan
