"""Do similar scenes lie together in the latent, and what can be read from it?"""

from wm_lab.exercises.latent.exercise import LatentExercise

__all__ = ["LatentExercise"]
