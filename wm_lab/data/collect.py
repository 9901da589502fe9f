"""Collects a shard: plays groups of episodes in parallel, then joins them into columns.

Each group is written as soon as it is played, under its own number, so a killed collection goes on where it was; the
groups are joined in order, so the shard is the same to the byte on any number of workers.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np

from wm_lab.data.behaviours import Exploration, ExplorationConfig, choose
from wm_lab.data.rollout import (
    Advance,
    PlayConfig,
    Player,
    PolicyFactory,
    TaskFactory,
    counts,
    describe_group,
    split_into_groups,
)
from wm_lab.data.shard import EPISODE, MANIFEST, read_manifest
from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.data.workers import Workers, pool_of
from wm_lab.errors import UserError
from wm_lab.tasks.task import TaskSpec

GROUPS = "groups"
PLAN = "plan.json"
LAYOUT = 2
"""Of a group's columns: what another version of the lab has begun cannot be joined with what this one plays."""
LENGTH, TOLD = EPISODE + "length", EPISODE + "instruction"
DAMAGE = (zipfile.BadZipFile, zlib.error, TokenError, SyntaxError, ValueError, EOFError, LookupError, RuntimeError)
"""What reading a damaged group of episodes can end in."""


def collect(
    folder: Path,
    task: TaskFactory,
    policy: PolicyFactory,
    seeds: Sequence[int],
    exploration: ExplorationConfig,
    *,
    round_number: int = 0,
    description: Mapping[str, Any] | None = None,
    share: Sequence[float] | None = None,
    config: PlayConfig | None = None,
    workers: Workers | int | None = None,
    advance: Advance | None = None,
) -> Path:
    """Write one episode per seed, `policy` disturbed by `exploration`, into `folder` and return it.

    `description` says in JSON's terms who `policy` is (an expert, a model's key in the store); it is kept as provenance
    and must be the same when a killed collection is called again. A folder that is complete is left as it is.
    `share` is how much of the noise each action dimension gets (see `Exploration`).
    `workers` is a pool, which stays, or how many processes to start for this call alone (None: one per core).
    Raises UserError where the folder holds another collection, or the task cannot be played.
    """
    config = config or PlayConfig()
    task_spec = task().task_spec
    numbers = [int(seed) for seed in seeds]
    if not numbers or len(set(numbers)) != len(numbers):
        raise UserError(f"a collection needs at least one episode and no seed twice; found {len(numbers)} seeds")
    provenance = {
        "policy": dict(description or {}),
        "exploration": asdict(exploration),
        "round": round_number,
        "seeds": numbers,
        "play": asdict(config),
    }
    if share is not None:
        provenance["share"] = [float(part) for part in share]
    _require_same_plan(folder, task_spec, provenance)
    if (folder / MANIFEST).exists():
        return folder

    batches = [Batch(k, group) for k, group in enumerate(split_into_groups(seeds, config.group))]
    missing = [batch for batch in batches if not batch.path(folder).exists()]
    done = len(seeds) - sum(len(batch.seeds) for batch in missing)
    if advance is not None and done:
        advance(done)

    def tell(played: dict[str, int]) -> None:
        if advance is not None:
            advance(played.pop("episodes"), **played)

    build = partial(_build_collector, folder, task, partial(_disturbed, policy, exploration, share), config)
    with pool_of(workers) as pool:
        pool.map(build, missing, name=lambda batch: describe_group(batch.seeds), done=tell)
    _join(folder, batches, task_spec, exploration, round_number, provenance)
    shutil.rmtree(folder / GROUPS)
    (folder / PLAN).unlink()
    return folder


class Batch(NamedTuple):
    """The k-th group of a collection."""

    number: int
    seeds: list[int]

    def path(self, folder: Path) -> Path:
        return folder / GROUPS / f"{self.number:06d}.npz"


