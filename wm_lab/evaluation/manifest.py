"""The frozen list of episodes that every arm of a comparison plays.

Two success rates may stand in one table only when they were won on the same starts, goals, step budget, success test
and physics. A manifest holds all of these, has a hash, and refuses to be mixed with another.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import plain, read_json, write_json

if TYPE_CHECKING:
    from wm_lab.tasks.task import TaskSpec

REVISION = 1
"""Raised when the meaning of a manifest changes, so that old and new results are never mixed."""

COLLECTION_SEEDS = range(2**30)
"""Data collection draws its episode seeds here and nowhere else."""

SPLITS = {"validation": range(2**30, 2**30 + 2**29), "test": range(2**30 + 2**29, 2**31)}
"""Evaluation seeds: `validation` chooses checkpoints and settings, `test` is for the numbers that are printed."""

SHOWN = 3
"""How many differing seeds an error names."""


@dataclass(frozen=True)
class Manifest:
    """Episodes `seeds` of the task of `card`, each at most `step_budget` control steps long."""

    card: dict[str, Any]  # the TaskSpec in JSON's terms: settings, success test, physics; this name is part of the hash
    seeds: tuple[int, ...]
    step_budget: int
    split: str = "test"
    revision: int = REVISION

    def __len__(self) -> int:
        return len(self.seeds)

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def task(self) -> str:
        return str(self.card["name"])

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.card["tags"])

    @property
    def success_test(self) -> str:
        return str(self.card["success_test"])

    @property
    def physics(self) -> str:
        return str(self.card["physics"])

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal digits that change with anything an outcome could depend on."""
        text = json.dumps(self._plain, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def first(self, episodes: int) -> Manifest:
        """The first `episodes` of this manifest: a shorter evaluation is always a part of the longer one."""
        return dataclasses.replace(self, seeds=self.seeds[:episodes])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, with the hash for a reader's eye and for `from_dict` to check."""
        return {**self._plain, "hash": self.hash}

    @cached_property
    def _plain(self) -> dict[str, Any]:
        """Made once, for recipes ask for it again and again; not to be changed."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "this manifest") -> Manifest:
        """Inverse of `to_dict`; UserError where something is missing or was changed by hand."""
        try:
            manifest, written = _thaw(json.dumps(values, sort_keys=True))
        except (KeyError, TypeError) as error:
            raise UserError(f"{where} is not an evaluation manifest ({error!r}); evaluate again") from error
        if written != manifest.hash:
            raise UserError(
                f"{where} was changed after it was frozen (hash {written}, content {manifest.hash}); evaluate again"
            )
        return manifest

    def save(self, path: Path | str) -> None:
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: Path | str) -> Manifest:
        return cls.from_dict(read_json(Path(path), "evaluation manifest", vouched=False), where=str(path))


def freeze(
    task_spec: TaskSpec, episodes: int, *, split: str = "test", offset: int = 0, step_budget: int | None = None
) -> Manifest:
    """`episodes` episodes from position `offset` of a split; the step budget is the task's own by default."""
    if split not in SPLITS:
        raise UserError(f"unknown evaluation split {split!r}; known: {', '.join(SPLITS)}")
    if episodes < 1 or offset < 0 or offset + episodes > len(SPLITS[split]):
        raise UserError(
            f"an evaluation needs between 1 and {len(SPLITS[split])} episodes, "
            f"found episodes={episodes} from offset={offset}; ask for some"
        )
    budget = task_spec.episode_steps if step_budget is None else step_budget
    if not 1 <= budget <= task_spec.episode_steps:
        raise UserError(
            f"step_budget={budget} does not fit {task_spec.name}, whose episodes last {task_spec.episode_steps} steps; "
            "lower the budget or lengthen the task"
        )
    seeds = SPLITS[split][offset : offset + episodes]
    return Manifest(card=plain(task_spec), seeds=tuple(seeds), step_budget=budget, split=split)


@lru_cache(64)  # thousands of arms of a sweep hold the same few
def _thaw(text: str) -> tuple[Manifest, str]:
    """A manifest and the hash it says it has, from `to_dict` as JSON."""
    values = json.loads(text)
    fields = {f.name: values[f.name] for f in dataclasses.fields(Manifest)}
    return Manifest(**{**fields, "seeds": tuple(fields["seeds"])}), values["hash"]


def require_same(a: Manifest, b: Manifest) -> None:
    """Raise UserError naming everything in which two manifests differ."""
    if a == b:
        return
    differences = [_seed_difference(a.seeds, b.seeds)] if a.seeds != b.seeds else []
    mine, theirs = _flat(plain(a)), _flat(plain(b))
    differences += [
        f"{key} is {mine.get(key)!r} against {theirs.get(key)!r}"
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key) != theirs.get(key)
    ]
    raise UserError(
        f"results on different episodes cannot be compared: {'; '.join(differences)}; play both arms on one manifest"
    )


def require_unseen(manifest: Manifest, collected: Iterable[int]) -> None:
    """Raise UserError if training data began from any of the manifest's seeds."""
    seen = sorted(set(manifest.seeds) & set(collected))
    if seen:
        raise UserError(
            f"{len(seen)} evaluation episodes of {manifest.task} are also in the training data "
            f"(seeds {_some(seen)}); collect with seeds below {COLLECTION_SEEDS.stop}"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names, so that an error can point at one; seeds are told apart elsewhere."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif key != "seeds":
            flat[f"{prefix}{key}"] = value
    return flat


def _seed_difference(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if len(a) != len(b):
        return f"{len(a)} episodes against {len(b)}"
    other = [seed for seed, theirs in zip(a, b, strict=True) if seed != theirs]
    return f"{len(other)} of {len(a)} episode seeds (first: {_some(other)})"


def _some(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds[:SHOWN])) + (", …" if len(seeds) > SHOWN else "")
