"""What the viewer shows of an episode: pictures, states, actions and rewards as curves, and points in the world.

Shapes: T steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.tasks.task import TaskSpec, Variable
from wm_lab.view.recording import ImageSeries, Numbers, Points, RerunRecording, Shown

LONGEST = 64
"""Numbers of an observed vector that are drawn as curves; more are rays or features, which nobody reads as such."""


class Viewed(NamedTuple):
    """Steps under one title."""

    title: str
    shown: Mapping[str, Shown]


def save_viewed(viewed: Iterable[Viewed], path: Path, title: str) -> Path:
    """Write them behind one another; the file opens in the viewer with `rerun FILE`."""
    with RerunRecording(path, title) as recording:
        for each in viewed:
            recording.sequence(each.title, each.shown)
    return path


def of_episode(
    task_spec: TaskSpec,
    episode: Episode,
    title: str,
    labels: Mapping[str, Sequence[str]] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
) -> Viewed:
    """An episode, with a picture [H, W, 3] uint8 of every step where somebody drew them, else those that it observed.

    labels: what the numbers of "action" are called, where the recording says
    """
    named = (labels or {}).get("action", ())
    seen: dict[str, Shown] = {} if pictures is None else {"picture/scene": ImageSeries(pictures)}
    for key, values in episode.observation.items():
        if values.ndim == 4 and values.dtype == np.uint8:
            seen[f"picture/{key}"] = ImageSeries(list(values))
        elif key != "state" and values.ndim == 2 and values.shape[1] <= LONGEST:
            seen[f"observed/{key}"] = Numbers(values)
    shown = {
        **seen,
        **state_curves(task_spec, episode.state),
        "action": Numbers(episode.action, named or [f"action {i}" for i in range(episode.action.shape[1])]),
        "reward": Numbers(episode.reward, ["reward"]),
        "success": Numbers(episode.success, ["success"]),
        "contact": Numbers(episode.contact, ["contact"]),
        **points(task_spec, episode.state),
    }
    return Viewed(title, shown)


def ending(what: str, task_spec: TaskSpec, episode: Episode) -> str:
    """`episode 3 (seed 17): solved after 14 steps`, or what it earned where nobody can succeed.

    what: the episode's number, or who played it
    """
    first = episode.first_success
    if not task_spec.success_test:
        end = f"return {episode.total_reward:.4g} in {episode.steps} steps"
    else:
        end = f"not solved in {episode.steps} steps" if first is None else f"solved after {first} steps"
    return f"{what} (seed {episode.seed}): {end}"


def state_curves(task_spec: TaskSpec, state: np.ndarray, whose: str = "") -> dict[str, Shown]:
    """Every variable of the states [T, D] under `state/`, with its unit in the legend. `whose`: true or imagined."""
    return {
        _path("state", v.name, whose): Numbers(state[:, v.slice], [f"{whose} {name}".strip() for name in _legend(v)])
        for v in task_spec.variables
    }


def points(task_spec: TaskSpec, state: np.ndarray, whose: str = "") -> dict[str, Shown]:
    """Every point of the states [T, D] under `world/`: hand, blocks, goal; those of a plane at height 0."""
    return {
        _path("world", v.name, whose): Points(np.pad(state[:, v.slice], ((0, 0), (0, 3 - (v.stop - v.start)))))
        for v in task_spec.variables
        if v.unit == "m" and v.stop - v.start in (2, 3)
    }


def _legend(variable: Variable) -> list[str]:
    size = variable.stop - variable.start
    parts = "xyz"[:size] if variable.unit == "m" and size <= 3 else [str(i) for i in range(size)]
    return [f"{variable.name} {part}, {variable.unit}".removesuffix(", ") for part in parts]


def _path(*parts: str) -> str:
    return "/".join(part for part in parts if part)
