"""Whether a shard's manifest and columns fit together: it may come from anybody, and what it says is used as it stands.

Checksums guard against accidents; these checks against a manifest that lies. They read no more than the columns that
hold a number for each episode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wm_lab.tasks.task import TaskSpec

LONGEST_NAME = 250
"""Bytes of a column's name, which is that of its file."""

STATE = "observation.state"
FLAGS = ("success", "contact", "terminal")
NUMBERS = "fiub"
"""Kinds of NumPy's types."""


def fault_of_manifest(manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with a manifest that has all its parts, as a sentence goes on after its path; None: nothing."""
    columns = manifest["columns"]
    for name, facts in columns.items():
        if not name.isprintable() or "/" in name or "\\" in name or len(name.encode()) > LONGEST_NAME:
            return f"has a column {name[:60]!a}, which no file can be called"
        wanted = {"dtype": str, "shape": list, "bytes": int, "crc32": str}
        if not isinstance(facts, dict) or not all(isinstance(facts.get(key), kind) for key, kind in wanted.items()):
            return f"does not say dtype, shape, bytes and crc32 of column {name}"
    for name, fits in _PARTS.items():
        if name in manifest and not fits(manifest[name]):
            return f"says {name}={str(manifest[name])[:60]!a}, which no dataset has"
    return _fault_of_task_spec(manifest["task"])


def fault_of_columns(manifest: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> str | None:
    """What is wrong with the columns that a sound manifest vouches for."""
    task_spec = manifest["task"]
    rows, episodes = len(columns["reward"]), len(columns["episode.length"])
    shapes = {"reward": (rows,), "action": (rows, task_spec["action_size"]), **dict.fromkeys(FLAGS, (rows,))}
    shapes |= {f"observation.{key}": (rows, *shape) for key, shape in task_spec["observation"].items()}
    for name, column in columns.items():
        kinds = "b" if name in FLAGS else "iub" if name.startswith("episode.") else NUMBERS
        if name == "episode.strength":
            kinds = "f"
        count = episodes if name.startswith("episode.") else rows
        if column.dtype.kind not in kinds or not column.ndim or len(column) != count:
            return f"has {column.dtype} {list(column.shape)} in {name}, for {rows} rows of {episodes} episodes"
    for name, shape in shapes.items():
        if name not in columns:
            return f"lacks {name}, which its task shows"
        if columns[name].shape != shape:
            return f"has {name} of {list(columns[name].shape[1:])}, and its task says {list(shape[1:])}"
    if STATE not in columns or columns[STATE].ndim != 2:
        return f"lacks {STATE}, a vector for each row"
    if any(v["stop"] > columns[STATE].shape[1] for v in task_spec["variables"]):
        return f"names variables beyond the {columns[STATE].shape[1]} numbers of {STATE}"
    return _fault_of_episodes(manifest, columns, rows)


def _fault_of_episodes(manifest: Mapping[str, Any], columns: Mapping[str, np.ndarray], rows: int) -> str | None:
    length = columns["episode.length"].astype(np.int64)
    owned = length + 1
    if not len(length) or length.min() < 0 or owned.sum() != rows:
        return f"counts {int(owned.sum())} rows of episodes, and holds {rows}"
    if (columns["episode.offset"] != np.cumsum(owned) - owned).any():
        return "has episodes that do not follow one another"
    for name, kinds in (("behaviour", manifest["behaviours"]), ("instruction", manifest.get("instructions", [""]))):
        which = columns.get(f"episode.{name}")
        if which is not None and (which.min() < 0 or which.max() >= len(kinds)):
            return f"points at {name} {int(which.max())} of {len(kinds)}"
    return None


def _fault_of_task_spec(told: Any) -> str | None:
    try:
        task_spec = TaskSpec.from_dict(told)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return f"has no task specification that can be read ({str(error)[:100]!a})"
    whole = {"action_size": task_spec.action_size, "episode_steps": task_spec.episode_steps}
    for name, value in whole.items():
        if not _is_whole(value) or value < 1:
            return f"says {name}={str(value)[:60]!a}"
    if task_spec.control_hz is not None and not (
        _is_number(task_spec.control_hz) and 0 < task_spec.control_hz < math.inf
    ):
        return f"says control_hz={str(task_spec.control_hz)[:60]!a}"
    for name in ("name", "instruction", "success_test", "physics"):
        if not isinstance(getattr(task_spec, name), str):
            return f"has a {name} that is no text"
    return _fault_of_lists(task_spec)


def _fault_of_lists(task_spec: TaskSpec) -> str | None:
    if not isinstance(task_spec.settings, dict) or not all(isinstance(tag, str) for tag in task_spec.tags):
        return "has settings or tags that are none"
    for key, shape in task_spec.observation.items():
        if not all(_is_whole(side) and side > 0 for side in shape):
            return f"says that {key[:60]!a} is of {str(list(shape))[:60]}"
    for v in task_spec.variables:
        inside = _is_whole(v.start) and _is_whole(v.stop) and 0 <= v.start < v.stop
        tolerated = v.tolerance is None or _is_number(v.tolerance)
        if not (inside and tolerated and isinstance(v.name, str) and isinstance(v.unit, str)):
            return f"has a variable {str(v.name)[:60]!a} that is none"
    return None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


_PARTS: dict[str, Callable[[Any], bool]] = {
    "behaviours": _are_texts,
    "instructions": _are_texts,
    "provenance": lambda value: isinstance(value, dict),
    "task": lambda value: isinstance(value, dict),
}
