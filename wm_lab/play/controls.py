"""Which key moves what: the dimensions of an action, named where the lab knows the robot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wm_lab.tasks.task import TaskSpec


@dataclass(frozen=True)
class Control:
    """One dimension of an action. `less` and `more` are keys by their names in browsers; a held one stays put."""

    name: str
    less: str
    more: str
    held: bool = False
    pad: str = ""  # "axis K" (-K: turned around) or "buttons LESS MORE" of a standard gamepad
    ends: tuple[str, str] = ("−", "+")  # what either end does, in a word


X = Control("x", "ArrowLeft", "ArrowRight", pad="axis 0")
Y = Control("y", "ArrowDown", "ArrowUp", pad="axis -1")
Z = Control("z", "f", "r", pad="axis -3")
YAW = Control("yaw", "e", "q", pad="axis -2")
PITCH = Control("pitch", "s", "w", pad="buttons 13 12")
ROLL = Control("roll", "a", "d", pad="buttons 14 15")
OPEN = Control("gripper", "c", "o", held=True, pad="buttons 7 6", ends=("close", "open"))
CLOSE = Control("gripper", "o", "c", held=True, pad="buttons 6 7", ends=("open", "close"))

ROBOTS: dict[tuple[str, int], tuple[Control, ...]] = {
    ("hand", 7): (X, Y, Z, YAW, PITCH, ROLL, OPEN),
    ("metaworld", 4): (X, Y, Z, CLOSE),
    ("fetch", 4): (X, Y, Z, OPEN),
    ("ogbench", 5): (X, Y, Z, YAW, CLOSE),
    ("point_maze", 2): (X, Y),
}
"""By the family of a task, and the size of its actions."""

OTHERS = (X, Y, Z, YAW, PITCH, ROLL)
"""Whose keys and axes serve a robot that is not known, in this order."""


def controls(task_spec: TaskSpec) -> list[Control]:
    """One for each dimension of an action; from the seventh on, dimensions of strange robots have no key."""
    family, size = task_spec.name.partition("/")[0], task_spec.action_size
    if (known := ROBOTS.get((family, size))) is not None:
        return list(known)
    named = [Control(f"action {i + 1}", like.less, like.more, pad=like.pad) for i, like in enumerate(OTHERS[:size])]
    return named + [Control(f"action {i + 1}", "", "") for i in range(len(named), size)]


def told(task_spec: TaskSpec) -> list[dict[str, Any]]:
    """The same in JSON's terms."""
    return [asdict(control) for control in controls(task_spec)]
