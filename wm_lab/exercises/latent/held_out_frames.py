"""HeldOutFrames of held-out trajectories: what was seen, where everything truly was, and what was going on.

Shapes: E trajectories of up to T steps; M frames, all steps of all trajectories in order, once a belief has formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import OBSERVATION
from wm_lab.data.window_reader import WindowReader
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Variable
from wm_lab.world_model import Windows, WorldModel

SETTLE = 4
"""First steps that are left out: no velocity shows in the first, and a belief forms over a few."""

BATCH = 16  # trajectories

APPROACH, CONTACT, APART, SOLVED = PHASES = ("approach", "contact", "apart", "solved")
"""Nothing was touched yet; something is; no longer; success holds now. Every task can tell."""


@dataclass(frozen=True)
class HeldOutFrames:
    windows: Windows  # [E, T], padded
    kept: np.ndarray  # [E, T] bool, the frames among the steps
    state: np.ndarray  # [M, D] the truth
    trajectory: np.ndarray  # [M] 0..E-1
    step: np.ndarray  # [M] actions played before
    phase: np.ndarray  # [M] of `PHASES`
    to_go: np.ndarray  # [M] steps until the first success; NaN afterwards, and where there is none

    def sampled(self, count: int) -> np.ndarray:
        """Indices of up to `count` frames of each trajectory, evenly spread over it."""
        rows = (np.flatnonzero(self.trajectory == e) for e in range(len(self.kept)))
        return np.concatenate([r[np.unique(np.linspace(0, len(r) - 1, count).round().astype(int))] for r in rows])


def gather(dataset: Dataset, keys: Sequence[str]) -> HeldOutFrames:
    """Every episode of the dataset, with the observations `keys`."""
    table = dataset.table
    episodes = np.arange(len(dataset))
    reader = WindowReader(dataset, int(table.length.max()) + 1, keys)
    windows = reader.read(torch.from_numpy(episodes), torch.from_numpy(table.offset))
    step = np.arange(reader.length)
    kept = windows.valid.numpy() & (step >= np.minimum(SETTLE, table.length)[:, None])
    parts = [_episode(dataset, e, np.flatnonzero(row)) for e, row in enumerate(kept)]
    state, phase, to_go = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    trajectory, steps = np.nonzero(kept)
    return HeldOutFrames(windows, kept, state, trajectory, steps, phase, to_go)


def spread_over(phase: np.ndarray, trajectory: np.ndarray, seed: int = 0) -> np.ndarray:
    """One row [E] of each trajectory among frames [M], so that each phase is taken as often as can be."""
    rng = np.random.default_rng(seed)
    taken = dict.fromkeys(np.unique(phase).tolist(), 0)
    chosen = np.empty(int(trajectory.max()) + 1, int)
    for name in rng.permutation(len(chosen)):
        rows = np.flatnonzero(trajectory == name)
        rarest = min(np.unique(phase[rows]).tolist(), key=taken.__getitem__)
        taken[rarest] += 1
        chosen[name] = rng.choice(rows[phase[rows] == rarest])
    return chosen


@torch.inference_mode()
def latents(model: WorldModel, frames: HeldOutFrames) -> np.ndarray:
    """Posterior features [M, F] of every frame, each trajectory filtered from its beginning."""
    model.eval()
    kept = torch.from_numpy(frames.kept)
    found = []
    for begin in range(0, len(kept), BATCH):
        rows = slice(begin, begin + BATCH)
        _, filtered = model.observe(frames.windows[rows].to(device_of(model)))
        found.append(filtered.features[:, 0].cpu().float()[kept[rows]])
    return torch.cat(found).numpy()


def observations(frames: HeldOutFrames, keys: Sequence[str]) -> np.ndarray:
    """What the model was shown, flattened [M, O]: vectors in deviations, pixels in [0, 1]."""
    parts = []
    for key in keys:
        seen = frames.windows.observation[key].numpy()[frames.kept]
        if seen.dtype == np.uint8:
            parts.append(seen.reshape(len(seen), -1) / np.float32(255))
        else:
            spread = seen.std(0)
            parts.append((seen - seen.mean(0)) / np.where(spread > 0, spread, 1))
    return np.concatenate(parts, axis=1)


def observed_vectors(frames: HeldOutFrames, keys: Sequence[str]) -> np.ndarray:
    """The numbers [M, V] among what the model was shown, images left out."""
    seen = [frames.windows.observation[key].numpy()[frames.kept] for key in keys]
    return np.concatenate([np.zeros((len(frames.state), 0)), *(v for v in seen if v.ndim == 2)], axis=1)


def phases(contact: np.ndarray, success: np.ndarray) -> np.ndarray:
    """What goes on at each step [L + 1] of an episode, one of `PHASES`."""
    touched = np.logical_or.accumulate(contact)
    return np.select([success, contact, touched], [SOLVED, CONTACT, APART], APPROACH)


def steps_to_go(success: np.ndarray) -> np.ndarray:
    """[L + 1] steps until the first success; NaN after it, and everywhere where there is none."""
    left = (success.argmax() if success.any() else np.nan) - np.arange(len(success))
    return np.where(left >= 0, left, np.nan)


def targets(state: np.ndarray, variables: Sequence[Variable]) -> tuple[np.ndarray, dict[str, slice]]:
    """What probes are asked for, [M, D'] and whose columns are whose: every named variable of the states [M, D].

    Of a quaternion, sine and cosine of its yaw: q and -q are the same turn, which no regression can know.
    """
    columns: dict[str, slice] = {}
    parts: list[np.ndarray] = []
    width = 0
    for variable in variables:
        name, values = variable.name, state[:, variable.slice].astype(float)
        if variable.unit == "quaternion":
            name, values = name.replace("rotation", "yaw"), _yaw(values)
        parts.append(values)
        columns[name] = slice(width, width + values.shape[1])
        width += values.shape[1]
    return np.concatenate(parts, axis=1), columns


def places(state: np.ndarray, variables: Sequence[Variable]) -> np.ndarray:
    """Where things are [M, P], by which scenes are compared: all that is in metres, or else the whole state."""
    metres = [state[:, v.slice] for v in variables if v.unit == "m"]
    return np.concatenate(metres, axis=1) if metres else state


def _yaw(quaternion: np.ndarray) -> np.ndarray:
    """(sine, cosine) [M, 2] of the turn about the vertical of (w, x, y, z) [M, 4]."""
    w, x, y, z = quaternion.T
    angle = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.stack([np.sin(angle), np.cos(angle)], 1)


def _episode(dataset: Dataset, index: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State, phase and steps to go at some steps of one episode."""
    begin = int(dataset.table.offset[index])
    end = begin + int(dataset.table.length[index]) + 1
    state, contact, success = (
        dataset.slice(name, begin, end) for name in (OBSERVATION + "state", "contact", "success")
    )
    return state[steps], phases(contact, success)[steps], steps_to_go(success)[steps]
