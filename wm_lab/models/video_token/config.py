"""What can be chosen of a model of tokenised video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from wm_lab.domains import Depth, Domain, Few, Level, Share, Weight, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.fsq import check_levels
from wm_lab.models.parts.observations import AutoencoderConfig

DECODINGS = ("parallel", "maskgit", "autoregressive")


@dataclass
class LatentActionsConfig:
    levels: list[Level] = field(default_factory=list)
    """Of each number of a code; [3, 3] are nine codes, Genie has eight. Empty: dynamics read the actions."""
    labelled: Share = 1.0
    """Share of the training episodes whose actions the model is shown."""

    def __post_init__(self) -> None:
        if self.levels:
            check_levels(self.levels, "model.latent_actions.levels", least=3)
        if self.labelled < 1 and not self.levels:
            raise UserError(
                f"model.latent_actions.labelled={self.labelled} hides actions from a model that needs them; choose "
                "model.latent_actions.levels=[3,3]"
            )


@dataclass
class VideoTokenConfig(AutoencoderConfig):
    """Defaults are the laptop's size on state vectors."""

    width: Width = 64  # of a token in the transformer
    transformer_layers: Depth = 2  # blocks of the transformer
    num_heads: Width = 4  # of attention, which share out the width
    context: Few = 6  # frames that a token sees, its own included
    levels: list[Level] = field(default_factory=lambda: [8, 6, 5])  # of each number of a code
    vector_codes: Width = 1  # for all vectors of a frame together; an image has 16, and 4 for its keypoints
    tokens: Annotated[int, Domain(least=0, most=2**16)] = 0
    """Of a frame, which share out its codes; 0: one for every code."""
    context_channels: Width = 8  # of the frame that images are coded relative to, in each cell of its 4x4 grid
    decoding: str = "parallel"
    """Of a frame's tokens: parallel (all at once), maskgit (in rounds) or autoregressive (one by one, slowest)."""
    refine_steps: Few = 3  # rounds of maskgit
    dynamics_scale: Weight = 0.1  # weight of the loss of the next tokens
    latent_actions: LatentActionsConfig = field(default_factory=LatentActionsConfig)
    """Actions inferred from video, where few or none were recorded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_levels(self.levels)
        if self.decoding not in DECODINGS:
            raise UserError(f"model.decoding={self.decoding!r} is not known; choose one of {', '.join(DECODINGS)}")
