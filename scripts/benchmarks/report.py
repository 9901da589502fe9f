"""The page of a large sweep: 500 runs, ten arms each, from their folders to report.html."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
from measure import Row, size

from wm_lab.evaluation.manifest import Manifest, freeze
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.report import report
from wm_lab.reports.runs import save_outcomes
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS

MODELS = ("rssm", "latent_mlp", "video_token", "decoder_only", "video_diffusion")
PLANNERS = ("cem", "mppi")
SEEDS = 10
ARMS = ("mpc", "mpc_cost", "local", "selected", "bc", "expert", "random", "noop", "simulator", "simulator_reward")
EPISODES = 100

MOST_SECONDS = 10.0


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_runs(folder)
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            report([folder])
        seconds = time.process_time() - began
    return [Row(f"report of {count} planning runs, {len(ARMS)} arms each", seconds, "s", MOST_SECONDS)]


def write_runs(folder: Path) -> int:
    """Finished planning runs of every model, planner, task and seed, as `wm-lab -m` leaves them."""
    rng = np.random.default_rng(0)
    everything = list(product(MODELS, PLANNERS, GOALS, range(size(SEEDS, 1))))
    manifests = {task: freeze(HandTask(HandConfig(goal=task)).task_spec, EPISODES) for task in GOALS}
    for job, (model, planner, task, seed) in enumerate(everything):
        arms = {arm: _outcomes(rng, arm, manifests[task], seed) for arm in ARMS}
        labels = {"exercise": "planning", "task": f"hand/{task}", "model": model, "planner": planner}
        _write_run(folder / str(job), labels, seed, arms)
    return len(everything)


def _write_run(folder: Path, labels: dict[str, str], seed: int, arms: dict[str, Outcomes]) -> None:
    folder.mkdir(parents=True)
    save_outcomes(folder, arms)
    result = {
        "labels": labels,
        "task": labels["task"],
        "seed": seed,
        "verdict": f"planning solves {arms['mpc'].success.mean():.2f}.",
        "numbers": {"manifest": arms["mpc"].manifest.hash},
        "model": {"parameters": 2_000_000, "seconds": 100.0 + seed, "frames_per_second": 20_000.0},
    }
    status = {"state": "finished", "reason": "", "exit_code": 0, "pid": 1, "host": "", "started": "", "ended": ""}
    environment = {"cpu": "toy", "cores": 2, "packages": {"torch": "2"}}
    for name, values in {"result": result, "status": status, "environment": environment}.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    typed = [*(f"{group}={choice}" for group, choice in labels.items()), f"seed={seed}"]
    (folder / "overrides.txt").write_text("".join(f"{line}\n" for line in typed))


def _outcomes(rng: np.random.Generator, arm: str, manifest: Manifest, seed: int) -> Outcomes:
    flags = rng.random(len(manifest)) < rng.random()
    return Outcomes(
        arm=arm,
        manifest=manifest,
        success=flags,
        success_at_end=flags,
        steps_to_success=np.where(flags, rng.integers(5, 60, len(flags)), np.nan),
        episode_return=rng.normal(size=len(flags)),
        decision_ms=np.full(len(flags), 60.0),
        predicted=rng.normal(size=len(flags)),
        realised=rng.normal(size=len(flags)),
        seed=seed,
    )
