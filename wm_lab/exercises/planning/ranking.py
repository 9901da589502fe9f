"""How well a model ranks what a search asks it about: imagined scores against true returns of the same candidates.

A planner needs no exact returns, only their order. Early iterations rank all kinds of actions, late ones good plans
alone, which is harder, and where a search that exploits its model shows.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.rollout import PlayConfig, play
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.plain import plain, read_json, write_json
from wm_lab.experiment.arms import Arm, evaluated_task
from wm_lab.experiment.scoring import Audited
from wm_lab.experiment.workbench import Workbench
from wm_lab.objectives import Objective, predicted_reward
from wm_lab.policies.model_rollout import ModelRollout
from wm_lab.policies.mpc import MPC
from wm_lab.policy import Moment, Policy
from wm_lab.reports.tables import Table
from wm_lab.tasks.simulator import Simulator, SimulatorConfig, SimulatorState
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State

RHO = "ranking.json"
DECISIONS_PER_EPISODE = 4

REVISION = 2
"""Of what is stored: 2 says whose episode a decision is of."""


def ranking(bench: Workbench, arm: Arm, manifest: Manifest, decisions: int) -> tuple[dict[str, Any], Table]:
    """Spearman's ρ in every iteration of so many decisions, the first few of the manifest's first episodes."""
    recipe = {"name": arm.name, "policy": arm.recipe, "manifest": manifest.to_dict(), "decisions": decisions}
    recipe["revision"] = REVISION

    def measure(folder: Path) -> None:
        seeds = manifest.seeds[: -(-decisions // DECISIONS_PER_EPISODE)]
        make = partial(_make, arm, bench.settings.task, bench.settings.variation)
        steps = DECISIONS_PER_EPISODE * bench.settings.mpc["execute"]
        played = play(bench.make_evaluated, make, seeds, PlayConfig(steps=steps, group=1), workers=bench.workers)
        each = [episode.report["rho"] for episode in played]
        episode = np.repeat(np.arange(len(each)), [len(rho) for rho in each])
        rho = np.concatenate(each)[:decisions]
        write_json(folder / RHO, {"rho": plain(rho), "episode": plain(episode[:decisions])})

    found = read_json(bench.store.get("ranking", recipe, measure) / RHO, "measurement of ranking")
    rho = np.array(found["rho"], float)  # [decisions, iterations]
    each = [mean_rho(column, np.array(found["episode"])) for column in rho.T]
    columns = ("arm", *(f"iteration {i + 1}" for i in range(len(each))), "decisions", "n")
    row = (arm.name, *(interval.bounds() for interval in each), str(len(rho)), str(len(set(found["episode"]))))
    caption = (
        "Spearman's ρ of imagined scores and true returns of the same candidates, by iteration of the search; each "
        "iteration's own 95 % interval over n episodes. 1: the search is told the true order. Of one training seed."
    )
    table = Table("How well candidates are ranked", columns, [row], frozenset({"arm"}), caption)
    return {"by_iteration": plain(each), "rho": found["rho"]}, table


def mean_rho(rho: np.ndarray, episode: np.ndarray) -> Interval:
    """Mean over episodes of what their decisions [M] say: those of one episode look at the same scene.

    NaN marks a decision all of whose candidates were equal.
    """
    means = [np.nanmean(own) for e in np.unique(episode) if not np.isnan(own := rho[episode == e]).all()]
    found = mean(means)
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


class Ranked(Policy):
    """An MPC policy whose every candidate is also played in the true simulator, which never influences the actions."""

    def __init__(self, mpc: MPC, task: Task) -> None:
        self.mpc, self.simulator = mpc, Simulator(SimulatorConfig(), task)
        self.asked = mpc.rollout = Noting(mpc.rollout)
        # True returns are gathered over the horizon as scores are: how much the last step counts is no matter of rank.
        self.truth = Objective([(1.0, predicted_reward)], mpc.rollout.objective.final_weight)
        self.observation_keys = tuple(dict.fromkeys([*mpc.observation_keys, "snapshot"]))

    def start(self, rows: int) -> None:
        if rows != 1:
            raise ValueError(f"candidates of one episode at a time are ranked, not of {rows}")
        self.mpc.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self.mpc.reset(row, task, seed)
        self._rho: list[list[float]] = []

    def act(self, moment: Moment) -> np.ndarray:
        self.asked.notes.clear()
        actions = self.mpc.act(moment)
        if self.asked.notes:
            start = SimulatorState(torch.as_tensor(moment.observation["snapshot"]))
            searched = [note for note in self.asked.notes if note[1].shape[1] > 1]  # the last call rates the plan alone
            self._rho.append([self._correlation(start, *note) for note in searched])
        return actions

    def report(self, row: int) -> dict[str, np.ndarray]:
        """{"rho": [decisions, iterations]}, NaN where all candidates are equal."""
        return {"rho": np.array(self._rho)}

    def _correlation(self, start: SimulatorState, actions: Tensor, scores: Tensor) -> float:
        from scipy.stats import spearmanr  # takes a second to load, which every command would wait for

        true = self.truth(self.simulator.imagine(start, actions), actions)
        told = scores.nan_to_num(nan=-torch.inf)
        return float(spearmanr(told[0].cpu().numpy(), true[0].cpu().numpy()).statistic)


class Noting(ModelRollout):
    """Keeps every question and answer."""

    def __init__(self, rollout: ModelRollout) -> None:
        super().__init__(rollout.model, rollout.objective)
        self.notes: list[tuple[Tensor, Tensor]] = []  # actions [1, N, H, A], scores [1, N]

    def imagine(self, rows: np.ndarray, belief: State, actions: Tensor) -> tuple[Imagination, Tensor]:
        imagined, scores = super().imagine(rows, belief, actions)
        self.notes.append((actions, scores))
        return imagined, scores


def _make(arm: Arm, task: dict[str, Any], variation: str) -> Policy:
    audited = arm.make()
    assert isinstance(audited, Audited)
    return Ranked(audited.mpc, evaluated_task(task, variation))
