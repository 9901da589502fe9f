"""Labels: inverse dynamics fitted to real transitions, and corrective labels that lead back to a demonstration.

Letters in shapes: M segments, V numbers of a frame, A action dimensions.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.synthesis.segments import Observations, Starts
from wm_lab.world_model import DataSpec

RIDGE = 1e-6
"""Penalty per transition on inputs in standard deviations."""

BLOCK = 1 << 16  # transitions regressed at a time

NEAR = 10  # steps of a demonstration, before and after a moment, among which the frame is sought that is most like it
ALIKE = 1.25  # of the least deviation: frames that near count as equally alike


class StepScale:
    """An observation's vectors as one row of numbers in standard deviations of the real data."""

    def __init__(self, spec: DataSpec) -> None:
        self.keys = [key for key, shape in spec.observation.items() if len(shape) == 1]
        self._mean = {key: np.array(spec.mean[key]) for key in self.keys}
        self._std = {key: np.array(spec.std[key]) for key in self.keys}
        # A number that never moves within an episode cannot deviate from a demonstration: its step is infinite.
        self.step_std = np.concatenate(
            [np.where(spec.changes[key], np.array(spec.std_change[key]) / self._std[key], np.inf) for key in self.keys]
        )
        """[V] typical one-step change of each number of a frame."""

    def __call__(self, observation: Observations) -> np.ndarray:
        """{key: [..., D]} -> [..., V]"""
        return np.concatenate([(observation[key] - self._mean[key]) / self._std[key] for key in self.keys], axis=-1)


class InverseDynamics:
    """The action between two neighbouring frames: a = [x, x' - x, 1] @ W, by ridge regression on real transitions."""

    def __init__(self, now: np.ndarray, following: np.ndarray, action: np.ndarray) -> None:
        """now, following: [n, V]; action: [n, A] that led from one to the other."""
        gram, cross = np.zeros((1, 1)), np.zeros((1, 1))
        for begin in range(0, len(now), BLOCK):
            part = slice(begin, begin + BLOCK)
            inputs = _inputs(now[part], following[part])
            gram, cross = gram + inputs.T @ inputs, cross + inputs.T @ action[part]
        # One-step changes are far smaller than the spread of frames: each input is penalised in its own scale.
        scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny) / len(now))
        penalty = RIDGE * len(now) * np.diag(scale**2)
        self._weights = np.linalg.solve(gram + penalty + 1e-12 * np.eye(len(gram)), cross)

    @classmethod
    def fit(cls, dataset: Dataset, step_scale: StepScale) -> Self:
        """From all transitions of the training split."""
        episodes = [dataset.episode(int(e)) for e in dataset.episodes("train")]
        frames = [step_scale(episode.observation) for episode in episodes]
        now, following = (np.concatenate(parts) for parts in zip(*((x[:-1], x[1:]) for x in frames), strict=True))
        return cls(now, following, np.concatenate([episode.action[1:] for episode in episodes]))

    def __call__(self, now: np.ndarray, following: np.ndarray) -> np.ndarray:
        """[..., V], [..., V] -> [..., A], not clipped: a frame out of reach asks for more than the robot can do."""
        action: np.ndarray = _inputs(now, following) @ self._weights
        return action


