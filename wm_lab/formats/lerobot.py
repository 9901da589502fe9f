"""Reads LeRobotDataset folders, v2.0 to v3.0, without the lerobot package: Parquet by pyarrow, video by PyAV.

Vector observations stand side by side in the lab's state, cameras keep their names. `next.done` alone says that the
recording ended, not that the task did; an end is terminal only where `next.truncated` stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.actions import RecordedScale
from wm_lab.formats.alignment import RecordedEpisode, Unreadable, yes_or_no
from wm_lab.formats.lerobot_cameras import Cameras
from wm_lab.formats.lerobot_columns import choose_columns
from wm_lab.formats.lerobot_episodes import read_episodes
from wm_lab.formats.lerobot_info import Feature, names_of, read_info
from wm_lab.formats.lerobot_layout import ACTION, EPISODE, INFO, TASK, TIME
from wm_lab.formats.lerobot_ours import Ours, read_ours
from wm_lab.formats.lerobot_tasks import require_sentences, task_words
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.parquet import Parquet
from wm_lab.formats.source import LABELS, Source, Wishes, describe
from wm_lab.tasks.task import TaskSpec

BEAT = 0.1
"""Of a frame's duration: how far a timestamp may lie from its place."""


class LeRobot(Source):
    def __init__(self, folder: Path, wishes: Wishes) -> None:
        self.folder, self.name, self.wishes = folder, str(folder), wishes
        self.info = read_info(folder)
        self.format = f"LeRobot v{self.info.version[0]}.{self.info.version[1]}"
        if wishes.hz not in (None, self.info.fps):
            raise UserError(
                f"{folder} says that it holds {self.info.fps:g} frames a second; leave out --hz {wishes.hz:g}"
            )
        self.notes: list[str] = []
        self._columns = choose_columns(self.info, wishes.map)
        ours = read_ours(folder)
        self._whole = ours is not None  # written by the lab: every vector is an observation of its own
        self.observed = self._observe()
        self._cameras = {key: self._columns.cameras[key] for key in self.observed.images}
        videos = [feature.name for feature in self._cameras.values() if feature.kind == "video"]
        self._meta = read_episodes(self.info, videos)
        self.kept, self.without = wishes.kept(len(self._meta), self.name), wishes.without
        self.lengths = self._meta.frames[self.kept] - 1
        self._require_steps()
        self._rows: list[slice] = []  # of each kept episode in its file
        self._asked: list[int] = []  # task_index of each one's first frame
        self.scale = RecordedScale.of(self._scan(), self.name) if ours is None else self._as_ours(ours)
        self.table = {"seed": self.kept}
        self._instructions = self._instruct()
        self.behaviours = ["recorded"]
        self.origin: dict[str, Any] = {"fps": self.info.fps, "robot_type": self.info.robot} | self._labels()
        self.task_spec = self._card(ours)
        self._tell()

    @property
    def instructions(self) -> list[str]:
        return self._instructions

    def episodes(self) -> Iterator[Episode]:
        readers = Cameras(self.info, self._meta, self.wishes.image_size)
        table: Parquet | None = None
        names = [feature.name for feature in (*self._columns.action, *self._columns.flags.values(), *self._vectors)]
        try:
            for index, (episode, seed) in enumerate(
                zip(self.kept.tolist(), np.asarray(self.table["seed"]).tolist(), strict=True)
            ):
                path = self._meta.data_file(episode)
                if table is None or table.path != path:
                    table = Parquet(path, names)
                with self.reading(index):
                    frames = self._frames(table, self._rows[index])
                    for key, feature in self._cameras.items():
                        frames.observation[key] = readers.read(feature, episode, path, self._rows[index])
                    arrived = frames.arrive(seed, self._shapes)
                yield arrived
        finally:
            readers.close()

    # What the metadata say

    def _observe(self) -> Observed:
        """Cameras and vectors to keep. `--keys` may say the whole name of a column, where the short one means more."""
        side, columns, keys = self.wishes.image_size, self._columns, self.wishes.keys
        named = {feature.name: key for key, feature in {**columns.vectors, **columns.cameras}.items()}
        if keys is not None and not self._whole:
            vectors = [key for key, f in columns.vectors.items() if f.name in keys or (key in keys and key != STATE)]
            if vectors and STATE not in keys:
                columns.left += [f.name for key, f in columns.vectors.items() if key not in vectors]
                columns.vectors = {key: columns.vectors[key] for key in vectors}
                keys = [STATE, *(key for key in keys if named.get(key, key) not in vectors)]
        elif keys is None and STATE in columns.cameras:
            raise UserError(
                f"{self.name} has a camera called {STATE}, which is the lab's name for all vectors together; give it "
                f"another with --map NAME={columns.cameras[STATE].name}"
            )
        keys = None if keys is None else [named.get(key, key) for key in keys]
        images = {
            key: (side, side, 3) if side else f.picture
            for key, f in columns.cameras.items()
            if keys is None or key in keys
        }
        sizes = {key: f.size for key, f in columns.vectors.items()}
        observed = Observed.choose(self.name, images, sizes, keys)
        if self._whole:
            observed.vectors, observed.seen = sizes, keys or [*sizes, *images]
        return observed

    @property
    def _vectors(self) -> list[Feature]:
        return [self._columns.vectors[key] for key in self.observed.vectors]

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if self._whole:
            return {**{key: (size,) for key, size in self.observed.vectors.items()}, **self.observed.images}
        return self.observed.shapes

    def _require_steps(self) -> None:
        short = np.flatnonzero(self.lengths < 1)
        if len(short):
            raise UserError(
                f"episode {self.kept[short[0]]} of {self.name} has {self.lengths[short[0]] + 1} frames, and a step "
                f"needs two; leave it out with --without {' '.join(map(str, self.kept[short].tolist()))}"
            )

    def _instruct(self) -> list[str]:
        """The instructions, and which of them each episode follows as a column of the table, if there are several."""
        words = task_words(self.folder, self.info.is_old) if self._asked else None
        if words is None:
            told = self._meta.tasks()
            asked = [told[episode] for episode in self.kept.tolist()]
        else:
            for episode, task in zip(self.kept.tolist(), self._asked, strict=True):
                if task not in words:
                    raise UserError(
                        f"episode {episode} of {self.name} follows task {task}, and its table of tasks describes "
                        f"{sorted(words)[:20]}; copy the dataset again"
                    )
            asked = [words[task] for task in self._asked]
        require_sentences(asked, self.name)
        found = {sentence: index for index, sentence in enumerate(dict.fromkeys(asked))}
        if len(found) > 1:
            self.table["instruction"] = np.array([found[sentence] for sentence in asked])
        return list(found)

    def _card(self, ours: Ours | None) -> TaskSpec:
        if ours is not None:
            ours.require_sizes(self._shapes, self.scale)
            self.behaviours, self.origin = ours.behaviours, self.origin | ours.provenance
            facts = {name: values[self.kept] for name, values in self._meta.extra.items() if name != "instruction"}
            self.table |= ours.checked(facts)
            keys = ours.task_spec.observation if self.wishes.keys is None else self.observed.seen
            return replace(ours.task_spec, observation={key: ours.shape(key, self._shapes) for key in keys})
        physics = f"{self.info.robot or 'unknown robot'}, as recorded"
        name, instruction = self.folder.resolve().name, self._instructions[0]
        return describe(name, self.observed, self.scale, self.lengths, self.info.fps, instruction, physics)

    def _labels(self) -> dict[str, Any]:
        """What the numbers are called, for the source's origin."""
        seen = {key: f for key, f in self._columns.vectors.items() if key == STATE or not self._whole}
        named = {ACTION: names_of({f.name: f for f in self._columns.action}), STATE: names_of(seen)}
        return {LABELS: {role: names for role, names in named.items() if names}}

    def _tell(self) -> None:
        if self._columns.left:
            self.notes.append(f"left out: {', '.join(self._columns.left)}")
        if "reward" not in self._columns.flags:
            self.notes.append("no rewards were recorded: all are 0")

    # What the tables say

    def _scan(self) -> Iterator[np.ndarray]:
        """The actions [L, A] of every kept episode, and where they were found. Every file is read to its end once
        before any episode is made of it."""
        names = [EPISODE, *(name for name in (TIME, TASK) if name in self.info.features)]
        names += [feature.name for feature in self._columns.action]
        for path, group in groupby(enumerate(self.kept.tolist()), lambda pair: self._meta.data_file(pair[1])):
            table = Parquet(path, names)
            runs = _runs(table.integers(EPISODE))
            asked = table.integers(TASK) if TASK in names else None
            for index, episode in group:
                with self.reading(index):
                    self._rows.append(self._find(table, runs, index, episode))
                    action = self._action(table, self._rows[-1])
                yield action
                if asked is not None:
                    self._asked.append(int(asked[self._rows[-1].start]))

    def _as_ours(self, ours: Ours) -> RecordedScale:
        """The lab's own actions are in its units already."""
        if any((np.abs(action) > 1).any() for action in self._scan()):
            raise ours.damaged("the dataset has actions beyond [-1, 1], which none of the lab's has")
        size = sum(feature.size for feature in self._columns.action)
        return RecordedScale(-np.ones(size), np.ones(size))

    def _find(self, table: Parquet, runs: dict[int, slice | None], index: int, episode: int) -> slice:
        """The rows of an episode, which follow one another at the dataset's rate."""
        length = int(self.lengths[index]) + 1
        rows = runs.get(episode, slice(0, 0))
        if rows is None:
            raise Unreadable(f"is scattered over {table.path}")
        if rows.stop - rows.start != length:
            raise UserError(
                f"{table.path} holds {rows.stop - rows.start} frames of episode {episode}, and the list of episodes "
                f"counts {length}; copy the dataset again, or leave it out with --without {episode}"
            )
        if TIME in self.info.features:
            late = np.abs(table.values(TIME, 1, rows)[:, 0] * self.info.fps - np.arange(length))
            if not (late <= BEAT).all():
                odd = int((~(late <= BEAT)).argmax())
                raise UserError(
                    f"the timestamps of episode {episode} of {self.name} are not those of {self.info.fps:g} frames a "
                    f"second (frame {odd} is off by {late[odd] / self.info.fps:.3g} s); record or resample all of it "
                    "at one rate"
                )
        return rows

    def _action(self, table: Parquet, rows: slice) -> np.ndarray:
        """[L, A] as recorded"""
        return np.concatenate([table.values(f.name, f.size, rows) for f in self._columns.action], axis=1)

    def _frames(self, table: Parquet, rows: slice) -> RecordedEpisode:
        """An episode without its images."""
        parts = {key: table.values(f.name, f.size, rows) for key, f in self._columns.vectors.items()}
        if self._whole:
            with np.errstate(over="ignore"):
                observation = {key: part.astype(np.float32) for key, part in parts.items()}
        else:
            observation = {STATE: self.observed.join(parts)}
        told = {role: table.values(f.name, 1, rows)[:, 0] for role, f in self._columns.flags.items()}
        flags = {role: yes_or_no(role, values) for role, values in told.items() if role != "reward"}
        ended = flags["done"] & ~flags["truncated"] if flags.keys() >= {"done", "truncated"} else None
        return RecordedEpisode(
            observation=observation,
            action=self.scale.normalise(self._action(table, rows)),
            reward=told.get("reward"),
            success=flags.get("success"),
            contact=flags.get("contact"),
            terminal=ended,
        )


def is_lerobot(path: Path) -> bool:
    return (path / INFO).is_symlink() or (path / INFO).exists()


def _runs(owner: np.ndarray) -> dict[int, slice | None]:
    """{episode: its rows} of a column that says whose each row is; None where they do not follow one another."""
    edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)] if len(owner) else []
    runs: dict[int, slice | None] = {}
    for start, stop in pairwise(edges):
        episode = int(owner[start])
        runs[episode] = None if episode in runs else slice(start, stop)
    return runs
