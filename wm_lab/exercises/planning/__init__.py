"""Planning with a world model, or a reactive policy?"""

from wm_lab.exercises.planning.exercise import Planning, PlanningConfig

__all__ = ["Planning", "PlanningConfig"]
