"""Any Gymnasium environment, as a task."""

from wm_lab.tasks.gym.task import GymConfig, GymTask

__all__ = ["GymConfig", "GymTask"]
