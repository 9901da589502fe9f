"""Can it go where it is shown? Planning to recorded goals, beside a clone that is told the goal, and the floors."""

from wm_lab.exercises.goals.exercise import GoalsConfig, GoalsExercise

__all__ = ["GoalsConfig", "GoalsExercise"]
