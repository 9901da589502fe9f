"""Does synthetic data help behaviour cloning?"""

from wm_lab.exercises.augmentation.exercise import AugmentationExercise

__all__ = ["AugmentationExercise"]
