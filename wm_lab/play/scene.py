"""What is played: a task, a model of it, and who may drive. Built of settings and of what the store holds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wm_lab.command_line.folders import CONF
from wm_lab.config import composed
from wm_lab.errors import UserError
from wm_lab.experiment.arms import CloneArm, Dynamics, PlanningArm
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.main import read
from wm_lab.play.pictures import Pictures
from wm_lab.play.session import PlaySession
from wm_lab.policies.mpc import MPC
from wm_lab.policies.reactive import ReactivePolicy
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.policy import Policy
from wm_lab.settings import build, complete
from wm_lab.store import Artifact, Store
from wm_lab.tasks.task import Task
from wm_lab.tasks.variation import NONE
from wm_lab.training.checkpoint import read as read_checkpoint
from wm_lab.training.trainer import BEST

log = logging.getLogger(__name__)

CLONE = "bc-"
"""How the store calls clones."""

OBSERVED = {("pixels",): "pixels", ("pixels", "proprio"): "pixels_proprio", ("depth",): "depth", ("state",): "state"}
"""`task.observation` by what a model observes."""


@dataclass
class Scene:
    """A session and what belongs to it."""

    settings: Settings
    label: str  # of the model
    dynamics: Dynamics
    session: PlaySession
    pictures: Pictures
    planner: MPC


def trained(words: Sequence[str], clone: bool = False) -> Scene:
    """The scene that these overrides describe; what the store lacks of it is trained now, with progress shown.

    clone: train a cloned policy too; otherwise one drives where the store holds it
    """
    settings = settings_of(words)
    with Experiment(settings) as experiment:
        experiment.check()
        experiment.require_playable("wm-lab play")
        if is_simulator(settings):
            dynamics: Dynamics = "simulator"
        else:
            log.info("%s of %s is looked up, or trained first", settings.label("model"), experiment.task_spec.name)
            dynamics = experiment.models.world_model()
        policy = experiment.clones.checkpoint() if clone else None
    return scene(settings, dynamics, settings.label("model"), policy)


def scene(settings: Settings, dynamics: Dynamics, label: str, clone: Path | None = None) -> Scene:
    """A session of a trained model; without a clone it takes the newest that the store holds for this task."""
    make_task = partial(build, Task, settings.task, "task")
    task = make_task()
    task.renderer = settings.renderer
    planner = PlanningArm("planner", settings, dynamics).build_bare()
    policies: dict[str, Policy] = {"planner": planner}
    if (cloned := _clone(settings, task, clone)) is not None:
        policies["clone"] = cloned
    if hasattr(planner.model, "act"):
        policies["model's policy"] = ReactivePolicy(planner.model)  # type: ignore[arg-type]
    if task.has_expert:
        policies["expert"] = ExpertPolicy()
    session = PlaySession(task, planner.model, policies)
    return Scene(settings, label, dynamics, session, Pictures(session, make_task), planner)


def settings_of(words: Sequence[str]) -> Settings:
    """The settings of these overrides; UserError where they ask for what is not played."""
    settings, _ = read(composed(CONF, [*words, "tracking=disabled"]))
    if settings.variation != NONE:
        raise UserError(
            f"evaluation.variation={settings.variation} is for episodes that arms are compared on; leave it out to play"
        )
    return settings


class Choices:
    """The models of a store, and what one of them needs to be played."""

    def __init__(self, words: Sequence[str], store: Path) -> None:
        """words: what was typed; of it, whatever does not choose task or model holds for every choice."""
        self._typed = list(words)
        self._store = Store(store)

    def told(self) -> dict[str, Any]:
        """Models and planners, in JSON's terms."""
        models = [
            {"id": artifact.path.name, "label": label, "task": task, "detail": _detail(artifact)}
            for artifact, label, task in self._models()
        ]
        planners = sorted(path.stem for path in (CONF / "planner").glob("*.yaml"))
        return {"models": models, "planners": planners}

    def scene(self, model: str, planner: str) -> Scene:
        """The scene of a model by its name in the store, "" for the one typed, with a planner by its name.

        UserError where it is gone, or its task cannot be made.
        """
        words = [word for word in self._typed if not word.startswith("planner=")] + [f"planner={planner}"]
        if not model:
            return trained(words)
        found = {artifact.path.name: (artifact, label, task) for artifact, label, task in self._models()}
        if model not in found:
            raise UserError(f"the store {self._store.root} holds no model {model} any more; choose another")
        artifact, label, task = found[model]
        checkpoint = artifact.path / BEST
        seen = OBSERVED.get(tuple(sorted(read_checkpoint(checkpoint)["spec"]["observation"])))
        return scene(self._settings(words, task, seen), checkpoint, label)

    def _settings(self, words: Sequence[str], task: str, seen: str | None) -> Settings:
        if (CONF / "task" / f"{task}.yaml").is_file():
            kept = [word for word in words if word.lstrip("+~").split("=")[0] not in ("task", "experiment", "model")]
            kept = [word for word in kept if not word.startswith(("task.", "model."))]
            chosen = [f"task={task}", *([f"task.observation={seen}"] if seen else [])]
            return settings_of([*kept, *chosen])
        recipes = [found.recipe for found in self._store.list("dataset") if found.recipe.get("name") == task]
        if not recipes:
            raise UserError(f"the store does not tell how to make {task}; start wm-lab play with task=…")
        return replace(settings_of(words), task=complete(recipes[-1]["task"], "task"))

    def _models(self) -> list[tuple[Artifact, str, str]]:
        """(artifact, label, task), newest first."""
        found = []
        for artifact in self._store.list("model"):
            label, _, task = str(artifact.recipe.get("name", "")).partition("-")
            if task and label != "bc" and (artifact.path / BEST).exists():
                found.append((artifact, label, task))
        return sorted(found, key=lambda each: each[0].path.stat().st_mtime, reverse=True)


def _clone(settings: Settings, task: Task, checkpoint: Path | None) -> Policy | None:
    """The policy of a checkpoint, or of the newest clone in the store that is of this task and sees what it shows."""
    if checkpoint is not None:
        return CloneArm("clone", settings, checkpoint).build()
    named = [a for a in Store(settings.store).list("model") if a.recipe.get("name") == CLONE + task.task_spec.name]
    for artifact in sorted(named, key=lambda each: each.path.stat().st_mtime, reverse=True):
        try:
            return CloneArm("clone", settings, artifact.path / BEST).build()
        except UserError as error:
            log.info("no clone to drive: %s", error)
    return None


def _detail(artifact: Artifact) -> str:
    """What tells two models of one name apart."""
    trainer = artifact.recipe.get("trainer", {})
    return f"{trainer.get('steps', '?')} steps, seed {artifact.recipe.get('seed', '?')}"
