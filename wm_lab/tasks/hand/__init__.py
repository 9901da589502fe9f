"""A parallel gripper over a table: five goals, and nothing needed but the mujoco wheel."""

from wm_lab.tasks.hand.task import HandConfig, HandTask

__all__ = ["HandConfig", "HandTask"]
