"""Values: what is still to be had from where an imagined future ends."""

from wm_lab.values.graph import VisitedGraph, VisitedGraphConfig
from wm_lab.values.returns import ReturnValue, ReturnValueConfig
from wm_lab.values.value import Value, ValueConfig

__all__ = ["ReturnValue", "ReturnValueConfig", "Value", "ValueConfig", "VisitedGraph", "VisitedGraphConfig"]
