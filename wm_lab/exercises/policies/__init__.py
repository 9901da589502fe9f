"""Can the model rank policies?"""

from wm_lab.exercises.policies.exercise import PoliciesConfig, PoliciesExercise

__all__ = ["PoliciesConfig", "PoliciesExercise"]
