"""Recurrent state-space model: PlaNet, DreamerV3."""

from wm_lab.models.rssm.model import RSSM, RSSMConfig

__all__ = ["RSSM", "RSSMConfig"]
