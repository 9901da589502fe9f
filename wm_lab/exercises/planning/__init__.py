"""Planning with a world model, or a reactive policy?"""

from wm_lab.exercises.planning.exercise import PlanningConfig, PlanningExercise

__all__ = ["PlanningConfig", "PlanningExercise"]
