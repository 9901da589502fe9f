"""The typed schema of the command line: every choice a dataclass, found where its class is defined.

A new model, planner, task or exercise needs no line here: each class of those folders that names its dataclass `Config`
is registered as `schema/<group>/<module>`, which its YAML then builds on.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from wm_lab.command_line import config_source
from wm_lab.command_line.hydra_internals import remember_references
from wm_lab.data.config import DataConfig, Episodes
from wm_lab.domains import Amount, Batch, Count, Few, Positive, Processes, Seed, Several, Steps, Trainings
from wm_lab.errors import UserError
from wm_lab.experiment.clones import CloningConfig
from wm_lab.experiment.run_settings import Settings
from wm_lab.objectives import ObjectiveConfig
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.mpc import MPCConfig
from wm_lab.settings import TARGET, complete, target, with_target
from wm_lab.settings.switch import structured
from wm_lab.tasks.overlay import RAYS
from wm_lab.tasks.variation import EvaluationConfig
from wm_lab.tracking.wandb_run import TrackingConfig
from wm_lab.training.config import TrainerConfig

SECTIONS: dict[str, type | None] = {
    "exercise": None,
    "task": None,
    "model": None,
    "planner": None,
    "local_planner": None,
    "objective": ObjectiveConfig,
    "value": None,
    "mpc": MPCConfig,
    "bc": None,
    "cloning": CloningConfig,
    "data": DataConfig,
    "trainer": TrainerConfig,
    "bc_trainer": TrainerConfig,
    "behaviour": None,
    "behaviour_trainer": TrainerConfig,
    "evaluation": EvaluationConfig,
}
"""What a run is made of, with its dataclass; None where `_target_` names a class that has its own."""

DISCOVERED = {
    "model": "wm_lab.models",
    "planner": "wm_lab.planners",
    "value": "wm_lab.values",
    "task": "wm_lab.tasks",
    "exercise": "wm_lab.exercises",
    "behaviour": "wm_lab.behaviours",
}
"""Groups whose choices are found by looking into a folder; the simulator is a model that lives among the tasks."""


@dataclass
class ScaleConfig:
    """Sizes and budgets, never what is computed. `budget_multiplier` in a task's YAML multiplies the first seven."""

    collect_episodes: Episodes = 300  # collected to train the world model on, times the task's budget multiplier
    train_steps: Count = 700  # gradient steps of a world model, times the task's budget multiplier
    round_steps: Count = 300  # more, after each round of on-policy data, times the task's budget multiplier
    round_episodes: Episodes = 20  # that the planner collects in a round, times the task's budget multiplier
    demonstrations: Episodes = 50  # of the expert, for behaviour cloning, times the task's budget multiplier
    clone_steps: Count = 2000  # gradient steps of a clone, times the task's budget multiplier
    behaviour_steps: Count = 1000  # gradient steps of a behaviour, times the task's budget multiplier
    behaviour_round_steps: Count = 1500  # more, after each round that it collects
    episodes: Count = 100  # evaluated, of each arm
    oracle_episodes: Amount = 10  # evaluated, of arms that plan in the true simulator
    windows: Count = 400  # held-out windows that imagination is judged on
    planned_windows: Amount = 64  # windows from which imagination is also judged on what the planner proposes; 0: none
    scenes: Count = 100  # held-out trajectories whose latents are looked at
    seeds: Trainings = 3  # of each learned arm; fewer cannot speak for a method
    sight_steps: Count = 400  # gradient steps of a world model that sees images, where exercise=latent looks into it
    sight_seeds: Trainings = 2  # of such a model: images cost ten times as much as vectors
    counts: list[Several] = field(default_factory=lambda: [10, 25])  # real demonstrations, to which synthetic data come
    synthetic_ratios: list[Positive] = field(default_factory=lambda: [10.0])
    """Synthetic data, as multiples of the real ones."""
    audit: Amount = 200  # synthetic segments played again in the true simulator
    candidates: Batch = 128  # sequences that a planner scores in an iteration
    iterations: Few = 4  # of a planner, for each plan
    elites: Batch = 16  # best candidates of an iteration, which the next is drawn around
    batch: Batch = 64  # windows in a training step
    image_batch: Batch = 32  # the same where the task shows images, each as many numbers as hundreds of vectors
    image_length: Steps = 8  # steps of a window of images: many short ones show more episodes
    validations: Count = 10  # over a whole training
    validation_episodes: Amount = 24  # that candidates play before the test, so that the best of them is chosen
    episode_steps: Steps | None = None  # of hand tasks; null: as many as the task deserves
    by_difficulty: bool = True  # whether harder tasks get more
    workers: Processes | None = None  # processes; null: one per core


