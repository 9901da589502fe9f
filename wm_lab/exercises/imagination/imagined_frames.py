"""Imagined images against true ones: PSNR and SSIM beside copying the last frame, a filmstrip and a clip.

Shapes: W stretches of C observed and H following steps, B of them at a time, frames S × S × 3 in [0, 255].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from wm_lab.evaluation.assessment import MODEL, OVERALL, PERSISTENCE, SHUFFLED, Assessment, assess
from wm_lab.evaluation.horizon import Horizon
from wm_lab.evaluation.image_metrics import psnr, rms_error, ssim
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.table_cell import TableCell
from wm_lab.evaluation.trainings import by_leaf, over_trainings
from wm_lab.evaluation.verdicts import with_seeds
from wm_lab.exercises.imagination.plans import episode_means
from wm_lab.exercises.imagination.predictions import FLOOR, ImaginedFutures
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.reports.filmstrip import FPS, filmstrip, save_png, side_by_side
from wm_lab.reports.moving import Clip, save_moving, titled
from wm_lab.reports.tables import Table, counted, what_n_counts
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Variable
from wm_lab.world_model import Imagination, WorldModel

DISSIMILARITY = Variable("dissimilarity", 0, 0, "1 − SSIM")

WORDS = {PERSISTENCE: "last frame", FLOOR: "decoder floor", SHUFFLED: "shuffled actions"}

Means = dict[str, dict[str, dict[int, Interval]]]
"""{predictor: {"psnr" | "ssim": {step: mean over episodes}}}"""

COLUMNS = 9
"""Imagined frames in a filmstrip."""

MARKS = (5, 10, 20)
"""Steps that are among them."""

SHORTEST = 150.0
"""Milliseconds of a clip's frame at least, for an eye to follow."""


def image_key(model: WorldModel) -> str | None:
    """The images that this model imagines, if it does."""
    shapes = model.spec.observation
    return next((key for key in model.decoded_keys if len(shapes.get(key, ())) == 3), None)


