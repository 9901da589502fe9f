"""A finished run, ready to be used: its policies for one robot, its world model on arrays, its tables.

run = load_run("outputs/runs/2026-07-01_12-00-00-planning")
policy = run.policy("mpc")
action = policy.act(observation)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from torch import nn

from wm_lab.config import settings_of
from wm_lab.deploy.array_model import ArrayModel
from wm_lab.deploy.robot_policy import RobotPolicy
from wm_lab.errors import UserError, unknown
from wm_lab.evaluation.json_files import read_json
from wm_lab.experiment.arms import (
    IN_VALIDATION,
    BehaviourArm,
    CloneArm,
    PlanningArm,
    ReactiveArm,
)
from wm_lab.experiment.chosen import acts_itself, is_simulator
from wm_lab.experiment.run_settings import Settings
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.behaviour_cloning import PLAYING, BehaviourCloning, BehaviourCloningConfig
from wm_lab.policy import Policy
from wm_lab.reports.runs import RunRecord, read_run, read_runs
from wm_lab.settings import TARGET, build
from wm_lab.settings.trust import is_trusted
from wm_lab.store import RECIPE, Used
from wm_lab.system.device import choose_device
from wm_lab.system.names import file_name
from wm_lab.tasks.task import Task, TaskSpec
from wm_lab.training.checkpoint import load_model
from wm_lab.training.trainer import BEST
from wm_lab.world_model import WorldModel

if TYPE_CHECKING:
    import pandas

OUTCOMES_OF = "outcomes of "
WHOLE_ARMS = ("mpc", "advised", "bc", "policy")
"""Policies that a run's settings describe, also where nobody played them."""


def load_run(path: Path | str, device: str = "cpu") -> LoadedRun:
    """The finished run in this folder.

    device: where its models compute: cpu, cuda, cuda:1, mps, or auto
    Raises UserError where there is no run, several, or one that has not finished.
    """
    folder = Path(path).expanduser().absolute()
    records = read_runs([folder])
    if len(records) > 1:
        raise UserError(f"{folder} holds {len(records)} runs; name one of them, such as {records[0].folder}")
    return LoadedRun(_finished(read_run(records[0].folder)), choose_device(device))


def _finished(record: RunRecord) -> RunRecord:
    """UserError unless the run has an answer."""
    if record.result is not None:
        return record
    if record.state == "running":
        raise UserError(f"{record.folder} is still going (begun {record.started}); load it when it has finished")
    why = f": {record.reason}" if record.reason else ""
    raise UserError(f"{record.folder} has no result ({record.state}{why}); run it again: {record.command}")


