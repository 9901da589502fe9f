"""A dataset: an ordered list of shards read as one, split into episodes for training, validation and test.

The first shard is the collection, each further one a round added by the planner itself; adding a shard copies nothing
and moves no episode to another split.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.shard import EPISODE_COLUMNS, OBSERVATION, STEP_COLUMNS, Shard, open_shard
from wm_lab.data.splits import SPLITS, SplitConfig, assign, count_out
from wm_lab.data.statistics import Floors, floors_of, image_moments, linear_changes, moments, spread_of_changes
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.task import SCENE, Variable
from wm_lab.world_model import DataSpec

VERIFY_UP_TO = 256 << 20
"""Bytes whose checksums are compared when a dataset is opened: about 0.15 s; `Dataset.verify` reads everything."""

SAME = ("name", "physics", "settings", "observation", "action_size", "control_hz", "success_test")
"""What the task specifications of all shards must agree on."""


@dataclass(frozen=True)
class EpisodeTable:
    """One entry per episode, shard after shard."""

    shard: np.ndarray  # [E] int, which shard it lies in
    offset: np.ndarray  # [E] int64, its first row, counted over all shards
    length: np.ndarray  # [E] int64, actions; it owns one row more
    seed: np.ndarray  # [E] int64
    behaviour: np.ndarray  # [E] str
    strength: np.ndarray  # [E] float32, of the exploration noise
    round: np.ndarray  # [E] int
    split: np.ndarray  # [E] str, of `SPLITS`
    instruction: np.ndarray  # [E] int64, index into the dataset's instructions


class Dataset:
    """Rows of all shards are numbered through: shard 0's first, then shard 1's."""

    def __init__(
        self, shards: Sequence[Shard], split: SplitConfig | None = None, keys: Sequence[str] | None = None
    ) -> None:
        """keys: the observations that models see; None: those that the task specification names."""
        if not shards:
            raise UserError("a dataset needs at least one shard; collect one first")
        for shard in shards[1:]:
            _require_same_task(shards[0], shard)
        self.shards = tuple(shards)
        for key in keys or ():
            if key not in observed(shards[0]):
                raise unknown(f"observation in {shards[0].folder}", key, observed(shards[0]))
        self._keys = None if keys is None or set(keys) == set(shards[0].task_spec["observation"]) else tuple(keys)
        self.split_config = split or SplitConfig()
        self.instructions = list(dict.fromkeys(said for shard in shards for said in shard.instructions))
        self.first_row = np.cumsum([0, *(shard.rows for shard in shards)])
        self.table = self._table()
        self._joined: dict[str, np.ndarray] = {}

    @classmethod
    def open(
        cls,
        *folders: Path | str,
        split: SplitConfig | None = None,
        keys: Sequence[str] | None = None,
        verify_up_to: int | None = VERIFY_UP_TO,
    ) -> Dataset:
        """Open shards in the order of their collection, comparing up to so many bytes of each with their checksums.

        Raises UserError that names the file or folder which is missing, damaged, foreign or of another task.
        """
        return cls([open_shard(Path(folder), verify_up_to) for folder in folders], split, keys)

    @property
    def task_spec(self) -> dict[str, Any]:
        """The task specification in JSON's terms."""
        task_spec = self.shards[0].task_spec
        if self._keys is None:
            return task_spec
        columns = self.shards[0].columns
        return {**task_spec, "observation": {key: list(columns[OBSERVATION + key].shape[1:]) for key in self._keys}}

    @property
    def rows(self) -> int:
        """Observations in all; each episode has one more than actions."""
        return int(self.first_row[-1])

    def __len__(self) -> int:
        """Episodes in all."""
        return len(self.table.length)

    def episodes(self, split: str) -> np.ndarray:
        """Indices of the episodes of "train", "validation" or "test", or of "all"."""
        if split == "all":
            return np.arange(len(self))
        if split not in SPLITS:
            raise unknown("split", split, (*SPLITS, "all"))
        return np.flatnonzero(self.table.split == split)

    def only(self, episodes: np.ndarray) -> Dataset:
        """The same rows, with no more than these episodes to be seen."""
        some = copy(self)
        some.table = EpisodeTable(
            **{column.name: getattr(self.table, column.name)[episodes] for column in fields(EpisodeTable)}
        )
        return some

    def episode(self, index: int) -> Episode:
        """A recorded episode; its arrays are read-only views of the files."""
        start = int(self.table.offset[index])
        stop = start + int(self.table.length[index]) + 1
        observation = {key: self.slice(OBSERVATION + key, start, stop) for key in self.observation_keys}
        action, reward, success, contact, terminal = (self.slice(name, start, stop) for name in STEP_COLUMNS)
        told = self.instructions[self.table.instruction[index]]
        seed = int(self.table.seed[index])
        return Episode(seed, observation, action, reward, success, contact, terminal, instruction=told)

    @property
    def observation_keys(self) -> tuple[str, ...]:
        """Every recorded observation: the task's own and always "state"."""
        return observed(self.shards[0])

    def slice(self, column: str, start: int, stop: int) -> np.ndarray:
        """Rows start to stop of one column, which must lie in one shard (those of an episode do)."""
        shard = int(np.searchsorted(self.first_row, start, "right")) - 1
        base = self.first_row[shard]
        return self.shards[shard].columns[column][start - base : stop - base]

    def column(self, name: str) -> np.ndarray:
        """All rows of a small column, joined over the shards and kept in memory; not for images."""
        if name not in self._joined:
            self._joined[name] = np.concatenate([shard.columns[name] for shard in self.shards])
        return self._joined[name]

    @cached_property
    def spec(self) -> DataSpec:
        """Shapes of the task's observations; statistics of the training split, of "state" too where it is no input."""
        train = self.episodes("train")
        if not len(train):
            raise UserError(f"none of the {len(self)} episodes is for training; collect more, or lower the fractions")
        vectors = [key for key in self.observation_keys if self.shards[0].columns[OBSERVATION + key].ndim == 2]
        mean, std, std_change, changes = {}, {}, {}, {}
        for key in vectors:
            rows = self._training_rows(OBSERVATION + key)
            mean[key], std[key] = moments(rows, self.floors)
            std_change[key], changes[key] = spread_of_changes(rows, std[key], self.floors)
        for key in self.task_spec["observation"]:
            if key not in vectors:
                mean[key], std[key] = image_moments(self._training_rows(OBSERVATION + key))
        arrived = (rows[1:, None] for rows in self._training_rows("reward"))  # row 0 holds no reward
        mean["reward"], std["reward"] = moments(arrived, self.floors)
        shapes = {key: tuple(shape) for key, shape in self.task_spec["observation"].items()}
        linear = {}
        for key in vectors:
            pairs = zip(self._training_rows(OBSERVATION + key), self._training_rows("action"), strict=True)
            transitions = ((rows[:-1], actions[1:], rows[1:]) for rows, actions in pairs)
            linear[key] = linear_changes(transitions, floors=self.floors).tolist()
        found = self.places
        size = self.task_spec["action_size"]
        return DataSpec(
            shapes,
            size,
            mean,
            std,
            std_change,
            linear,
            instructions=self.instructions,
            changes=changes,
            action_std=self._action_std(),
            ends=bool(self.column("terminal").any()),
            points=found.points,
            rotations=found.rotations,
            present=found.present,
        )

    @property
    def alike(self) -> list[list[list[int]]]:
        """Groups of things that may be exchanged for one another (`TaskSpec.alike`), unless images tell them apart."""
        blind = set(self.task_spec["observation"]) <= {"state", SCENE}
        return self.task_spec.get("alike", []) if blind else []

    @property
    def places(self) -> Places:
        """Where positions stand in each vector."""
        shapes = {key: tuple(shape) for key, shape in self.task_spec["observation"].items()}
        return places([Variable(**variable) for variable in self.task_spec["variables"]], shapes)

    @property
    def floors(self) -> Floors:
        """Below which a deviation of its observations counts as none."""
        return floors_of(variable["unit"] for variable in self.task_spec["variables"])

    @cached_property
    def digest(self) -> str:
        """sha256 of all manifests and the split: what a trained model's name in the store depends on."""
        told: list[Any] = [[shard.manifest for shard in self.shards], vars(self.split_config)]
        if self._keys is not None:
            told.append(self._keys)
        if self.shards[0].imported:
            told.append("counted out")  # older lab versions chose other episodes
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def verify(self) -> None:
        """Compare every byte of every shard with its checksum; UserError names the first file that differs."""
        for shard in self.shards:
            shard.verify()

    def _action_std(self) -> list[float]:
        """Of each action dimension, over the training split's recorded actions; empty where none was recorded."""
        played = np.concatenate([rows[1:] for rows in self._training_rows("action")])  # row 0 holds no action
        known = played[np.isfinite(played).all(1)]
        return known.std(0, dtype=np.float64).tolist() if len(known) else []

    def _training_rows(self, column: str) -> list[np.ndarray]:
        table = self.table
        return [
            self.slice(column, int(table.offset[e]), int(table.offset[e] + table.length[e] + 1))
            for e in self.episodes("train")
        ]

    def _table(self) -> EpisodeTable:
        short = {name: name.removeprefix("episode.") for name in EPISODE_COLUMNS}
        parts = [{short[name]: np.asarray(shard.columns[name]) for name in short} for shard in self.shards]
        counts = [shard.episodes for shard in self.shards]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        shard = np.repeat(np.arange(len(parts)), counts)
        names = [np.array(s.behaviours)[part["behaviour"]] for s, part in zip(self.shards, parts, strict=True)]
        split = assign(joined["seed"], counts[0], self.split_config)
        if self.shards[0].imported:
            split[: counts[0]] = count_out(self.shards[0].solved(), self.shards[0].identity, self.split_config)
        return EpisodeTable(
            shard=shard,
            offset=joined["offset"] + self.first_row[shard],
            length=joined["length"].astype(np.int64),
            seed=joined["seed"],
            behaviour=np.concatenate(names),
            strength=joined["strength"],
            round=joined["round"],
            split=np.array(SPLITS)[split],
            instruction=np.concatenate([self._instruction(shard) for shard in self.shards]),
        )

    def _instruction(self, shard: Shard) -> np.ndarray:
        """[E] of a shard, counted in the dataset's instructions."""
        ours = np.array([self.instructions.index(said) for said in shard.instructions])
        numbers: np.ndarray = ours[shard.columns.get("episode.instruction", np.zeros(shard.episodes, int))]
        return numbers


