"""Does synthetic data help behaviour cloning?"""

from wm_lab.exercises.augmentation.exercise import Augmentation

__all__ = ["Augmentation"]
