"""How fast tokenised video is imagined for a planner, and what the shared, cached past is worth."""

from __future__ import annotations

import torch
from measure import Row, fastest

from wm_lab.models.parts.attention import frame_causal
from wm_lab.models.video_token import VideoToken, VideoTokenConfig
from wm_lab.models.video_token.model import VideoTokenState
from wm_lab.world_model import DataSpec, Windows

CANDIDATES, HORIZON, CONTEXT, SIDE, ACTION = 64, 8, 4, 64, 7
SIZES = {"width": 256, "transformer_layers": 4, "num_heads": 4, "context": CONTEXT + 1, "points": 0}
ROUNDS = 8


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"pixels": (SIDE, SIDE, 3)}, ACTION)
    layouts = ({"tokens": 16}, {"tokens": 1, "levels": [8, 4]})  # the second as in the preset video_token_fast
    grid, single = (VideoToken(VideoTokenConfig(**SIZES, **layout), spec).eval() for layout in layouts)
    actions = torch.rand(1, CANDIDATES, HORIZON, ACTION) * 2 - 1
    with torch.inference_mode():
        beliefs = [model.encode(frames()) for model in (grid, single)]
        by_grid, by_single, products, products_single = fastest(
            [
                lambda: grid.imagine(beliefs[0], actions),
                lambda: single.imagine(beliefs[1], actions),
                lambda: products_alone(grid),
                lambda: products_alone(single),
            ],
            ROUNDS,
        )
        cached, anew = fastest(
            [lambda: grid.imagine(beliefs[0], actions), lambda: without_cache(grid, beliefs[0], actions)], 1
        )
    count = CANDIDATES * HORIZON
    return [
        Row("16 tokens a frame, one pass: imagined frames", count / by_grid, "/s", 500, least=True),
        Row("16 tokens, products with the weights alone: frames", count / products, "/s"),
        Row("1 factorised token a frame: imagined frames", count / by_single, "/s", 6000, least=True),
        Row("16 tokens: share of the products' rate", products / by_grid, "x"),
        Row("1 factorised token: share of the products' rate", products_single / by_single, "x"),
        Row("16 tokens, whole sequence anew: imagined frames", count / anew, "/s"),
        Row("16 tokens: the shared cached past is faster by", anew / cached, "x", 6, least=True),
    ]


def products_alone(model: VideoToken) -> None:
    """Every product of activations and the blocks' weights, and nothing else: as fast as this core could ever be."""
    blocks = [m for m in model.dynamics.transformer.modules() if isinstance(m, torch.nn.Linear)]
    x = {w.in_features: torch.ones(CANDIDATES * model.dynamics.group_size, w.in_features) for w in blocks}
    for _ in range(HORIZON):
        for w in blocks:
            torch.mm(x[w.in_features], w.weight.T)


def without_cache(model: VideoToken, belief: VideoTokenState, actions: torch.Tensor) -> None:
    """Every candidate reads the whole growing sequence at every step; what the past holds makes no difference here."""
    dynamics, size = model.dynamics, model.dynamics.group_size
    codes, frame = (part.expand(CANDIDATES, *part.shape[1:]) for part in (belief.codes, belief.frame))
    past = [dynamics.group(codes, torch.cat([0 * actions[0, :, 0], frame], -1)) for _ in range(CONTEXT)]
    for action in actions[0].unbind(1):
        past.append(dynamics.group(codes, torch.cat([action, frame], -1)))
        step = torch.arange(len(past)).repeat_interleave(size)
        read = dynamics.transformer(torch.cat(past, 1), step, frame_causal(step, model.config.context))
        codes = dynamics.predict(dynamics.parts(read[:, -size:])[1], likely=True)


def frames() -> Windows:
    """The frames of a context, and the present one."""
    steps = CONTEXT + 1
    first = torch.arange(steps)[None] == 0
    return Windows(
        observation={"pixels": torch.randint(256, (1, steps, SIDE, SIDE, 3), dtype=torch.uint8)},
        action=torch.zeros(1, steps, ACTION),
        reward=torch.zeros(1, steps),
        first=first,
        terminal=first & ~first,
        valid=first | ~first,
    )
