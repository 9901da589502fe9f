"""World models of the point mass whose mistakes are chosen, and an experiment that has one ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.data.toy import SPEED
from wm_lab.evaluation.json_files import write_json
from wm_lab.experiment.clones import Clones
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Models
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.tools import Tools
from wm_lab.training.checkpoint import save_model
from wm_lab.training.trainer import REPORT
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel


@dataclass
class PointWorldConfig:
    speed: float = SPEED  # of the imagined point at full action; the truth is SPEED
    optimism: float = 0.0  # added to every imagined reward
    decodes: list[str] = field(default_factory=lambda: ["state"])


@dataclass
class PointBelief(State):
    x: Tensor  # [B, 5]


class PointWorld(WorldModel):
    """Believes what it sees; its features are the state, turned by a fixed rotation and doubled."""

    Config = PointWorldConfig

    def __init__(self, config: PointWorldConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        generator = torch.Generator().manual_seed(0)
        turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
        self.turn = nn.Buffer(turn, persistent=False)

    @property
    def observation_keys(self) -> tuple[str, ...]:
        return ("state",)

    @property
    def decoded_keys(self) -> tuple[str, ...]:
        return tuple(self.config.decodes)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def observe(self, windows: Windows, state: State | None = None) -> tuple[PointBelief, Imagination]:
        x = windows.observation["state"].double()
        return PointBelief(x[:, -1]), self._imagination(x[:, None])

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, PointBelief)
        steps = torch.arange(1, actions.shape[2] + 1).expand(actions.shape[:3])
        x = state.x[:, None, None].repeat(1, *actions.shape[1:3], 1)
        x[..., :2] += self.config.speed * actions.double().cumsum(2)
        x[..., 4] += steps
        return self._imagination(x)

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        x = imagination.features @ self.turn.T / 2
        image = x[..., 4, None, None, None].expand(*x.shape[:-1], 4, 4, 3)
        return {key: value for key, value in {"state": x, "pixels": image}.items() if key in self.decoded_keys}

    def _imagination(self, x: Tensor) -> Imagination:
        reward = self.config.optimism - (x[..., :2] - x[..., 2:4]).norm(dim=-1)
        return Imagination(2 * x @ self.turn, reward, torch.ones_like(reward))


class PointModels(Models):
    """The world model is the one that the settings describe, untrained."""

    def world_model(self, rounds: int | None = None, other: Settings | None = None) -> Path:
        wanted = other or self._tools.settings
        path = self._tools.store.root / wanted.label("model") / "point.pt"
        write_json(path.parent / REPORT, {"parameters": 0, "steps": 0, "seconds": 0.0})
        options = {key: value for key, value in wanted.model.items() if key != "_target_"}
        save_model(path, PointWorld(PointWorldConfig(**options), self._data.dataset(0).spec), {})
        return path


class PointExperiment(Experiment):
    """Collects in earnest, with a world model that needs no training."""

    def __init__(self, settings: Settings, training: int = 0, shared: Tools | None = None) -> None:
        super().__init__(settings, training, shared)
        self.models = PointModels(self.tools, self.data)
        self.clones = Clones(self.tools, self.data, self.models, self.evaluations)


def settings(store: Path, **changes: Any) -> Settings:
    """A small run on the point mass: 40 episodes of 20 steps, 10 of them held out or so."""
    planner = {
        "_target_": "wm_lab.planners.cem.CEM",
        "horizon": 6,
        "candidates": 24,
        "iterations": 3,
        "elites": 6,
    }
    values: dict[str, Any] = {
        "exercise": {},
        "task": {"_target_": "tests.data.toy.PointTask"},
        "model": {"_target_": "tests.exercises.point_world.PointWorld"},
        "planner": planner,
        "objective": {},
        "mpc": {"execute": 1},
        "bc": {},
        "cloning": {"validation_episodes": 0},
        "data": {"episodes": 40, "validation_fraction": 0.25},
        "trainer": {},
        "bc_trainer": {},
        "demonstrations": 2,
        "workers": 1,
        "store": store,
    }
    return Settings(**{**values, **changes})
