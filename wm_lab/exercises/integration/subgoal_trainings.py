"""What this exercise trains beside world models and clones: all of it on the clone's demonstrations, as long as it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import WHOLE, Training
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.segment_maker import IMAGINED, SynthesisConfig, settled
from wm_lab.experiment.synthetic_data import Synthesis
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.policies.imagined_goals import ImaginedGoals
from wm_lab.policies.subgoal_cloning import SubgoalCloning
from wm_lab.policies.subgoal_head import SubgoalHead
from wm_lab.settings import TARGET, build, read_config
from wm_lab.synthesis.filters import FilterConfig
from wm_lab.synthesis.generators import GeneratorConfig
from wm_lab.tasks.task import TaskSpec
from wm_lab.training.checkpoint import load_model
from wm_lab.training.config import TrainerConfig
from wm_lab.world_model import DataSpec, WorldModel

EXECUTOR = f"{SubgoalCloning.__module__}.{SubgoalCloning.__name__}"
DECODER = "model@exercise.decoder"
"""How the model inside the policy is chosen on the command line."""

PLAIN: Section = {
    "modes": {"forward": 1e-6, "inverse": 0.0, "video": 0.0},
    "reward_scale": 0.0,
    "decoder_scale": 0.0,
    "open_loop": 0,
    "ensemble": 0,
}
"""Options under which a decoder is taught to act, and next to nothing of the world."""

HEAD = f"{SubgoalHead.__module__}.{SubgoalHead.__name__}"


@dataclass(frozen=True)
class TaughtJob:
    """One of these trainings, as it travels between processes."""

    number: int  # of the training seed
    make: Callable[[Experiment], Training]

    def training(self, experiment: Experiment) -> Training:
        return self.make(experiment)


def executor_training(experiment: Experiment, ahead: int, collection: bool, imagined: float = 0.0) -> Training:
    """A policy that is told where to be up to so many steps later; 0: or at any later time of the episode.

    It has the options of the clone that was chosen, and learns from as many moments in as many steps.
    collection: half of these from what the world model learns from; whatever was done there led where it led
    imagined: share of the goals that are told as the world model imagines them
    """
    settings, demonstrations = experiment.settings, experiment.data.demonstrations()
    eyes = experiment.data.normaliser(demonstrations)
    mix = TrainingMix(demonstrations, "", eyes)
    if collection:
        both = _joined(demonstrations, experiment.data.dataset(0), tuple(experiment.task_spec.observation))
        mix = TrainingMix(both, "", eyes, _shares(demonstrations, both))
    section: Section = {
        **experiment.clones.sections[experiment.clones.chosen],
        TARGET: EXECUTOR,
        "language": False,
        "ahead": ahead,
        "untold": rates(experiment.task_spec),
        "pairs": WHOLE * settings.bc_trainer["length"],
    }
    spec, trainer = _with_disturbed_steps(mix), _whole_episodes(experiment, mix.dataset)
    name = "executor" if ahead else "gcbc"
    world = experiment.models.world_model() if imagined else None
    if world is not None:
        section["imagined"] = imagined
    recipe = experiment.models.recipe(name, section, trainer, mix.dataset) | mix.recipe()
    if world is not None:
        recipe["imagined_by"] = world.parent.name
    what = "executor of sub-goals" if ahead else "executor of goals"

    def make() -> SubgoalCloning:
        net = build(SubgoalCloning, section, "bc", spec)
        if world is not None:
            model = load_model(world, WorldModel, settings.device)
            net.imagine_by(ImaginedGoals(model, mix.dataset.instructions))
        return net

    return Training(recipe, make, mix.dataset, trainer, mix.weights, name, name, what)


def _joined(demonstrations: Dataset, others: Dataset, keys: tuple[str, ...]) -> Dataset:
    """Both as one, with no more of either than is to be seen of it: of a recording's episodes the solved ones."""
    both = Dataset([*demonstrations.shards, *others.shards], demonstrations.split_config, keys)
    seen = np.concatenate([demonstrations.table.offset, demonstrations.rows + others.table.offset])
    return both.only(np.flatnonzero(np.isin(both.table.offset, seen)))


def _shares(demonstrations: Dataset, both: Dataset) -> list[float]:
    """Of each shard in a batch, half of which are demonstrations."""
    own, others = len(demonstrations.shards), len(both.shards) - len(demonstrations.shards)
    return [0.5 / own] * own + [0.5 / others] * others


