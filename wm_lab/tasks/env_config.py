"""The options that every task from another library has."""

from __future__ import annotations

from dataclasses import dataclass, field

from wm_lab.domains import Count, Multiplier, Pixels, Steps
from wm_lab.errors import unknown
from wm_lab.tasks.task import PlanningHints

OBSERVATIONS = ("state", "pixels")


@dataclass
class EnvConfig:
    """Options of every task from another library. None keeps the library's own value."""

    observation: str = "state"
    """state or pixels."""
    episode_steps: Steps | None = None
    """Control steps after which an episode ends."""
    image_size: Pixels = 64
    """Side of square images, in pixels."""
    budget_multiplier: Multiplier = 1.0
    """How much more data and training than a short reach this task deserves."""
    random_episodes: Count = 5
    """Episodes of random actions that `data=online` begins with: more where chance seldom shows what is paid."""
    planning: PlanningHints = field(default_factory=PlanningHints)
    """What planners begin with on this task."""

    def __post_init__(self) -> None:
        if self.observation not in OBSERVATIONS:
            raise unknown("task.observation", self.observation, OBSERVATIONS)
