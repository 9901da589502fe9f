"""A joint-embedding predictive architecture: what comes next is predicted in the latent alone."""

from wm_lab.models.jepa.model import JEPA, JEPAConfig

__all__ = ["JEPA", "JEPAConfig"]
