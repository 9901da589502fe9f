"""How far ahead can the model imagine?"""

from wm_lab.exercises.imagination.exercise import ImaginationExercise

__all__ = ["ImaginationExercise"]
