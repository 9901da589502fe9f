"""What was chosen, asked of the settings of a run."""

from __future__ import annotations

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.behaviours.none import NoBehaviour
from wm_lab.experiment.run_settings import Settings
from wm_lab.settings import target
from wm_lab.tasks.simulator import Simulator
from wm_lab.values.none import NoValue
from wm_lab.values.value import Value
from wm_lab.world_model import ActsItself, WorldModel


def is_simulator(settings: Settings) -> bool:
    """Whether `model=simulator` was chosen: nothing to train."""
    return issubclass(target(WorldModel, settings.model, "model"), Simulator)


def acts_itself(settings: Settings) -> bool:
    """Whether the chosen model is a policy too."""
    return issubclass(target(WorldModel, settings.model, "model"), ActsItself)


def value_class(settings: Settings) -> type[Value]:
    return target(Value, settings.value, "value")


def values_ahead(settings: Settings) -> bool:
    """Whether a value was asked for, beyond the horizon of plans."""
    return value_class(settings) is not NoValue


def learns_inside(settings: Settings) -> bool:
    """Whether a behaviour is to be learned inside the world model."""
    return target(Behaviour, settings.behaviour, "behaviour") is not NoBehaviour
