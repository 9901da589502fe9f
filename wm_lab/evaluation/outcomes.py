"""What one arm did in every episode of one manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import plain, read_json, write_json
from wm_lab.evaluation.manifest import Manifest, require_same


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One arm, played by one trained model or policy. Arrays are [E], in the order of `manifest.seeds`.

    `predicted` and `realised` are the returns of the chosen plans in the model's imagination and in the true simulator,
    each a mean over the decisions of the episode; NaN for an arm that imagines nothing.
    """

    arm: str  # "mpc", "bc", "expert", ...
    manifest: Manifest
    success: np.ndarray  # bool, the success test held at some step
    success_at_end: np.ndarray  # bool, it held at the last step played
    steps_to_success: np.ndarray  # float, control steps to the first hit; NaN where there was none
    episode_return: np.ndarray  # float, sum of rewards over the step budget
    decision_ms: np.ndarray  # float, wall milliseconds of one decision for one robot alone (a median, the same for all)
    predicted: np.ndarray  # float or NaN
    realised: np.ndarray  # float or NaN
    seed: int = 0  # of the training run behind this arm

    def __post_init__(self) -> None:
        for name in ARRAYS:
            array = np.asarray(getattr(self, name), bool if name in FLAGS else float)  # None, JSON's NaN, becomes one
            if array.shape != (len(self.manifest),):
                raise UserError(
                    f"arm {self.arm!r} has {array.size} values of {name} for the {len(self.manifest)} episodes of its "
                    "manifest; play the whole manifest"
                )
            object.__setattr__(self, name, array)
        if np.any(self.success != np.isfinite(self.steps_to_success)):
            raise UserError(f"arm {self.arm!r}: steps_to_success must be a number exactly where success is true")

    @property
    def steps_or_budget(self) -> np.ndarray:
        """Control steps [E] to the first hit; the whole step budget where there was none."""
        return np.where(self.success, self.steps_to_success, float(self.manifest.step_budget))

    def first(self, episodes: int) -> Outcomes:
        """The same arm on the first episodes of its manifest."""
        few = {name: getattr(self, name)[:episodes] for name in ARRAYS}
        return replace(self, manifest=self.manifest.first(episodes), **few)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, the manifest inside."""
        found = {IN_FILES.get(f.name, f.name): plain(getattr(self, f.name)) for f in fields(self)}
        return {**found, "manifest": self.manifest.to_dict()}

    def save(self, path: Path | str) -> None:
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: Path | str) -> Outcomes:
        """Inverse of `save`; UserError where the file is missing, incomplete or its manifest was edited."""
        keys = {f.name: IN_FILES.get(f.name, f.name) for f in fields(cls)}
        values = read_json(Path(path), "table of outcomes", list(keys.values()))
        manifest = Manifest.from_dict(values["manifest"], where=f"the manifest in {path}")
        return cls(**{**{name: values[key] for name, key in keys.items()}, "manifest": manifest})


FLAGS = ("success", "success_at_end")
ARRAYS = (*FLAGS, "steps_to_success", "episode_return", "decision_ms", "predicted", "realised")

IN_FILES = {"predicted": "imagined"}
"""{field: key} where they differ: stores and run folders of earlier versions hold these keys."""

Arm = Outcomes | Sequence[Outcomes]
"""An arm as the statistics see it: one Outcomes, or one for each training seed, all on one manifest."""


def runs(arm: Arm) -> list[Outcomes]:
    """The training seeds of an arm, checked to have played the same manifest."""
    every = [arm] if isinstance(arm, Outcomes) else list(arm)
    if not every:
        raise ValueError("an arm needs at least one run")
    require_pairable(*every)
    return every


def first(arm: Arm, episodes: int) -> list[Outcomes]:
    """The same trainings on the first episodes of their manifest."""
    return [run.first(episodes) for run in runs(arm)]


def joined(before: Outcomes, after: Outcomes) -> Outcomes:
    """One arm's episodes of two manifests that differ in their seeds alone, in this order."""
    manifest = replace(after.manifest, seeds=before.manifest.seeds)
    require_same(before.manifest, manifest)
    arrays: dict[str, Any] = {name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in ARRAYS}
    return replace(after, manifest=replace(manifest, seeds=before.manifest.seeds + after.manifest.seeds), **arrays)


def stack(arm: Arm, field: str) -> np.ndarray:
    """One field of an arm, [S, E]: training seeds by episodes."""
    return np.stack([getattr(run, field) for run in runs(arm)])


def require_pairable(first: Outcomes, *others: Outcomes) -> None:
    """Raise UserError unless all were played on one manifest, naming the arms and what differs."""
    for other in others:
        try:
            require_same(first.manifest, other.manifest)
        except UserError as error:
            raise UserError(f"{first.arm!r} and {other.arm!r}: {error}") from error
