"""The dials that every task from another library has."""

from __future__ import annotations

from dataclasses import dataclass, field

from wm_lab.errors import UserError, require_at_least, unknown
from wm_lab.tasks.task import PlanningHints

OBSERVATIONS = ("state", "pixels")


@dataclass
class EnvConfig:
    """Dials of every task from another library. None keeps the library's own value."""

    observation: str = "state"
    """state or pixels."""
    episode_steps: int | None = None
    image_size: int = 64
    effort: float = 1.0
    """How much more data and training than a short reach this task deserves."""
    planning: PlanningHints = field(default_factory=PlanningHints)

    def __post_init__(self) -> None:
        if self.observation not in OBSERVATIONS:
            raise unknown("task.observation", self.observation, OBSERVATIONS)
        if self.episode_steps is not None:
            require_at_least("task", self, {"episode_steps": 1})
        if not 8 <= self.image_size <= 1024:
            raise UserError(f"task.image_size={self.image_size} must lie in [8, 1024] pixels")
        if self.effort <= 0:
            raise UserError(f"task.effort={self.effort} must be positive")


def require_tolerance(tolerance: float | None, most: float, own: float) -> None:
    """UserError where a tolerance, in metres, is not in (0, most]; None keeps the library's `own`."""
    if tolerance is not None and not 0 < tolerance <= most:
        raise UserError(f"task.tolerance={tolerance} m must lie in (0, {most:g}]; the library's own is {own:g}")