def head_training(experiment: Experiment, steps: int) -> Training:
    """What demonstrations show so many steps later, and how long they still take."""
    settings, mix = experiment.settings, experiment.models.plain_mix()
    trainer, clone = _whole_episodes(experiment, mix.dataset), experiment.clones.sections[experiment.clones.chosen]
    section: Section = {
        TARGET: HEAD,
        "steps": steps,
        "untold": rates(experiment.task_spec),
        "pairs": WHOLE * settings.bc_trainer["length"],
        **{option: clone[option] for option in ("hidden", "layers", "fine", "dropout") if option in clone},
    }
    spec = mix.spec

    def make() -> SubgoalHead:
        head = build(SubgoalHead, section, "head", spec)
        head.prepare([torch.from_numpy(part.copy()) for part in states_of(mix.dataset)])
        return head

    recipe = experiment.models.recipe("subgoal_head", section, trainer, mix.dataset) | mix.recipe()
    name = "subgoal_head"
    return Training(recipe, make, mix.dataset, trainer, None, name, name, "head that proposes sub-goals")


def decoder_training(experiment: Experiment, section: Section, plain: bool) -> Training:
    """A model inside the policy (C) that is taught by demonstrations alone; plain: none of it is a world model's loss.

    A plain one still tells whether an episode is over, and its forward dynamics weigh a millionth.
    """
    mix = experiment.models.plain_mix()
    section = {**section, **PLAIN, "modes": {**section["modes"], **PLAIN["modes"]}} if plain else section
    trainer, spec = decoder_trainer(experiment.settings, section), mix.spec
    name = "decoder_plain" if plain else "decoder"
    recipe = experiment.models.recipe(name, section, trainer, mix.dataset) | mix.recipe()

    def make() -> WorldModel:
        return build(WorldModel, section, DECODER, spec)

    what = "policy without world-model losses" if plain else "policy with world-model losses"
    return Training(recipe, make, mix.dataset, trainer, None, name, name, what)


def decoder_trainer(settings: Settings, section: Section) -> TrainerConfig:
    """The clone's, in longer windows where its own past or its chunk would not fit, and so many times fewer of them."""
    trainer = read_config(TrainerConfig, settings.bc_trainer, "bc_trainer")
    length = max(trainer.length, section["window"], section["chunk"] + 1)
    return replace(trainer, length=length, batch=max(1, trainer.batch * trainer.length // length), init_from=None)


def augmented_mix(experiment: Experiment, ratio: float) -> TrainingMix:
    """The demonstrations, and around them what the world model imagined and filters let pass (B), one to one in every
    batch. Raises NothingLeftError where that is nothing."""
    real = experiment.data.demonstrations()
    generator = settled(GeneratorConfig(), experiment.task)
    synthesis = Synthesis(experiment, SynthesisConfig(generator, FilterConfig(), audit=0))
    shard = synthesis.filtered(real, synthesis.segments(real, IMAGINED, ratio))
    extra = Dataset.open(shard, split=real.split_config)
    both = Dataset([*real.shards, *extra.shards], real.split_config)
    return TrainingMix(both, "augmented", experiment.data.normaliser(real), [0.5, 0.5])


def states_of(demonstrations: Dataset) -> list[np.ndarray]:
    """Of each training episode, [T, D]."""
    return [demonstrations.episode(int(e)).observation["state"] for e in demonstrations.episodes("train")]


def rates(task_spec: TaskSpec) -> list[int]:
    """The numbers of a state that tell how fast something changes."""
    fast = [v for v in task_spec.variables if "/s" in v.unit]
    return [index for v in fast for index in range(v.start, v.stop)]


def _with_disturbed_steps(mix: TrainingMix) -> DataSpec:
    """What the clone knows of the data, where ordinary steps are those of the collection, too.

    By the demonstrations' alone, a hand that tilts by half a degree would be ten steps away from any of their states.
    """
    steps = [dataset.spec.std_change["state"] for dataset in mix.normaliser or (mix.dataset,)]
    typical = np.sqrt(np.square(steps).mean(0)).tolist()
    return replace(mix.spec, std_change={**mix.spec.std_change, "state": typical})


def _whole_episodes(experiment: Experiment, dataset: Dataset) -> TrainerConfig:
    """The clone's trainer in windows that hold whole episodes, so many times fewer in a batch."""
    trainer = read_config(TrainerConfig, experiment.settings.bc_trainer, "bc_trainer")
    longest = int(dataset.table.length.max()) + 1
    return replace(trainer, length=longest, batch=max(1, trainer.batch // WHOLE), init_from=None)
