"""How far ahead can the model imagine?"""

from wm_lab.exercises.imagination.exercise import Imagination

__all__ = ["Imagination"]
