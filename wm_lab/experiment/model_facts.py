"""What a world model cost and how fast it imagines: facts that a comparison of models needs beside their quality."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from wm_lab.evaluation.json_files import read_json, write_json
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.training.checkpoint import load_model
from wm_lab.training.trainer import REPORT
from wm_lab.world_model import State, WorldModel, blank_windows

CANDIDATES, HORIZON = 64, 8  # what one robot's planner typically asks for at once
REPEATS = 5

SPEED = "speed.json"


def model_facts(experiment: Experiment) -> dict[str, float | None] | None:
    """Parameters, seconds of training over all rounds, and imagined frames a second; None of the simulator.

    What an old training in the store did not write down is None.
    """
    if is_simulator(experiment.settings):
        return None
    folders = [experiment.models.world_model(rounds).parent for rounds in range(experiment.data.config.rounds + 1)]
    trainings = [_told(folder / REPORT) for folder in folders]

    def measure(folder: Path) -> None:
        model = load_model(experiment.models.world_model(), WorldModel, experiment.tools.device)
        write_json(folder / SPEED, {"frames_per_second": imagination_speed(model, experiment.tools.device)})

    # Measured once and kept, so that a repeated run says the same.
    speed = experiment.tools.keep(
        "speed", "speed", {"name": experiment.settings.label("model"), "model": folders[-1].name}, measure
    )
    return {
        "parameters": trainings[-1].get("parameters"),
        "seconds": sum(training["seconds"] for training in trainings) if all(trainings) else None,
        **read_json(speed / SPEED, "measurement of speed"),
    }


@torch.inference_mode()
def imagination_speed(
    model: WorldModel, device: torch.device, candidates: int = CANDIDATES, horizon: int = HORIZON
) -> float:
    """Imagined steps a second for one belief and so many candidates, median of a few tries on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        belief = model.encode(blank_windows(model.spec, 1).to(device))
        actions = torch.zeros(1, candidates, horizon, model.spec.action_size, device=device)
        seconds = [_seconds(model, belief, actions) for _ in range(REPEATS + 1)][1:]  # the first one warms up
    finally:
        torch.set_num_threads(threads)
    return round(candidates * horizon / statistics.median(seconds), 1)


def _told(report: Path) -> dict[str, float]:
    return read_json(report, "report of a training") if report.exists() else {}


def _seconds(model: WorldModel, belief: State, actions: torch.Tensor) -> float:
    began = time.perf_counter()
    reward = model.imagine(belief, actions).reward
    reward.sum().item()  # on a GPU, waits for the result
    return time.perf_counter() - began