class LoadedRun:
    """What a run made, found in the store by the names that its result tells.

    `record.result` is result.json, `settings` what was asked, `store` where the artifacts lie.
    """

    def __init__(self, record: RunRecord, device: str) -> None:
        self.record, self.device = record, device
        self.folder = record.folder
        self.result: dict[str, Any] = record.result or {}
        if "used" not in self.result:
            raise UserError(
                f"{self.folder} does not say what it used, as runs of today do; run it again, which trains "
                f"nothing anew: {record.command}"
            )
        self.store = (self.folder / self.result["store"]).resolve()
        self.used = [Used(**each) for each in self.result["used"]]

    @cached_property
    def settings(self) -> Settings:
        """What was asked of the run, on the device that was asked for now."""
        plain = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
        for name, section in plain.items():
            _require_known_code(name, section)
        try:
            return settings_of(plain, self.result["labels"], self.device, self.store)
        except KeyError as error:
            raise UserError(
                f"{self.folder} is older than the option {error.args[0]}; run it again: {self.record.command}"
            ) from error

    @cached_property
    def task(self) -> Task:
        """The task that was learned."""
        return build(Task, self.settings.task, "task")

    @property
    def task_spec(self) -> TaskSpec:
        return self.task.task_spec

    def artifact(self, what: str, seed: int | None = None) -> Path:
        """The folder of what the run used under this name ("world model", "clone", "collection"), of one training.

        UserError where it used none, or where it is gone from the store.
        """
        seed = self.result["seed"] if seed is None else seed
        trained = sorted({each.seed for each in self.used})
        if trained and seed not in trained:
            known = ", ".join(map(str, trained))
            raise UserError(f"{self.folder.name} has no training of seed {seed}; it has {known}")
        found = [each for each in self.used if each.what == what and each.seed == seed]
        if not found:
            raise unknown(f"artifact of {self.folder.name}, seed {seed},", what, {each.what for each in self.used})
        return self._there(found[-1].place)

    @property
    def policies(self) -> tuple[str, ...]:
        """Names that `policy` takes: arms that were played, and those that the settings describe."""
        played = [each.what.removeprefix(OUTCOMES_OF) for each in self.used if each.what.startswith(OUTCOMES_OF)]
        played = [name for name in played if not name.endswith(IN_VALIDATION)]
        return tuple(dict.fromkeys([*(name for name in played if self._recipe(name) is not None), *self._described()]))

    def policy(self, name: str = "mpc", seed: int | None = None, own_units: bool = False) -> RobotPolicy:
        """A policy for one robot, ready for the first observation of an episode.

        name: an arm of the run's tables: "mpc", "bc", ...; seed: of the training (default: the first)
        own_units: actions come in the robot's units instead of [-1, 1] (`Task.command`)
        """
        if name not in self.policies:
            raise unknown(f"policy of {self.folder.name}", name, self.policies)
        policy, spec = self._policy(name, self.result["seed"] if seed is None else seed)
        return RobotPolicy(policy, spec, lambda: self.task, name, own_units)

    @cached_property
    def world_model(self) -> WorldModel:
        """The world model of the first training, as the module that it is."""
        return load_model(self.artifact("world model") / BEST, WorldModel, self.device)

    @cached_property
    def model(self) -> ArrayModel:
        """The same on NumPy arrays, for one robot."""
        return ArrayModel(self.world_model)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names that `table` takes."""
        return tuple(sorted(file.stem for file in (self.folder / "tables").glob("*.csv")))

    def table(self, name: str) -> pandas.DataFrame:
        """A table of the run, one value a column; an interval is the columns NAME, NAME_low and NAME_high.

        UserError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UserError(
                "tables come as pandas frames, and pandas is not installed; pip install pandas, or read the same "
                f"numbers from {self.folder / 'tables'}"
            ) from error
        if file_name(name) not in self.tables:
            raise unknown(f"table of {self.folder.name}", name, self.tables)
        return pandas.read_csv(self.folder / "tables" / f"{file_name(name)}.csv")

    def _described(self) -> list[str]:
        """Those of `WHOLE_ARMS` for which the run has trained what they need."""
        have = {each.what for each in self.used}
        if is_simulator(self.settings) or "world model" not in have:
            return ["bc"] if "clone" in have else []
        reactive = ["policy"] if acts_itself(self.settings) else []
        return ["mpc", *reactive, *(["bc", "advised"] if "clone" in have else [])]

    def _recipe(self, name: str, seed: int | None = None) -> dict[str, Any] | None:
        """How a played arm acts, as the store tells it; None of one that needs the simulator or learned nothing."""
        seed = self.result["seed"] if seed is None else seed
        place = next((u.place for u in self.used if u.what == OUTCOMES_OF + name and u.seed == seed), None)
        if place is None or not (self.store / place / RECIPE).is_file():
            return None
        policy: dict[str, Any] = read_json(self.store / place / RECIPE, "recipe")["recipe"]["policy"]
        return policy if policy.get("checkpoint") and not policy.get("true_dynamics") else None

    def _policy(self, name: str, seed: int) -> tuple[Policy, Any]:
        """The policy, and the specification of what it observes."""
        if name == "bc":
            net = load_model(self.artifact("clone", seed) / BEST, BehaviourCloning)
            return BCPolicy(net, BehaviourCloningConfig.played(self.settings.bc)), net.spec
        arm = self._arm(name, seed)
        if isinstance(arm, PlanningArm):
            planning = arm.build_bare()
            return planning, planning.rollout.model.spec
        policy = arm.build()
        return policy, load_model(arm.checkpoint, nn.Module).spec

    def _arm(self, name: str, seed: int) -> PlanningArm | CloneArm | ReactiveArm | BehaviourArm:
        """As it was played, or as the settings describe it."""
        recipe = self._recipe(name, seed)
        if recipe is None or name in WHOLE_ARMS:
            model = self.artifact("world model", seed) / BEST
            if name == "policy":
                return ReactiveArm(name, self.settings, model)
            advice = self.artifact("clone", seed) / BEST if name == "advised" else None
            return PlanningArm(name, self.settings, model, proposals=advice)
        if recipe["policy"] == "bc":
            played = {option: recipe.get(option, first) for option, first in PLAYING.items()}
            settings = replace(self.settings, bc={**self.settings.bc, **played})
            return CloneArm(name, settings, self._checkpoint(recipe["checkpoint"]))
        if recipe["policy"] == "behaviour":
            learned, world = (self._checkpoint(recipe[part]) for part in ("checkpoint", "world"))
            return BehaviourArm(name, self.settings, learned, world)
        sections = {section: recipe[section] for section in ("planner", "objective", "mpc")}
        advice, second, value, behaviour = (
            self._checkpoint(recipe[part]) if recipe.get(part) else None
            for part in ("proposals", "reranker", "value", "behaviour")
        )
        return PlanningArm(
            name,
            replace(self.settings, **sections),
            self._checkpoint(recipe["checkpoint"]),
            proposals=advice,
            reranker=second,
            value=value,
            behaviour=behaviour,
        )

    def _checkpoint(self, folder: str) -> Path:
        """Of the model whose folder in the store has this name."""
        return self._there(f"model/{folder}") / BEST

    def _there(self, place: str) -> Path:
        """UserError where it was pruned, or the store is elsewhere."""
        found: Path = self.store / place
        if not found.is_dir():
            raise UserError(f"{place} is no longer in the store {self.store}; make it again: {self.record.command}")
        return found


def _require_known_code(name: str, section: Any) -> None:
    """UserError where a run's settings, which are data, name a class that this program does not know."""
    written = section.get(TARGET) if isinstance(section, Mapping) else None
    module = str(written or "wm_lab.").rpartition(".")[0]
    if not is_trusted(module) and module not in sys.modules:
        raise UserError(
            f"the run's {name} is {written}, of a module of your own; import {module} before you load the run"
        )
