"""Does the policy read the sentence?"""

from wm_lab.exercises.language.exercise import LanguageConfig, LanguageExercise

__all__ = ["LanguageConfig", "LanguageExercise"]
