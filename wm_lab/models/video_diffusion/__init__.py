"""The next frame drawn out of noise, given the last ones and the action."""

from wm_lab.models.video_diffusion.config import VideoDiffusionConfig
from wm_lab.models.video_diffusion.model import VideoDiffusion

__all__ = ["VideoDiffusion", "VideoDiffusionConfig"]
