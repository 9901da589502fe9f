"""The training loop, one for every model: world models and cloned policies alike.

A training that was killed goes on from `last.pt` to the same weights, bit for bit: optimiser, averages, data order and
random streams are kept there.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wm_lab.data.dataset import Dataset
from wm_lab.data.splits import SplitConfig
from wm_lab.data.windows import WindowSampler
from wm_lab.errors import UserError
from wm_lab.system.seal import sealed
from wm_lab.training.checkpoint import fill, read, save_model, write
from wm_lab.training.config import TrainerConfig, learning_rate
from wm_lab.training.distributed import Place, together
from wm_lab.world_model import Trainable, Windows

logger = logging.getLogger(__name__)

LAST, BEST = "last.pt", "best.pt"
REPORT = "training.json"
"""What a finished training cost: {"parameters", "steps", "seconds"}; seconds of all attempts, validation included."""

VALIDATION_BATCHES = 8

Log = Callable[[int, Mapping[str, float]], object]
"""log(step, scalars)"""

Judge = Callable[[Trainable, int], Mapping[str, float]]
"""judge(model, step): its "loss", by which the best is chosen, and what else is to be logged"""


def train(
    model: Trainable,
    dataset: Dataset,
    config: TrainerConfig,
    folder: Path,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    shard_weights: Sequence[float] | None = None,
    log: Log | None = None,
    judge: Judge | None = None,
) -> Path:
    """Train `model` on the dataset's training split and return the checkpoint of its best validation loss.

    `folder` may hold a killed attempt of the same training; its `last.pt` is gone on from. Episodes shorter than
    `config.length` are padded, and what is padded is no part of a loss. A `judge` validates in place of held-out
    windows. Raises FloatingPointError, naming the loss
    term, where a loss is not finite.
    """
    part = partial(_help, model, [shard.folder for shard in dataset.shards], dataset.split_config, config, folder, seed)
    device = torch.device(device)
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        together(partial(part, shard_weights), config.devices, device) as place,
    ):
        Session(model, dataset, config, folder, seed, place, shard_weights, judge).run(
            log or (lambda step, scalars: None)
        )
    return folder / BEST


def _help(
    model: Trainable,
    shards: Sequence[Path],
    split: SplitConfig,
    config: TrainerConfig,
    folder: Path,
    seed: int,
    shard_weights: Sequence[float] | None,
    place: Place,
) -> None:
    """What a further process of the same training does."""
    dataset = Dataset.open(*shards, split=split, verify_up_to=0)  # whoever asked has compared the checksums
    Session(model, dataset, config, folder, seed, place, shard_weights).follow()


class Session:
    """One training, from its first step or from where it was interrupted."""

    def __init__(
        self,
        model: Trainable,
        dataset: Dataset,
        config: TrainerConfig,
        folder: Path,
        seed: int,
        place: Place,
        shard_weights: Sequence[float] | None,
        judge: Judge | None = None,
    ) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(seed)
        self.config, self.folder, self.seed, self.judge = config, folder, seed, judge
        self.place, self.device = place, place.device
        self.model = model.to(self.device).train()
        keys = tuple(model.spec.observation)
        more: dict[str, Any] = {
            "shard_weights": shard_weights,
            "labelled": getattr(model, "labelled", 1.0),
            "exchange": getattr(model, "exchange", False),
        }
        self.sampler = WindowSampler(dataset, "train", config.batch, config.length, seed, keys=keys, **more)
        has_validation = len(dataset.episodes("validation")) > 0
        split = "validation" if has_validation else "train"
        held_out = WindowSampler(dataset, split, config.batch, config.length, 0, keys=keys)
        self.validation = [held_out.sample() for _ in range(VALIDATION_BATCHES)]
        # Not `fused`, which saves 5 ms a step on a CPU: a preempted training then ended with other bits.
        self.optimiser = torch.optim.AdamW(
            model.parameters(), config.learning_rate, weight_decay=config.weight_decay, foreach=True
        )
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step, self.best, self.seconds = 0, math.inf, 0.0
        self._resume()
        self.loss = place.share_gradients(self.model)

    def run(self, log: Log) -> None:
        config = self.config
        every = max(1, config.steps // config.validate)
        saved = self._clock = time.monotonic()
        while self.step < config.steps:
            logs = self._advance(self._share())
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
        (self.folder / REPORT).write_text(json.dumps(sealed(report)))

    def follow(self) -> None:
        """Every step and nothing else: to validate, write and tell is left to whoever leads."""
        while self.step < self.config.steps:
            self._advance(self._share())

    def _share(self) -> Windows:
        """This process's part of the next batch."""
        return self.sampler.sample(self.place.share).to(self.device)

    def _advance(self, windows: Windows) -> dict[str, Tensor]:
        """One optimiser step."""
        self.place.seed(self.seed, self.step)
        rate = learning_rate(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self._precision():
            loss, logs = self.loss(windows)
        mean, logs = self.place.mean(loss.detach(), logs)
        if not torch.isfinite(mean):
            raise FloatingPointError(_diagnosis(self.step, logs))
        self.optimiser.zero_grad(set_to_none=True)
        if loss.requires_grad:  # what is evolved moves its weights itself
            loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        if torch.isfinite(norm):  # an overflowing gradient of a finite loss is skipped, as mixed precision needs
            self.optimiser.step()
        self.step += 1
        self._update_average()
        return {"loss": mean, **logs, "gradient_norm": norm, "learning_rate": torch.tensor(rate)}

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
        """Loss of the averaged weights, on held-out windows or as judged; the best one is kept."""
        training = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(0)  # the same latent draws every time, so that losses can be compared
            told = self._judged() if self.judge is None else dict(self.judge(self.model, self.step))
        total = told["loss"]
        follows_itself = self.judge is None and getattr(self.model, "follows_itself", False)
        if total < self.best or (follows_itself and math.isfinite(total)):
            self.best = total
            save_model(self.folder / BEST, self.model, self.model.state_dict(), step=self.step, validation_loss=total)
        self.model.load_state_dict(training)
        self.model.train()
        return {f"validation/{name}": value for name, value in told.items()}

    def _judged(self) -> dict[str, float]:
        """Means over the held-out windows."""
        with self._precision():
            losses = [self.model.loss(windows.to(self.device)) for windows in self.validation]
        parts = {name: float(torch.stack([logs[name] for _, logs in losses]).mean()) for name in losses[0][1]}
        return {**parts, "loss": float(torch.stack([loss for loss, _ in losses]).mean())}

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
        try:
            content = read(self.folder / LAST)
        except UserError as damaged:  # by what killed the training, or since: there is nothing to go on from
            logger.warning("%s; training from the beginning", damaged)
            (self.folder / LAST).unlink()
            (self.folder / BEST).unlink(missing_ok=True)
            return
        self.step, self.best, self.seconds = content["step"], content["best"], content["seconds"]
        fill(self.model, content["model"], self.folder / LAST)
        self.average = {name: value.to(self.average[name].device) for name, value in content["average"].items()}
        self.optimiser.load_state_dict(content["optimiser"])
        self.sampler.load_state_dict(content["sampler"])
        torch.set_rng_state(content["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(content["random_cuda"], self.device)


def _floats(logs: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def _diagnosis(step: int, logs: Mapping[str, Tensor]) -> str:
    broken = [name for name, value in logs.items() if not torch.isfinite(value)] or ["their sum"]
    return (
        f"the loss is not finite at step {step}, in {', '.join(broken)}; the last good weights are in {LAST}: lower "
        "trainer.learning_rate or trainer.clip, or look for odd values in the data"
    )
