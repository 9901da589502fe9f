"""The policies that are ranked, of spread skill: each is played in truth and in imagination."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wm_lab.data.behaviours import Exploration, ExplorationConfig
from wm_lab.experiment.arms import (
    Arm,
    CloneArm,
    PlanningArm,
    ScriptedArm,
    scripted_arms,
)
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.side_by_side import train_mixes
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.policy import Policy
from wm_lab.tasks.task import Task

MPC = "mpc"


@dataclass(frozen=True)
class Contestant:
    """One policy. privileged: it reads the simulator, which must stand where a dream thinks it is."""

    arm: Arm
    privileged: bool = False

    def build(self) -> Policy:
        """As it plays in a dream, where no plan can be played out beside it."""
        return self.arm.build_bare() if isinstance(self.arm, PlanningArm) else self.arm.build()


@dataclass(frozen=True)
class NoisyArm(Arm):
    """Another arm whose actions are disturbed, with correlated noise of this standard deviation."""

    arm: Arm
    strength: float

    @property
    def config(self) -> ExplorationConfig:
        return ExplorationConfig({"noisy_policy": 1.0}, [self.strength])

    def recipe(self) -> Section:
        return {"policy": "noisy", "of": self.arm.recipe(), "noise": asdict(self.config)}

    def build(self) -> Policy:
        return Exploration(self.arm.build(), self.config)


@dataclass(frozen=True)
class OwnArm(CloneArm):
    """A cloned policy from anywhere, named by its weights."""

    @property
    def instructions(self) -> list[str]:
        """What it was trained to do; UserError where it is of a task that looks or moves differently."""
        built = self.build()
        assert isinstance(built, BCPolicy)
        return built.net.spec.instructions

    def recipe(self) -> Section:
        return super().recipe() | {"sha256": hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()}


@dataclass(frozen=True)
class Roster:
    """Which policies there shall be; their names are known before anything is trained."""

    clones: Sequence[int]  # demonstrations of a clone each
    early: Sequence[float]  # of the largest of them, shares of its training after which another one stops
    noise: Sequence[float]  # of the expert
    planning: bool
    checkpoints: Sequence[Path]  # clones of the user's own

    @property
    def local(self) -> str:
        """Planning around the clone of most demonstrations, which is not the clone of exercise=planning."""
        return f"{LOCAL}_n{max(self.clones)}"

    def names(self, learned: bool) -> list[str]:
        """learned: whether there is a model to plan in"""
        found = [f"bc_n{count}" for count in self.clones]
        found += [f"bc_n{max(self.clones)}_early{share:g}" for share in self.early if self.clones]
        found += [f"expert_noise{strength:g}" for strength in self.noise]
        if self.planning and learned:
            found += [MPC, *([self.local] if self.clones else [])]
        return [*found, *(f"own{number}" for number, _ in enumerate(self.checkpoints, 1)), "random", "noop"]

    def assembled(self, experiment: Experiment) -> list[Contestant]:
        """All of them, with what they need trained. They are of the run's first training."""
        settings = experiment.settings
        learned = not is_simulator(settings)
        names, checkpoints = self.names(learned), self._trained(experiment)
        arms: dict[str, Arm] = {
            name: CloneArm(name, settings, path) for name, path in zip(names, checkpoints, strict=False)
        }
        own = [name for name in names if name.startswith("own")]
        arms |= {name: OwnArm(name, settings, path) for name, path in zip(own, self.checkpoints, strict=True)}
        arms |= {arm.name: arm for arm in scripted_arms() if arm.name != "expert"}
        expert = ScriptedArm("expert", "expert", ExpertPolicy)
        arms |= {f"expert_noise{s:g}": NoisyArm(f"expert_noise{s:g}", expert, s) for s in self.noise}
        if self.planning and learned:
            model = experiment.models.world_model()
            arms[MPC] = PlanningArm(MPC, settings, model)
            if self.clones:
                most = checkpoints[len(self.clones) - 1]
                arms[self.local] = PlanningArm(self.local, settings.locally(), model, proposals=most)
        return [Contestant(arms[name], name.startswith("expert")) for name in names]

    def _trained(self, experiment: Experiment) -> list[Path]:
        """Checkpoints of the clones, and of those whose training stopped early."""
        if not self.clones:
            return []
        variant, data = next(iter(experiment.clones.sections)), experiment.data
        steps = experiment.settings.bc_trainer["steps"]

        def mix(count: int, share: float = 1.0) -> TrainingMix:
            shown = data.demonstrations(count)
            name = f"n{count}" + ("" if share == 1 else f"_early{share:g}")
            return TrainingMix(shown, name, data.normaliser(shown), steps=max(1, round(share * steps)))

        mixes = [mix(count) for count in self.clones] + [mix(max(self.clones), share) for share in self.early]
        train_mixes(experiment, variant, mixes)
        return [experiment.models.train(experiment.clones.training(variant, mix)) for mix in mixes]


def follows(task: Task) -> bool:
    """Whether the task can be put where a decoded state says, so that its expert can act in a dream."""
    try:
        task.snapshot_like(task.state().astype(float))
    except LookupError:
        return False
    return task.has_expert
