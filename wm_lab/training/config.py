"""What a training is asked to do, and the learning rate at each of its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from wm_lab.domains import Amount, Batch, Count, Domain, Positive, Seconds, Share, ShareBelowOne, Threads, Window
from wm_lab.errors import UserError


@dataclass
class TrainerConfig:
    steps: Count = 3000  # gradient steps
    round_steps: Count = 1500  # more, after each round of on-policy data
    round_rate: Positive = 0.5  # share of the learning rate that a round starts with
    batch: Batch = 64  # windows in a gradient step
    length: Window = 16  # steps in a window
    learning_rate: Annotated[float, Domain(above=0, most=10)] = 1e-3  # of AdamW, at its highest
    warmup: Amount = 100  # steps of linear increase
    hold: Share = 0.3  # share of the steps at the full rate, before a cosine lowers it
    final_rate: Share = 0.02  # what is left of the rate at the end
    weight_decay: Annotated[float, Domain(least=0, most=100)] = 1e-4  # of AdamW; more keeps the weights smaller
    clip: Positive = 100.0  # largest norm of the gradient
    ema: ShareBelowOne = 0.998  # the averaged weights are the ones that are kept
    precision: str = "auto"  # float32, bfloat16, or auto: bfloat16 where the GPU has it
    validate: Count = 10  # how often, over the whole training
    save_seconds: Seconds = 20.0  # between writings of last.pt
    devices: Threads = 1  # processes that share each batch: one a GPU, or on the CPU beside one another
    threads: Threads = 1  # of torch; small models gain little from a second one, and two busy processes lose much
    init_from: str | None = None
    """A run or a checkpoint whose weights training begins with: to fine-tune, or to train longer."""

    SILENT: ClassVar[tuple[str, ...]] = ("devices", "save_seconds", "threads", "init_from")
    """What never changes the trained model; but several devices draw other noise than one, and a parent is named by its
    weights, wherever it lies."""

    def __post_init__(self) -> None:
        if self.batch % self.devices:
            raise UserError(
                f"trainer.batch={self.batch} cannot be shared by trainer.devices={self.devices}; make it a multiple"
            )
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise UserError(f"trainer.precision={self.precision!r} is not known; choose auto, float32 or bfloat16")

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