class CorrectiveLabels:
    """Corrective labels towards the demonstrations that M segments departed from.

    From x the way back aims at x* = d_{j+1} + keep (x - d_j): the demonstration's next frame, and of the present
    deviation what `keep` leaves (corrective labels as in CCIL, Ke et al. 2023, arXiv 2310.12972). The label is
    a_{j+1} + IDM(x, x*) - IDM(d_j, d_{j+1}), so that on the demonstration it is the demonstrated action, however
    roughly the inverse dynamics know it. After its end a demonstration stays at its last frame.

    d_j is the k-th frame after the start (`label`), or of `NEAR` steps around it the one most like x (`label_alike`).
    By the clock alone, segments that meet are told different things: where a demonstration waits above a hole, a peg
    that has sunk a little is to rise again, and where it goes down to go on. A clone of both hovers there for ever.
    Where several frames are alike the last of them is meant: who might wait or go on goes on.
    """

    def __init__(
        self, dataset: Dataset, starts: Starts, step_scale: StepScale, inverse: InverseDynamics, keep: float
    ) -> None:
        self.step_scale, self._inverse, self._keep = step_scale, inverse, keep
        recorded, self._row = starts.recorded(dataset)
        self._step = starts.step
        self._last = np.array([episode.steps for episode in recorded])[self._row]  # [M]
        longest = max(episode.steps for episode in recorded)
        self._observation = {
            key: np.stack([_padded(episode.observation[key], longest) for episode in recorded])
            for key in recorded[0].observation
        }
        self._frames = step_scale(self._observation)  # [E, longest + 1, V]
        self._actions = np.stack([_padded(episode.action, longest) for episode in recorded])

    def observation(self, k: int) -> Observations:
        """{key: [M, 1, ...]} demonstrated k steps after the start."""
        at = self._at(k)
        return {key: value[self._row, at][:, None] for key, value in self._observation.items()}

    def frame(self, k: int) -> np.ndarray:
        """[M, V] demonstrated k steps after the start."""
        frame: np.ndarray = self._frames[self._row, self._at(k)]
        return frame

    def action(self, k: int) -> np.ndarray:
        """[M, A] the demonstrated action that led to frame k >= 1."""
        action: np.ndarray = self._actions[self._row, self._at(k)]
        return action

    def actions(self, count: int) -> np.ndarray:
        """[M, count, A] the demonstrated actions from the start on."""
        return np.stack([self.action(k + 1) for k in range(count)], axis=1)

    def distance(self, frames: np.ndarray, k: int) -> np.ndarray:
        """Deviation [M] of frames [M, V] from the demonstration's k steps after the start, in typical one-step changes.

        So a block that was pushed aside by a centimetre weighs as much as a hand that is further off.
        """
        return self._distance(frames, self._at(k))

    def label(self, frames: np.ndarray, k: int) -> np.ndarray:
        """Labels [M, A] in [-1, 1] for frames [M, V] that are k steps after the start."""
        return self._label(frames, self._at(k))

    def label_alike(self, frames: np.ndarray, k: int) -> np.ndarray:
        """The same, as if they were where the demonstration is most like them: what they say depends on no clock."""
        return self._label(frames, self._most_alike(frames, k))

    def _label(self, frames: np.ndarray, step: np.ndarray) -> np.ndarray:
        """As if frames [M, V] were at steps [M] of their demonstrations."""
        arrived = np.minimum(step + 1, self._last)
        target = self._frames[self._row, arrived] + self._keep * (frames - self._frames[self._row, step])
        # The demonstrated transition that leads to the target's; past the end, the last one.
        demonstrated = self._inverse(self._frames[self._row, arrived - 1], self._frames[self._row, arrived])
        label = self._actions[self._row, arrived] + self._inverse(frames, target) - demonstrated
        clipped: np.ndarray = label.clip(-1, 1).astype(np.float32)
        return clipped

    def _most_alike(self, frames: np.ndarray, k: int) -> np.ndarray:
        """Steps [M] of the demonstrations whose frames are nearest; the last of those that are about as near."""
        steps = np.stack([(self._at(k) + ahead).clip(0, self._last) for ahead in range(NEAR, -NEAR - 1, -1)])
        distance = np.stack([self._distance(frames, step) for step in steps])
        last = (distance <= ALIKE * distance.min(0)).argmax(0)
        chosen: np.ndarray = steps[last, np.arange(len(frames))]
        return chosen

    def _distance(self, frames: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Of frames [M, V] from those that were demonstrated at steps [M]."""
        deviation = frames - self._frames[self._row, step]
        distance: np.ndarray = np.sqrt(np.square(deviation / self.step_scale.step_std).mean(-1))
        return distance

    def _at(self, k: int) -> np.ndarray:
        step: np.ndarray = np.minimum(self._step + k, self._last)
        return step


def _inputs(now: np.ndarray, following: np.ndarray) -> np.ndarray:
    return np.concatenate([now, following - now, np.ones((*now.shape[:-1], 1))], axis=-1, dtype=np.float64)


def _padded(rows: np.ndarray, longest: int) -> np.ndarray:
    """[L + 1, ...] -> [longest + 1, ...], the last row repeated."""
    missing = longest + 1 - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
