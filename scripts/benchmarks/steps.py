"""What it costs to imagine step by step, for whoever reacts to what is imagined, beside imagining all at once."""

from __future__ import annotations

import torch
from imagination import ACTION, OBSERVATION, one_step
from measure import Row, fastest, size
from torch import Tensor

from wm_lab.models.decoder_only import DecoderOnly, DecoderOnlyConfig
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.models.video_diffusion import VideoDiffusion, VideoDiffusionConfig
from wm_lab.models.video_token import VideoToken, VideoTokenConfig
from wm_lab.world_model import DataSpec, State, WorldModel

EPISODES, CANDIDATES, HORIZON = 16, 128, 12
ROUNDS = 4
LARGEST_RATIO = 1.3


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"state": (OBSERVATION,)}, ACTION)
    models: dict[str, WorldModel] = {
        "RSSM": RSSM(RSSMConfig(), spec),
        "LatentMLP": LatentMLP(LatentMLPConfig(), spec),
        "VideoToken": VideoToken(VideoTokenConfig(), spec),
        "DecoderOnly": DecoderOnly(DecoderOnlyConfig(), spec),
        "VideoDiffusion": VideoDiffusion(VideoDiffusionConfig(), spec),
    }
    rows = []
    for name, model in models.items():
        episodes, candidates = size(EPISODES, 2), size(CANDIDATES, 2)
        belief = model.eval().encode(one_step())[torch.zeros(episodes, dtype=torch.long)]
        actions = torch.rand(episodes, candidates, HORIZON, ACTION) * 2 - 1
        works = [
            lambda m=model, s=belief, a=actions: together(m, s, a),
            lambda m=model, s=belief, a=actions: apart(m, s, a),
        ]
        whole, steps = fastest(works, ROUNDS)
        rows.append(Row(f"{name}, imagine {EPISODES} x {CANDIDATES} x {HORIZON}", 1e3 * whole, "ms"))
        rows.append(Row(f"{name}, {HORIZON} times step / imagine", steps / whole, "x", LARGEST_RATIO))
    return rows


@torch.inference_mode()
def together(model: WorldModel, belief: State, actions: Tensor) -> None:
    model.imagine(belief, actions)


@torch.inference_mode()
def apart(model: WorldModel, belief: State, actions: Tensor) -> None:
    belief = belief.expand(actions.shape[1])
    for action in actions.flatten(0, 1).unbind(1):
        belief, _ = model.step(belief, action)
