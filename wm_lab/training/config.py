"""What a training is asked to do, and the learning rate at each of its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from wm_lab.errors import UserError, require_at_least


@dataclass
class TrainerConfig:
    steps: int = 3000
    round_steps: int = 1500  # more, after each round of on-policy data
    round_rate: float = 0.5  # share of the learning rate that a round starts with
    batch: int = 64
    length: int = 16  # steps in a window
    learning_rate: float = 1e-3
    warmup: int = 100  # steps of linear increase
    hold: float = 0.3  # share of the steps at the full rate, before a cosine lowers it
    final_rate: float = 0.02  # what is left of the rate at the end
    weight_decay: float = 1e-4
    clip: float = 100.0  # largest norm of the gradient
    ema: float = 0.998  # the averaged weights are the ones that are kept
    precision: str = "auto"  # float32, bfloat16, or auto: bfloat16 where the GPU has it
    validate: int = 10  # how often, over the whole training
    save_seconds: float = 20.0  # between writings of last.pt
    devices: int = 1  # processes that share each batch: one a GPU, or on the CPU beside one another
    threads: int = 1  # of torch; small models gain little from a second one, and two busy processes lose much

    SILENT: ClassVar[tuple[str, ...]] = ("devices", "save_seconds", "threads")
    """What never changes the trained model; except that several devices draw other noise than one."""

    def __post_init__(self) -> None:
        require_at_least(
            "trainer", self, dict.fromkeys(("steps", "round_steps", "batch", "validate", "devices", "threads"), 1)
        )
        if self.batch % self.devices:
            raise UserError(
                f"trainer.batch={self.batch} cannot be shared by trainer.devices={self.devices}; make it a multiple"
            )
        for name in ("learning_rate", "round_rate", "clip"):
            if not getattr(self, name) > 0:
                raise UserError(f"trainer.{name}={getattr(self, name)} must be above 0")
        for name in ("hold", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"trainer.{name}={getattr(self, name)} is a share; it must be in [0, 1]")
        if self.length < 2:
            raise UserError(f"trainer.length={self.length} shows a model no change; use at least 2")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise UserError(f"trainer.precision={self.precision!r} is not known; choose auto, float32 or bfloat16")
        if not 0 <= self.ema < 1:
            raise UserError(f"trainer.ema={self.ema} must be in [0, 1)")

    def for_round(self) -> TrainerConfig:
        """How training goes on when a round of on-policy data has come in."""
        return replace(self, steps=self.round_steps, learning_rate=self.round_rate * self.learning_rate)


def learning_rate(config: TrainerConfig, step: int) -> float:
    """Linear warm-up, a plateau, then a cosine down to `final_rate` of the full rate."""
    rise = min(1.0, (step + 1) / max(1, config.warmup))
    held = config.hold * config.steps
    progress = min(1.0, max(0.0, (step - held) / max(1.0, config.steps - held)))
    fall = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
    return config.learning_rate * rise * fall
