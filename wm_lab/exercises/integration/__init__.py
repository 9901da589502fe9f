"""World model and policy together: which of the ways to join them wins, and by what?"""

from wm_lab.exercises.integration.exercise import IntegrationConfig, IntegrationExercise

__all__ = ["IntegrationConfig", "IntegrationExercise"]
