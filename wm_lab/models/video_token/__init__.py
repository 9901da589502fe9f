"""Tokenised video: frames as discrete codes, and a transformer that writes the next one."""

from wm_lab.models.video_token.config import VideoTokenConfig
from wm_lab.models.video_token.model import VideoToken

__all__ = ["VideoToken", "VideoTokenConfig"]
