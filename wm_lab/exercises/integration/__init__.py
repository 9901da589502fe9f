"""World model and policy together: which of the ways to join them wins, and by what?"""

from wm_lab.exercises.integration.config import IntegrationConfig
from wm_lab.exercises.integration.exercise import IntegrationExercise

__all__ = ["IntegrationConfig", "IntegrationExercise"]
