"""How fast the models imagine at laptop size: this is where a planner spends its time."""

from __future__ import annotations

import torch
from measure import Row, fastest

from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

CANDIDATES, HORIZON, OBSERVATION, ACTION = 256, 18, 35, 7
ROUNDS = 12


def run() -> list[Row]:
    torch.manual_seed(0)
    spec = DataSpec({"state": (OBSERVATION,)}, ACTION)
    models: dict[str, WorldModel] = {
        "RSSM, gaussian": RSSM(RSSMConfig(), spec),
        "RSSM, categorical": RSSM(RSSMConfig(latent="categorical"), spec),
        "LatentMLP": LatentMLP(LatentMLPConfig(), spec),
    }
    rows = []
    for name, model in models.items():
        belief = model.eval().encode(one_step())
        actions = torch.rand(1, CANDIDATES, HORIZON, ACTION) * 2 - 1

        def imagine(model: WorldModel = model, belief=belief, actions=actions) -> None:  # type: ignore[no-untyped-def]
            with torch.inference_mode():
                model.imagine(belief, actions)

        (seconds,) = fastest([imagine], ROUNDS)
        rows.append(Row(f"{name}, imagine 256 x 18", 1e3 * seconds, "ms"))
        rows.append(Row(f"{name}, imagined steps", CANDIDATES * HORIZON / seconds, "/s"))
    return rows


def one_step() -> Windows:
    """A single observation, the first of its episode."""
    yes = torch.ones(1, 1, dtype=torch.bool)
    return Windows(
        observation={"state": torch.randn(1, 1, OBSERVATION)},
        action=torch.zeros(1, 1, ACTION),
        reward=torch.zeros(1, 1),
        first=yes,
        terminal=~yes,
        valid=yes,
    )
