"""No behaviour: nothing is learned inside the world model, which is planned with alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.world_model import Windows


@dataclass
class NoBehaviourConfig:
    """Has no options."""


class NoBehaviour(Behaviour):
    Config = NoBehaviourConfig

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError("there is nothing to train")

    def act(self, features: Tensor) -> Tensor:
        raise NotImplementedError("there is nobody to act")