class ImaginedFrames:
    """Looks at every batch of futures, and remembers scores [W, H] of every predictor; of images only what it shows."""

    def __init__(self, model: WorldModel, key: str, stretches: Stretches) -> None:
        self._model, self._key, self._stretches = model, key, stretches
        self._rms: dict[str, list[np.ndarray]] = {}
        self._psnr: dict[str, list[np.ndarray]] = {}
        self._ssim: dict[str, list[np.ndarray]] = {}
        self._sums = np.zeros(2)  # of true pixels and of their squares

    def look(self, rows: slice, futures: ImaginedFutures) -> None:
        """Score one batch, the rows `rows` of the stretches."""
        frames = self._stretches.windows.observation[self._key][rows].numpy()  # [B, C + H, S, S, 3]
        truth = frames[:, self._stretches.context :]
        last = frames[:, self._stretches.context - 1, None]
        shown = {
            MODEL: self._decode(futures.imagined),
            PERSISTENCE: np.broadcast_to(last, truth.shape),
            SHUFFLED: self._decode(futures.shuffled),
            FLOOR: self._decode(futures.followed),
        }
        for name, images in shown.items():
            for table, score in ((self._rms, rms_error), (self._psnr, psnr), (self._ssim, ssim)):
                table.setdefault(name, []).append(score(images, truth))
        self._sums += truth.mean(dtype=float), np.square(truth, dtype=float).mean()

    def assess(self, resamples: int) -> Assessment:
        """Curves and horizons of the images; `overall` is the RMS error in deviations of true pixels."""
        batches = len(self._rms[MODEL])
        mean, square = self._sums / batches
        deviation = float(np.sqrt(max(square - mean**2, 0.0))) or 1.0
        errors = {
            name: {OVERALL: rms / deviation, DISSIMILARITY.name: 1 - self._all(self._ssim, name)}
            for name, rms in ((name, self._all(self._rms, name)) for name in self._rms)
        }
        model = errors.pop(MODEL)
        found = assess(model, errors, self._stretches.episode, [DISSIMILARITY], group="frames", resamples=resamples)
        return replace(found, trainings=1)

    def means(self, steps: list[int]) -> dict[str, dict[str, dict[int, Interval]]]:
        """{predictor: {"psnr" | "ssim": {step: mean over episodes}}}"""
        tables = {"psnr": self._psnr, "ssim": self._ssim}
        return {
            name: {
                measure: {step: self._mean(self._all(table, name)[:, step - 1]) for step in steps}
                for measure, table in tables.items()
            }
            for name in self._rms
        }

    def pictures(self, folder: Path) -> dict[str, Path]:
        """Filmstrips of the stretch whose last frame is as good as the median, and of the worst."""
        found = {}
        for name, row in self._shown().items():
            truth, imagined = self._play(row)
            context, horizon = self._stretches.context, len(truth) - self._stretches.context
            marks = {step for step in MARKS if step <= horizon}
            few = np.linspace(1, horizon, COLUMNS - len(marks)).round().astype(int).tolist()
            steps = [context - 1, *(context + step - 1 for step in sorted({*marks, *few}))]
            strip = filmstrip(truth, imagined, steps=steps, context=context)
            found[f"filmstrip {name}"] = save_png(strip, folder / f"filmstrip_{name}.png")
        return found

    def clips(self, folder: Path, hz: float | None) -> list[Clip]:
        """The same two as moving pictures: truth, imagined, difference. hz: None where nobody knows."""
        found = []
        for name, row in self._shown().items():
            truth, imagined = self._play(row)
            sides = side_by_side([truth, imagined, np.clip(128 + imagined - truth, 0, 255)])
            after = len(truth) - self._stretches.context
            counted = [
                titled(frame, "seen" if step < 1 else f"step {step}")
                for step, frame in enumerate(sides, 1 - self._stretches.context)
            ]
            path = save_moving(counted, folder / f"frames_{name}", max(SHORTEST, 1000 / (hz or FPS)))
            told = f"true, imagined, difference: the {name} window, {after} steps ahead"
            found.append(Clip(f"frames {name}", path, told, f"Three pictures beside each other: {told}."))
        return found

    def _shown(self) -> dict[str, int]:
        """Which stretches are looked at."""
        order = np.argsort(self._all(self._ssim, MODEL)[:, -1])
        return {"median": int(order[len(order) // 2]), "worst": int(order[0])}

    @torch.inference_mode()
    def _play(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """True and imagined frames [C + H, S, S, 3] of one stretch; the first C are decoded from what was observed."""

        part = self._stretches[row : row + 1]
        device = device_of(self._model)
        belief, observed = self._model.observe(part.observed.to(device))
        imagined = self._model.imagine(belief, part.actions[:, None].to(device))
        frames = [self._decode(imagination)[0] for imagination in (observed, imagined)]
        return part.windows.observation[self._key][0].numpy().astype(float), np.concatenate(frames).astype(float)

    def _decode(self, imagination: Imagination) -> np.ndarray:
        """ImaginedFrames [B, H, S, S, 3]."""
        return self._model.decode(imagination)[self._key][:, 0].float().cpu().numpy()

    def _all(self, table: Mapping[str, list[np.ndarray]], name: str) -> np.ndarray:
        return np.concatenate(table[name])

    def _mean(self, values: np.ndarray) -> Interval:
        return mean(episode_means(values, self._stretches.episode))


def over_means(every: Sequence[Mapping[str, Mapping[str, Mapping[int, Interval]]]]) -> Means:
    """The same of all trainings."""
    return {
        name: {measure: by_leaf(over_trainings, [means[name][measure] for means in every]) for measure in by_measure}
        for name, by_measure in every[0].items()
    }


def frames_table(means: Mapping[str, Mapping[str, Mapping[int, Interval]]], seeds: int = 0) -> Table:
    """PSNR and SSIM of every predictor at the marks."""
    rows = [
        (
            WORDS.get(name, name) if i == 0 else TableCell("", {"": WORDS.get(name, name)}),
            word,
            *(mean.bounds() for mean in scores.values()),
            counted(_n(scores), seeds),
        )
        for name, by_measure in means.items()
        for i, (word, scores) in enumerate((("PSNR, dB", by_measure["psnr"]), ("SSIM", by_measure["ssim"])))
    ]
    steps = list(next(iter(means.values()))["psnr"])
    columns = ("frames", "score", *(f"at {step}" for step in steps), "n")
    caption = f"Means and 95 % intervals; higher is better, an SSIM of 1 is the same image. {what_n_counts([seeds])}"
    return Table(
        "Imagined frames", columns, rows, frozenset({"frames", "score"}), caption, list(range(2, len(rows), 2))
    )


def _n(scores: Mapping[int, Interval]) -> int:
    return next(iter(scores.values())).n


def frames_verdict(assessment: Assessment) -> str:
    """How far imagined frames are better than the last one seen."""
    horizon: Horizon = assessment.beats[PERSISTENCE][DISSIMILARITY.name]
    if not horizon.low:
        return f"cannot tell that imagined frames are closer to the truth (SSIM) than the last one seen: {horizon}."
    told = f"imagined frames are closer to the truth (SSIM) than the last one seen for {horizon.bounds()} steps."
    return with_seeds(assessment.trainings, told)
