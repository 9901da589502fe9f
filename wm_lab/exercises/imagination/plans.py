"""The second distribution of actions: sequences that the planner proposes, executed open loop in the true simulator.

A planner looks for the actions that its model likes best, and finds those on which the model errs in its favour.
Held-out behaviour never shows that; the difference between the two is exploitation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.record import SNAPSHOT
from wm_lab.errors import UserError
from wm_lab.evaluation.bootstrap import resample_counts
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.ratio import ratio_bounds
from wm_lab.exercises.imagination.readout import STATE
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.objectives import Objective, model_score
from wm_lab.planners.planner import Planner
from wm_lab.policies.seeding import generator
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import WorldModel

BATCH = 4
"""Stretches planned for at a time: with a few hundred candidates each, enough to keep a processor busy."""


class Proposed(NamedTuple):
    """W planned sequences and what their model made of them."""

    actions: np.ndarray  # [W, H, A]
    predicted_return: np.ndarray  # [W] sum of the rewards imagined for it


@torch.inference_mode()
def propose(
    model: WorldModel,
    planner: Planner,
    objective: Objective,
    stretches: Stretches,
    task: Task,
    advance: Callable[[int], object] | None = None,
) -> Proposed:
    """Plan for each stretch from the belief after its observed steps, as a first decision: nothing to start from."""
    model.eval()
    device = device_of(model)
    planner.to(device)
    actions, predicted = [], []
    for begin in range(0, len(stretches), BATCH):
        part = stretches[begin : begin + BATCH]
        belief = model.encode(part.observed.to(device))
        if objective.goal is not None:
            objective.goal.features = _goal_features(model, part, task)
        generators = [
            generator(int(episode), f"imagination at step {step}")
            for episode, step in zip(part.episode, part.step, strict=True)
        ]
        score = model_score(model, objective, belief)
        chosen = planner.plan(score, generators).actions
        actions.append(chosen.cpu().numpy())
        predicted.append(model.imagine(belief, chosen[:, None]).reward[:, 0].sum(-1).double().cpu().numpy())
        if advance is not None:
            advance(len(part))
    return Proposed(np.concatenate(actions), np.concatenate(predicted))


def execute(task: Task, stretches: Stretches, snapshots: np.ndarray, actions: np.ndarray) -> Stretches:
    """The same observed steps, followed by what `actions` [W, H, A] really lead to from `snapshots` [W, S]."""
    context, keys = stretches.context, stretches.windows.observation
    windows = stretches.windows.map(torch.clone)
    state, contact = stretches.state.copy(), np.zeros(len(stretches), bool)
    windows.action[:, context:] = torch.from_numpy(actions)
    windows.terminal[:, context:] = False
    for row, snapshot in enumerate(snapshots):
        task.restore(snapshot)
        for step, action in enumerate(actions[row], start=context):
            seen, reward, terminated, _, info = task.step(action)
            state[row, step] = task.state()
            for key in keys:
                value = {STATE: task.state, SNAPSHOT: task.snapshot}[key]() if key not in seen else seen[key]
                windows.observation[key][row, step] = torch.from_numpy(np.array(value))
            windows.reward[row, step], windows.terminal[row, step] = float(reward), terminated
            contact[row] |= info["contact"]
    return Stretches(windows, state, contact, stretches.episode, stretches.step, context)


def realised_return(executed: Stretches) -> np.ndarray:
    """[W] sum of the true rewards of the steps that follow."""
    return executed.following.reward.sum(-1).double().numpy()


def error_ratio(
    planned: np.ndarray, behaviour: np.ndarray, episode: np.ndarray, *, resamples: int, seed: int = 0
) -> list[Interval]:
    """Summed error on planned sequences over that on recorded ones, from the same starts, at steps 1..H.

    planned, behaviour: errors [W, H] of the same windows; intervals are over episodes.
    NaN where the recorded ones have no error.
    """
    names, index = np.unique(episode, return_inverse=True)
    sums = np.zeros((2, len(names), planned.shape[1]))
    for total, errors in zip(sums, (planned, behaviour), strict=True):
        np.add.at(total, index, errors)
    counts = resample_counts(len(names), resamples, seed)
    little = np.finfo(float).tiny ** 0.25  # two perfect predictions have a ratio of 1
    low, high = ratio_bounds(sums[0] + little, sums[1] + little, counts)
    value = (sums[0] + little).sum(0) / (sums[1] + little).sum(0)
    some = sums[1].any(0) | ~sums[0].any(0)
    bounds = np.where(some, [low, value, high], np.nan).T
    return [Interval(float(least), float(ratio), float(most), len(names)) for least, ratio, most in bounds]


def episode_means(values: np.ndarray, episode: np.ndarray) -> np.ndarray:
    """The mean [E] of values [W] in each episode: windows of one episode share its luck."""
    _, index = np.unique(episode, return_inverse=True)
    return np.bincount(index, values) / np.bincount(index)


def _goal_features(model: WorldModel, stretches: Stretches, task: Task) -> Tensor:
    """Features [B, F] of each stretch's state with its goal reached, seen as an episode's first observation."""
    if tuple(model.observation_keys) != (STATE,):
        raise UserError(
            "objective.goal_distance needs a model that observes the state alone, all that is known of a goal; "
            f"this one observes {', '.join(model.observation_keys)}; "
            "set exercise.planned_windows=0, or choose another objective"
        )
    goal = task.goal_state(torch.from_numpy(stretches.state[:, stretches.context - 1]))
    return model.encode_goal({STATE: goal.to(device_of(model))})
