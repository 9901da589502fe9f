"""Planners: pure optimisers of action sequences."""

from wm_lab.planners.cem import CEM, CEMConfig
from wm_lab.planners.gradient import Gradient, GradientConfig
from wm_lab.planners.icem import ICEM, ICEMConfig
from wm_lab.planners.local import Local, LocalConfig
from wm_lab.planners.mppi import MPPI, MPPIConfig
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, PlannerConfig, Score
from wm_lab.planners.random_shooting import RandomShooting, RandomShootingConfig

__all__ = [
    "CEM",
    "ICEM",
    "MPPI",
    "CEMConfig",
    "Gradient",
    "GradientConfig",
    "ICEMConfig",
    "Local",
    "LocalConfig",
    "MPPIConfig",
    "Plan",
    "Planner",
    "PlannerConfig",
    "RandomShooting",
    "RandomShootingConfig",
    "Score",
]