class Places(NamedTuple):
    """What a `DataSpec` says of the places in each vector: {key: an index for each}."""

    points: dict[str, list[int]]
    rotations: dict[str, list[int]]
    present: dict[str, list[int]]


def places(variables: Sequence[Variable], shapes: Mapping[str, tuple[int, ...]]) -> Places:
    """Of a state of these variables, and of the scene that leads it.

    `block_rotation`, a quaternion, and `block_present`, 0 or 1, are of the place `block`.
    """
    points = [v for v in variables if v.unit == "m" and v.stop - v.start == 3]
    turned, present = ({v.name: v.start for v in variables if v.unit == unit} for unit in ("quaternion", "0 or 1"))
    keys = {"state": np.inf} | ({SCENE: shapes[SCENE][0]} if SCENE in shapes else {})
    some = {key: [v for v in points if v.stop <= end] for key, end in keys.items()}
    return Places(
        {key: [v.start for v in found] for key, found in some.items()},
        {key: [turned.get(f"{v.name}_rotation", -1) for v in found] for key, found in some.items()},
        {key: [present.get(f"{v.name}_present", -1) for v in found] for key, found in some.items()},
    )


def observed(shard: Shard) -> tuple[str, ...]:
    """Every recorded observation of a shard."""
    return tuple(name.removeprefix(OBSERVATION) for name in shard.columns if name.startswith(OBSERVATION))


def _require_same_task(first: Shard, other: Shard) -> None:
    for fact in SAME:
        if first.task_spec[fact] != other.task_spec[fact]:
            raise UserError(
                f"{first.folder} and {other.folder} cannot be one dataset: their {fact} differ, "
                f"{first.task_spec[fact]!r} and {other.task_spec[fact]!r}; collect one of them again"
            )
