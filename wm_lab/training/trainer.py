"""The training loop, one for every model: world models and cloned policies alike.

A model is an `nn.Module` with `config`, `spec` and `loss(windows) -> (scalar, logs)`. A training that was killed goes
on from `last.pt` to the same weights, bit for bit: optimiser, averages, data order and random streams are kept there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import WindowSampler
from wm_lab.errors import UserError, require_at_least
from wm_lab.training.checkpoint import read, save_model, write
from wm_lab.world_model import Windows

LAST, BEST = "last.pt", "best.pt"
REPORT = "training.json"
"""What a finished training cost: {"parameters", "steps", "seconds"}; seconds of all attempts, validation included."""

VALIDATION_BATCHES = 8

Log = Callable[[int, Mapping[str, float]], object]
"""log(step, scalars)"""


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
    threads: int = 1  # of torch; small models gain little from a second one, and two busy processes lose much

    SILENT: ClassVar[tuple[str, ...]] = ("save_seconds", "threads")
    """What never changes the trained model."""

    def __post_init__(self) -> None:
        require_at_least("trainer", self, dict.fromkeys(("steps", "round_steps", "batch", "validate", "threads"), 1))
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


def train(
    model: nn.Module,
    dataset: Dataset,
    config: TrainerConfig,
    folder: Path,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    shard_weights: Sequence[float] | None = None,
    log: Log | None = None,
) -> Path:
    """Train `model` on the dataset's training split and return the checkpoint of its best validation loss.

    `folder` may hold a killed attempt of the same training; its `last.pt` is gone on from. Raises UserError where the
    data is shorter than `config.length`, and FloatingPointError, naming the loss term, where a loss is not finite.
    """
    torch.set_num_threads(config.threads)
    with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
        torch.manual_seed(seed)
        session = Session(model, dataset, config, folder, seed, torch.device(device), shard_weights)
        session.run(log or (lambda step, scalars: None))
    return folder / BEST


class Session:
    """One training, from its first step or from where it was interrupted."""

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        config: TrainerConfig,
        folder: Path,
        seed: int,
        device: torch.device,
        shard_weights: Sequence[float] | None,
    ) -> None:
        self.config, self.folder, self.device = config, folder, device
        self.model = model.to(device).train()
        keys = tuple(model.spec.observation)  # type: ignore[union-attr,arg-type]
        weights = shard_weights
        self.sampler = WindowSampler(
            dataset, "train", config.batch, config.length, seed, keys=keys, shard_weights=weights
        )
        has_validation = len(dataset.episodes("validation")) > 0
        split = "validation" if has_validation else "train"
        held_out = WindowSampler(dataset, split, config.batch, config.length, 0, keys=keys)
        self.validation = [held_out.sample() for _ in range(VALIDATION_BATCHES)]
        self.optimiser = torch.optim.AdamW(
            model.parameters(), config.learning_rate, weight_decay=config.weight_decay, foreach=True
        )
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step, self.best, self.seconds = 0, math.inf, 0.0
        self._resume()

    def run(self, log: Log) -> None:
        config = self.config
        every = max(1, config.steps // config.validate)
        saved = self._clock = time.monotonic()
        while self.step < config.steps:
            logs = self._advance(self.sampler.sample().to(self.device))
            if self.step % every == 0 or self.step == config.steps:
                log(self.step, {**_floats(logs), **self._validate()})
            if time.monotonic() - saved > config.save_seconds:
                self._save()
                saved = time.monotonic()
        self._save()
        if not (self.folder / BEST).exists():
            raise FloatingPointError(
                "no validation loss was finite, so there is no best model; lower trainer.learning_rate"
            )
        parameters = sum(p.numel() for p in self.model.parameters())
        report = {"parameters": parameters, "steps": self.step, "seconds": round(self.seconds, 1)}
        (self.folder / REPORT).write_text(json.dumps(report))

    def _advance(self, windows: Windows) -> dict[str, Tensor]:
        """One optimiser step."""
        rate = learning_rate(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self._precision():
            loss, logs = self.model.loss(windows)  # type: ignore[operator]
        if not torch.isfinite(loss):
            raise FloatingPointError(_diagnosis(self.step, logs))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        if torch.isfinite(norm):  # an overflowing gradient of a finite loss is skipped, as mixed precision needs
            self.optimiser.step()
        self.step += 1
        self._update_average()
        return {"loss": loss.detach(), **logs, "gradient_norm": norm, "learning_rate": torch.tensor(rate)}

    def _update_average(self) -> None:
        # Early weights are poor: the average starts short and grows to its full length.
        keep = min(self.config.ema, self.step / (self.step + 10))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Loss of the averaged weights on held-out windows; the best one is kept."""
        training = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(0)  # the same latent draws every time, so that losses can be compared
            with self._precision():
                losses = [self.model.loss(windows.to(self.device)) for windows in self.validation]  # type: ignore[operator]
        total = float(torch.stack([loss for loss, _ in losses]).mean())
        if total < self.best:
            self.best = total
            save_model(self.folder / BEST, self.model, self.model.state_dict(), step=self.step, validation_loss=total)
        self.model.load_state_dict(training)
        parts = {name: float(torch.stack([logs[name] for _, logs in losses]).mean()) for name in losses[0][1]}
        return {"validation/loss": total, **{f"validation/{name}": value for name, value in parts.items()}}

    def _precision(self) -> Any:
        """bfloat16 arithmetic where it was asked for; weights stay float32."""
        wanted = self.config.precision
        if wanted == "auto":
            wanted = "bfloat16" if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
        return torch.autocast(self.device.type, torch.bfloat16) if wanted == "bfloat16" else nullcontext()

    def _save(self) -> None:
        now = time.monotonic()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        content = {
            "format": 1,
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "sampler": self.sampler.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            content["random_cuda"] = torch.cuda.get_rng_state(self.device)
        write(self.folder / LAST, content)

    def _resume(self) -> None:
        if not (self.folder / LAST).exists():
            return
        content = read(self.folder / LAST)
        self.step, self.best, self.seconds = content["step"], content["best"], content["seconds"]
        self.model.load_state_dict(content["model"])
        self.average = {name: value.to(self.device) for name, value in content["average"].items()}
        self.optimiser.load_state_dict(content["optimiser"])
        self.sampler.load_state_dict(content["sampler"])
        torch.set_rng_state(content["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(content["random_cuda"], self.device)


def learning_rate(config: TrainerConfig, step: int) -> float:
    """Linear warm-up, a plateau, then a cosine down to `final_rate` of the full rate."""
    rise = min(1.0, (step + 1) / max(1, config.warmup))
    held = config.hold * config.steps
    progress = min(1.0, max(0.0, (step - held) / max(1.0, config.steps - held)))
    fall = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
    return config.learning_rate * rise * fall


def _floats(logs: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def _diagnosis(step: int, logs: Mapping[str, Tensor]) -> str:
    broken = [name for name, value in logs.items() if not torch.isfinite(value)] or ["their sum"]
    return (
        f"the loss is not finite at step {step}, in {', '.join(broken)}; the last good weights are in {LAST}: lower "
        "trainer.learning_rate or trainer.clip, or look for odd values in the data"
    )