class Collector:
    """A worker's tools: plays a batch, writes it down and says how it went."""

    def __init__(self, folder: Path, player: Player) -> None:
        self.folder = folder
        self.player = player

    def __call__(self, batch: Batch) -> dict[str, int]:
        episodes = self.player(batch.seeds)
        path = batch.path(self.folder)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            facts = {
                LENGTH: [episode.steps for episode in episodes],
                TOLD: [episode.instruction for episode in episodes],
            }
            np.savez(file, **step_columns(episodes), **facts)  # type: ignore[arg-type]
        temporary.rename(path)
        return {"episodes": len(episodes), **counts(episodes)}


def _build_collector(folder: Path, task: TaskFactory, policy: PolicyFactory, config: PlayConfig) -> Collector:
    return Collector(folder, Player(task, policy(), config))


def _disturbed(policy: PolicyFactory, exploration: ExplorationConfig, share: Sequence[float] | None) -> Exploration:
    return Exploration(policy(), exploration, share)


def _require_same_plan(folder: Path, task_spec: TaskSpec, provenance: Mapping[str, Any]) -> None:
    """Refuse a folder whose collection, finished or not, is not the one asked for; else note the plan in it."""
    plan = json.loads(json.dumps({"task": asdict(task_spec), "provenance": provenance}))
    found = plan
    if (folder / MANIFEST).exists():
        manifest = read_manifest(folder)
        found = {key: manifest[key] for key in plan}
    elif (kept := _read_plan(folder)) is not None:
        found = kept
    else:
        (folder / GROUPS).mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{PLAN}"
        temporary.write_text(json.dumps({**plan, "layout": LAYOUT}))
        temporary.rename(folder / PLAN)
    if found != plan:
        raise UserError(
            f"{folder} holds another collection (of {found['task']['name']}, "
            f"{len(found['provenance']['seeds'])} episodes); choose another folder, or delete this one"
        )


def _read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of a collection that was begun. Of one that was damaged, or whose groups another version of the lab
    has written, nothing can be used, and it goes.
    """
    if not (folder / PLAN).exists():
        return None
    try:
        plan: dict[str, Any] = json.loads((folder / PLAN).read_text())
        _ = plan["task"]["name"], len(plan["provenance"]["seeds"])
        if plan.pop("layout") != LAYOUT:
            raise ValueError
        return plan
    except (ValueError, LookupError, TypeError):
        shutil.rmtree(folder / GROUPS, ignore_errors=True)
        (folder / PLAN).unlink()
        return None


def _join(
    folder: Path,
    batches: Sequence[Batch],
    task_spec: TaskSpec,
    exploration: ExplorationConfig,
    round_number: int,
    provenance: Mapping[str, Any],
) -> None:
    """Make the shard of the groups, one group in memory at a time."""
    lengths = np.concatenate([_load(batch.path(folder), LENGTH)[LENGTH] for batch in batches])
    writer = ShardWriter(folder, int((lengths + 1).sum()))
    for batch in batches:
        group = _load(batch.path(folder))
        del group[LENGTH], group[TOLD]
        writer.append(group)
    seeds = [seed for batch in batches for seed in batch.seeds]
    choices = [choose(exploration, seed) for seed in seeds]
    behaviours = sorted(exploration.weights)
    table: dict[str, list[Any]] = {
        "seed": seeds,
        "behaviour": [behaviours.index(choice.behaviour) for choice in choices],
        "strength": [choice.strength for choice in choices],
        "round": [round_number] * len(seeds),
    }
    told = [str(said) for batch in batches for said in _load(batch.path(folder), TOLD)[TOLD]]
    instructions = None
    if set(told) != {task_spec.instruction}:
        instructions = sorted(set(told))
        table["instruction"] = [instructions.index(said) for said in told]
    writer.finish(lengths, table, task_spec, behaviours, provenance, instructions)


def _load(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Some arrays of a group's file; all of them where none is named."""
    try:
        with np.load(path) as file:
            return {name: file[name] for name in names or file.files}
    except DAMAGE:
        path.unlink()
        raise UserError(f"{path} was damaged, perhaps by a full disk; it is removed now: run the same again") from None