@dataclass
class RootConfig:
    """One run: `wm-lab exercise=planning task=hand/push model=rssm planner=cem`."""

    exercise: Any = MISSING
    """What is asked."""
    task: Any = MISSING
    """What the robot has to do."""
    model: Any = MISSING
    """The world model."""
    planner: Any = MISSING
    """How plans are searched for in it."""
    local_planner: Any = MISSING
    """How plans are searched for around what a clone proposes."""
    objective: Any = MISSING
    """What plans are judged by."""
    value: Any = MISSING
    """What they are judged by beyond their horizon."""
    mpc: Any = MISSING
    """How plans are acted on, over and over."""
    bc: Any = MISSING
    """The behaviour-cloning policy."""
    cloning: CloningConfig = field(default_factory=CloningConfig)
    """Which variants of it are tried."""
    data: Any = MISSING
    """What models learn from."""
    trainer: Any = MISSING
    """How world models are trained."""
    bc_trainer: Any = MISSING
    """How clones are trained."""
    tracking: Any = MISSING
    """Where a run is shown while it goes on."""
    behaviour: Any = MISSING
    """What is learned inside the world model, beside planning in it."""
    behaviour_trainer: Any = MISSING
    """How behaviours are trained."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """The world that everything is judged in."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    """Sizes and budgets."""
    demonstrations: Episodes = 50
    """Expert episodes that behaviour cloning learns from."""
    seed: Seed = 0
    """Of the data, the first training and the evaluation's random streams."""
    seeds: Trainings = 1
    """Trainings of everything that learns, from `seed` on, all on the same data and judged on the same episodes."""
    device: str = "auto"
    """cpu, cuda, mps, or auto: the best there is."""
    workers: Processes | None = None
    """Processes that collect, train side by side and evaluate; null: one per core. Never changes a number."""
    media: bool = True
    """Moving pictures of episodes and of imaginations, on the page and for the tracker."""
    renderer: str = RAYS
    """Who draws pictures of MuJoCo for people: rays, without a GL library, or opengl, MuJoCo's own renderer by EGL or
    OSMesa. What models see is the same."""
    optimized_metric: str | None = None
    """What a hyperparameter search maximises: success (of planning) or H_skill (of imagination)."""
    outputs: str = "outputs"
    """Where runs and the store are written, below the folder that the command is called from."""


def register() -> None:
    """Make the schemas and resolvers known to Hydra; safe to call twice."""
    config_source.register()
    remember_references()
    store = ConfigStore.instance()
    store.store(name="root_schema", node=structured(RootConfig))
    store.store(group="schema", name="data", node=structured(DataConfig))
    store.store(group="schema", name="objective", node=structured(ObjectiveConfig))
    store.store(group="schema", name="trainer", node=structured(TrainerConfig))
    store.store(group="schema", name="scale", node=structured(ScaleConfig))
    store.store(group="schema/tracking", name="wandb", node=structured(TrackingConfig))
    store.store(group="schema/policy", name="mpc", node=structured(MPCConfig))
    store.store(group="schema/policy", name="behaviour_cloning", node=with_target(BehaviourCloning))
    for group, package in DISCOVERED.items():
        for name, kind in configurable(package):
            group_of_kind = "model" if name == "simulator" else group
            store.store(group=f"schema/{group_of_kind}", name=name, node=with_target(kind))
    OmegaConf.register_new_resolver("budget", budget, replace=True)
    OmegaConf.register_new_resolver("batch", batch, replace=True)
    OmegaConf.register_new_resolver("shown", shown, replace=True)
    OmegaConf.register_new_resolver("by_sight", by_sight, replace=True)
    OmegaConf.register_new_resolver("home", home, replace=True)


def composed(folder: Path, overrides: Sequence[str]) -> DictConfig:
    """What the command would run with these overrides, where nobody typed a command; Hydra knows of it as of a job."""
    GlobalHydra.instance().clear()  # a notebook may have left one behind
    with initialize_config_dir(str(folder), version_base="1.3"):
        config = compose("config", overrides=list(overrides), return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = config.hydra.run.dir
        HydraConfig.instance().set_config(config)  # keeps what it needs of it
        del config["hydra"]
    return config


def settings_of(
    plain: Mapping[str, Any], labels: dict[str, str], device: str, store: Path, renderer: str = RAYS
) -> Settings:
    """What a run is asked, of its configuration as plain, resolved values; renderer: see `choose_renderer`.

    Raises UserError for options that are none, KeyError for one that is missing.
    """
    return Settings(
        **{name: complete(plain[name], name, kind) for name, kind in SECTIONS.items()},
        demonstrations=plain["demonstrations"],
        seed=plain["seed"],
        seeds=plain["seeds"],
        device=device,
        workers=plain["workers"],
        media=plain.get("media", True),
        renderer=renderer,
        store=store,
        labels=labels,
    )


def configurable(package: str) -> Iterator[tuple[str, type]]:
    """(module name, class) of every class that a YAML can describe in the modules of a package."""
    folder = Path(inspect.getfile(import_module(package))).parent
    for module in pkgutil.iter_modules([str(folder)]):
        loaded = import_module(f"{package}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            own = f"{kind.__module__}.".startswith(f"{loaded.__name__}.") and not inspect.isabstract(kind)
            if own and hasattr(kind, "Config"):
                yield module.name, kind


def home(path: str) -> str:
    """`${home:~/runs}`: the same in the home folder of whoever asks."""
    return str(Path(path).expanduser())


def budget(amount: float, *, _root_: DictConfig) -> int:
    """`${budget:300}`: so much for the easiest task, for others times `task.budget_multiplier`."""
    if not OmegaConf.select(_root_, "scale.by_difficulty", default=True):
        return max(1, round(amount))
    return max(1, round(amount * float(OmegaConf.select(_root_, "task.budget_multiplier", default=1.0))))


def batch(vectors: int, images: int, *, _root_: DictConfig) -> int:
    """`${batch:64,32}`: one of two sizes, by whether the chosen task shows vectors or images."""
    return images if "pixels" in str(OmegaConf.select(_root_, "task.observation", default="")) else vectors


def shown(*, _root_: DictConfig) -> str:
    """`${shown:}`: what a task that can show several things shows the chosen exercise, where nobody says."""
    try:
        return str(getattr(target(object, {TARGET: _root_.exercise[TARGET]}, "exercise"), "observation", "state"))
    except (UserError, OmegaConfBaseException):  # told where the exercise is built
        return "state"


def by_sight(usual: Any, sight: Any, *, _root_: DictConfig) -> Any:
    """`${by_sight:700,400}`: the second where an exercise that asks for images is shown them, else the first."""
    return batch(usual, sight if "pixels" in shown(_root_=_root_) else usual, _root_=_root_)
