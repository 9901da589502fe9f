"""Reads HDF5 files in the layout of robomimic, robosuite, LIBERO and Isaac Lab: one group an episode (h5py).

    data            attributes: env_args, JSON with env_name and env_kwargs.control_freq (Isaac Lab: sim_args)
    data/demo_0     actions [N, A], rewards, dones [N], obs/<key> [N or N + 1, ...], next_obs/<key> where kept;
                    attributes: success (Isaac Lab)

(robomimic docs, "Dataset Structure and Creation"; Isaac Lab, `HDF5DatasetFileHandler`.) Groups within obs are read with
their name before each of theirs. `dones` marks the end of every demonstration, not of the task, so nothing is terminal.
Simulator states are not observations, and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.actions import RecordedScale, numbers_of_actions
from wm_lab.formats.alignment import RecordedEpisode, Unreadable
from wm_lab.formats.files import shortened
from wm_lab.formats.hdf5 import (
    FAULTS,
    array,
    arrays,
    attribute,
    json_attribute,
    members,
    open_hdf5,
    read,
    reading_hdf5,
    require_held,
    subgroup,
)
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.source import Source, Wishes, describe, rate, words
from wm_lab.formats.still import resized
from wm_lab.tasks.task import TaskSpec

SUFFIXES = (".hdf5", ".h5")


class Robomimic(Source):
    format = "robomimic HDF5"

    def __init__(self, path: Path, wishes: Wishes) -> None:
        self.path, self.name, self.wishes = path, str(path), wishes
        self._file = open_hdf5(path, str(path))
        self.notes: list[str] = []
        with self._whole():
            self._data = subgroup(self._file, "data")
            demos = sorted(members(self._data), key=_number)
            if not demos:
                raise Unreadable("holds no episode under data/")
        self.kept, self.without = wishes.kept(len(demos), self.name), wishes.without
        self._demos = [demos[number] for number in self.kept]
        self._told = self._environment()
        with self._demo(0) as demo:
            found = {key: (part.shape, part.dtype) for key, part in arrays(_observations(demo)).items()}
            images, vectors = wishes.sorted_out(found, self.notes)
            self._recorded = {key.replace("/", "."): key for key in found} | {key: key for key in vectors}
            size = numbers_of_actions(read(array(demo, "actions"))).shape[1]
        self.observed = Observed.choose(self.name, images, vectors, wishes.keys)
        self.lengths = np.array([self._steps(index) for index in range(len(self))])
        wanted = (found[self._recorded[key]] for key in (*self.observed.vectors, *self.observed.images))
        require_held(path, self.rows * sum(prod(shape[1:]) * dtype.itemsize for shape, dtype in wanted))
        self.scale = RecordedScale.of((self._actions(index, size) for index in range(len(self))), self.name)
        self.table = {"seed": self.kept}
        self.behaviours = ["recorded"]
        self.origin = {"environment": self._environment_name()}
        self.task_spec = self._card(wishes)

    def called(self, index: int) -> str:
        return f"episode {self.kept[index]} ({shortened(self._demos[index])})"

    def episodes(self) -> Iterator[Episode]:
        for index, seed in enumerate(self.kept.tolist()):
            with self._demo(index) as demo:
                episode = self._frames(demo).arrive(seed, self.observed.shapes)
            yield episode

    def _frames(self, demo: Any) -> RecordedEpisode:
        rewards = read(array(demo, "rewards")) if "rewards" in members(demo) else None
        action = self.scale.normalise(read(array(demo, "actions")))
        return RecordedEpisode(self._observe(demo), action, rewards, self._success(demo, rewards, len(action)))

    def _observe(self, demo: Any) -> dict[str, np.ndarray]:
        """Everything that was seen, the outcome of the last action too where it was kept."""
        seen, steps = _observations(demo), len(array(demo, "actions"))
        after = subgroup(demo, "next_obs") if "next_obs" in members(demo) else None

        def rows(key: str) -> np.ndarray:
            place = self._recorded[key]
            found = read(array(seen, place))
            if after is None or len(found) != steps:
                return found
            outcomes = array(after, place)
            if outcomes.shape != found.shape:
                raise Unreadable(f"has next_obs/{key} of another shape than obs/{key}")
            return np.concatenate([found, read(outcomes, -1)])

        state = self.observed.join({key: rows(key) for key in self.observed.vectors})
        return {STATE: state} | {key: resized(rows(key), self.wishes.image_size) for key in self.observed.images}

    def _success(self, demo: Any, rewards: np.ndarray | None, steps: int) -> np.ndarray | None:
        """[N] after each action: Isaac Lab's word on the whole episode counts for its end; otherwise the reward's."""
        said = np.asarray(attribute(demo, "success"))
        if said.size == 1 and said.dtype.kind in "biu":
            ends: np.ndarray = np.arange(steps) == (steps - 1 if said.item() else -1)
            return ends
        # Unshaped, a reward of 1 is robosuite's word for success.
        kwargs = self._told.get("env_kwargs")
        shaped = not isinstance(kwargs, dict) or kwargs.get("reward_shaping", True)
        return None if shaped or rewards is None else rewards >= 1

    def _actions(self, index: int, size: int) -> np.ndarray:
        with self._demo(index) as demo:
            return numbers_of_actions(read(array(demo, "actions")), size)

    def _steps(self, index: int) -> int:
        """Actions whose outcome was seen."""
        with self._demo(index) as demo:
            actions = len(array(demo, "actions"))
            seen = len(array(_observations(demo), next(iter(self.observed.vectors))))
            return max(seen - 1, actions - ("next_obs" not in members(demo)))

    def _card(self, wishes: Wishes) -> TaskSpec:
        told = self._hz()
        if told and wishes.hz and wishes.hz != told:
            raise UserError(f"{self.name} says {told:g} steps a second, and --hz {wishes.hz:g}; leave out --hz")
        hz = wishes.hz or told
        if hz is None:
            raise UserError(f"{self.name} does not say how many steps a second take; say it with --hz")
        environment = self._environment_name() or "unknown environment"
        physics = f"{environment} {words(self._told.get('env_version'))}".strip()
        return describe(
            self.path.stem, self.observed, self.scale, self.lengths, hz, environment, f"{physics}, as recorded"
        )

    def _hz(self) -> float | None:
        """Control steps a second, where a usable number of them is told."""
        kwargs, sim = self._told.get("env_kwargs"), self._told.get("sim_args")
        if isinstance(kwargs, Mapping) and (told := rate(kwargs.get("control_freq"))):
            return told
        if isinstance(sim, Mapping):  # Isaac Lab: physics steps of `dt` seconds, `decimation` of them to a control step
            step, several = rate(sim.get("dt")), rate(sim.get("decimation"))
            return None if step is None or several is None else rate(1 / (step * several))
        return None

    def _environment_name(self) -> str | None:
        return words(self._told.get("env_name")) or None

    def _environment(self) -> dict[str, Any]:
        try:
            return json_attribute(self._data, "env_args")
        except FAULTS as error:
            raise UserError(f"{self.name} has damaged env_args ({shortened(error)}); copy it again") from None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is wrong with the file as a whole."""
        try:
            with reading_hdf5():
                yield
        except Unreadable as error:
            raise UserError(f"{self.name} {error}; it is not of robomimic's layout, or damaged") from None

    @contextmanager
    def _demo(self, index: int) -> Iterator[Any]:
        """The group of one episode, whose chunks may turn out to be damaged."""
        with self.reading(index), reading_hdf5():
            yield subgroup(self._data, self._demos[index])


def is_robomimic(path: Path) -> bool:
    return path.is_file() and path.suffix in SUFFIXES


def _observations(demo: Any) -> Any:
    if missing := {"actions", "obs"} - set(members(demo)):
        raise Unreadable(
            f"lacks {', '.join(sorted(missing))} (where observations were not kept, make them with robomimic's "
            "dataset_states_to_obs.py)"
        )
    return subgroup(demo, "obs")


def _number(name: str) -> tuple[list[int], str]:
    """Demonstrations in the order of their numbers."""
    return [int(digits) for digits in re.findall(r"\d{1,18}", name)], name
