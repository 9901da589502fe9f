"""By how much a world model misjudges the next few steps, which is what a search finds where nothing is to be gained.

The best of many candidates is also the one that the model overrates most. A plan that promises less beyond the
proposal than the model is usually wrong by says nothing of the task (the optimizer's curse, Smith and Winkler 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import WindowSampler
from wm_lab.evaluation.json_files import read_json, write_json
from wm_lab.experiment.policy_selection import planner_config
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.tools import Tools
from wm_lab.objectives import ObjectiveConfig, gathered
from wm_lab.settings import read_config
from wm_lab.system.device import device_of
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

FILE, NAME = "score_error.json", "score_error"
CONTEXT, WINDOWS = 4, 256
"""Steps that the model observes before it imagines, and how many stretches it is asked about."""


def score_error(tools: Tools, settings: Settings, data: Callable[[], Dataset], checkpoint: Path) -> float | None:
    """Mean absolute error of the score of imagined steps under recorded actions, in the score's own units.

    As many steps as the planner of `settings` looks ahead, of held-out episodes where there are any. None where no
    predicted reward is scored, or no episode is long enough. Measured once and kept in the store.
    data: opens what the model learned from, which takes its time
    """
    horizon = planner_config(settings).horizon
    weights = read_config(ObjectiveConfig, settings.objective, "objective")
    if not weights.reward:
        return None

    def measure(folder: Path) -> None:
        model = load_model(checkpoint, WorldModel, tools.device)
        scores = gathered(reward_errors(model, data(), horizon), weights.final_weight)
        write_json(folder / FILE, {NAME: float(f"{scores.abs().mean():.3g}") if len(scores) else None})

    recipe = {
        "name": settings.label("model"),
        "model": checkpoint.parent.name,
        "horizon": horizon,
        "final_weight": weights.final_weight,
    }
    kept = tools.keep("score error", NAME, recipe, measure)
    found = read_json(kept / FILE, "error of scores", [NAME])[NAME]
    return None if found is None else weights.reward * float(found)


@torch.inference_mode()
def reward_errors(model: WorldModel, data: Dataset, horizon: int) -> torch.Tensor:
    """Imagined minus recorded rewards [W, H] of stretches of H steps, the first ones of all that a seed draws."""
    split = "validation" if len(data.episodes("validation")) else "train"
    sampler = WindowSampler(data, split, WINDOWS, CONTEXT + horizon, 0, keys=model.observation_keys)
    windows = model.told(sampler.sample(), data.instructions)
    windows = windows[windows.valid.all(1)].to(device_of(model))
    if not windows.shape[0]:
        return torch.zeros(0, horizon)
    belief = model.encode(windows[:, :CONTEXT])
    imagined = model.imagine(belief, windows.action[:, None, CONTEXT:]).reward[:, 0]
    return (imagined - windows.reward[:, CONTEXT:]).float().cpu()
