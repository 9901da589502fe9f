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
from wm_lab.evaluation.json_files import plain, read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.means import mean
from wm_lab.experiment.arms import PlanningArm, evaluated_task
from wm_lab.experiment.experiment import Experiment
from wm_lab.objectives import Objective, ObjectiveConfig, predicted_reward
from wm_lab.policies.mpc import MPC, Considered
from wm_lab.policy import Moment, Policy
from wm_lab.reports.tables import Table
from wm_lab.settings import read_config
from wm_lab.tasks.simulator import Simulator, SimulatorConfig, SimulatorState
from wm_lab.tasks.task import Task

RHO = "ranking.json"
DECISIONS_PER_EPISODE = 4

REVISION = 2
"""Of what is stored: 2 says whose episode a decision is of."""


def ranking(
    experiment: Experiment, arm: PlanningArm, manifest: Manifest, decisions: int
) -> tuple[dict[str, Any], Table]:
    """Spearman's ρ in every iteration of so many decisions, the first few of the manifest's first episodes."""
    recipe = {"name": arm.name, "policy": arm.recipe(), "manifest": manifest.to_dict(), "decisions": decisions}
    recipe["revision"] = REVISION

    def measure(folder: Path) -> None:
        seeds = manifest.seeds[: -(-decisions // DECISIONS_PER_EPISODE)]
        make = partial(_ranked, arm)
        steps = DECISIONS_PER_EPISODE * arm.settings.mpc["execute"]
        played = play(
            experiment.tools.make_evaluated,
            make,
            seeds,
            PlayConfig(steps=steps, group=1),
            workers=experiment.tools.workers,
        )
        each = [episode.report["rho"] for episode in played]
        episode = np.repeat(np.arange(len(each)), [len(rho) for rho in each])
        rho = np.concatenate(each)[:decisions]
        write_json(folder / RHO, {"rho": plain(rho), "episode": plain(episode[:decisions])})

    found = read_json(experiment.tools.keep("ranking", "ranking", recipe, measure) / RHO, "measurement of ranking")
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
    """An MPC policy whose every candidate is also played in the true simulator, which never influences the actions.

    truth: what the true returns are gathered over the horizon with
    """

    def __init__(self, mpc: MPC, task: Task, truth: Objective) -> None:
        self._policy, self._truth = mpc, truth
        self._simulator = Simulator(SimulatorConfig(), task)
        self.observation_keys = tuple(dict.fromkeys([*mpc.observation_keys, "snapshot"]))
        mpc.observers.append(self._rank)

    def start(self, rows: int) -> None:
        if rows != 1:
            raise ValueError(f"candidates of one episode at a time are ranked, not of {rows}")
        self._policy.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._policy.reset(row, task, seed)
        self._rho: list[list[float]] = []

    def act(self, moment: Moment) -> np.ndarray:
        return self._policy.act(moment)

    def report(self, row: int) -> dict[str, np.ndarray]:
        """{"rho": [decisions, iterations]}, NaN where all candidates are equal."""
        return {"rho": np.array(self._rho)}

    def _rank(self, considered: Considered) -> None:
        start = SimulatorState(torch.as_tensor(considered.observation["snapshot"][None]))
        searched = [asked for asked in considered.search if len(asked[0]) > 1]  # the last call rates the plan alone
        self._rho.append([self._correlation(start, *asked) for asked in searched])

    def _correlation(self, start: SimulatorState, actions: Tensor, scores: Tensor) -> float:
        """Of the scores [N] of actions [N, H, A], and their true returns."""
        from scipy.stats import spearmanr  # takes a second to load, which every command would wait for

        true = self._truth(self._simulator.imagine(start, actions[None]), actions[None])[0]
        told = scores.nan_to_num(nan=-torch.inf)
        return float(spearmanr(told.cpu().numpy(), true.cpu().numpy()).statistic)


def _ranked(arm: PlanningArm) -> Policy:
    settings = arm.settings
    # True returns are gathered over the horizon as scores are: how much the last step counts is no matter of rank.
    weights: ObjectiveConfig = read_config(ObjectiveConfig, settings.objective, "objective")
    truth = Objective([(1.0, predicted_reward)], weights.final_weight)
    return Ranked(arm.build_bare(), evaluated_task(settings.task, settings.variation), truth)
