"""What can be chosen of a model that draws frames out of noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from wm_lab.domains import Depth, Domain, Few, PositiveShare, Spread, Weight, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.heads import HeadsConfig
from wm_lab.models.video_diffusion.edm import ORDERS
from wm_lab.models.video_diffusion.unet import GROUP


@dataclass
class DenoiserConfig:
    """Networks that denoise, and the sampler that asks them; noise levels are DIAMOND's (`edm.py`)."""

    steps: Few = 1
    """Of the sampler: 1 gives the mean and is what planning wants, 3 or more choose one sharp future."""
    order: str = "euler"
    """Or heun, which asks the network twice a step, but for the last."""
    width: Width = 128
    """Of the vector's denoiser."""
    layers: Depth = 3
    """Residual blocks of the vector's denoiser."""
    channels: list[Width] = field(default_factory=lambda: [32, 64])
    """Of the U-Net, at each halving."""
    blocks: Depth = 1
    """Residual blocks of the U-Net at each size."""
    patch: Annotated[int, Domain(least=1, most=1024)] = 4
    """Pixels of patch x patch become channels before the U-Net, which makes it that much faster; 1 is DIAMOND's."""
    condition: Annotated[int, Domain(least=2, most=2**16)] = 64
    """Width of what tells the networks of noise level and action."""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UserError(f"model.denoiser.order={self.order!r} is not known; choose {' or '.join(ORDERS)}")
        if self.condition % 2:
            raise UserError(f"model.denoiser.condition={self.condition} is half sines, half cosines; make it even")
        odd = [c for c in self.channels if c % max(1, c // GROUP)]
        if odd or not self.channels:
            raise UserError(
                f"model.denoiser.channels={list(self.channels)} must be one or more numbers that split into groups of "
                f"about {GROUP}, such as 16, 32, 64 or 96"
            )


@dataclass
class VideoDiffusionConfig(HeadsConfig):
    """`depth` are the first channels of the image encoder that rewards are read from."""

    context: Few = 2
    """Frames that are looked back at, the present one included."""
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    """What draws the next frame."""
    drawn_share: PositiveShare = 1.0
    """Of a batch's frames, those that the denoiser learns from, drawn anew each time, and of its windows, those that
    are imagined open loop. Rewards are read off all frames; drawing images costs most of a training step."""
    context_noise: Spread = 0.1
    """Added to the context while learning to denoise, in typical one-step changes: imagined frames err, too."""
    denoising_scale: Weight = 1.0
    """Weight of the denoiser's loss."""
    image_scale: Weight = 32.0  # in units of its own (`RawFrames`)
