"""How far the dream is from the truth, as one number that a person can read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wm_lab.tasks.task import TaskSpec
from wm_lab.world_model import WorldModel

CENTIMETRES = 100.0
FIXED = "goal"
"""What does not move within an episode, and would make every error look small."""


@dataclass(frozen=True)
class Gap:
    """A distance between two observations.

    places: slices of a state that are positions in metres; their mean distance counts, in centimetres
    key: without places, the observation whose root mean square difference counts, in units of `scale`
    """

    unit: str
    key: str
    places: tuple[slice, ...] = ()
    scale: np.ndarray | float = 1.0

    @classmethod
    def of(cls, task_spec: TaskSpec, model: WorldModel) -> Gap:
        """The most telling one for what the model decodes."""
        keys = model.decoded_keys
        if "state" in keys:
            moving = [
                v for v in task_spec.variables if v.unit == "m" and v.stop - v.start in (2, 3) and v.name != FIXED
            ]
            if moving:
                return cls("cm", "state", tuple(v.slice for v in moving))
            std = np.asarray(model.spec.std.get("state", 1.0))
            return cls("std", "state", scale=np.where(std > 0, std, 1.0))
        images = [key for key in keys if len(model.spec.observation.get(key, ())) == 3]
        if images:
            return cls("grey levels", images[0])
        return cls("std", keys[0], scale=np.maximum(np.asarray(model.spec.std.get(keys[0], 1.0)), 1e-6))

    def measure(self, truth: dict[str, np.ndarray], dream: dict[str, np.ndarray]) -> float:
        """At least 0, in `unit`."""
        difference = dream[self.key].astype(np.float64) - truth[self.key].astype(np.float64)
        if self.places:
            return CENTIMETRES * float(np.mean([np.linalg.norm(difference[place]) for place in self.places]))
        return float(np.sqrt(np.mean((difference / self.scale) ** 2)))
