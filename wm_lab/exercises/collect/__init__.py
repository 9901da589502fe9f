"""What does the data hold?"""

from wm_lab.exercises.collect.exercise import CollectConfig, CollectExercise

__all__ = ["CollectConfig", "CollectExercise"]
