"""The arms: what each clone is trained on beside N real demonstrations, and where that came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wm_lab.data.dataset import Dataset
from wm_lab.experiment.segment_maker import IMAGINED, TRUE, UNTRAINED
from wm_lab.experiment.synthetic_data import NothingLeftError, Synthesis
from wm_lab.experiment.training_mix import TrainingMix

REAL, FILTERED = "real", "filtered"

LONGER = 2
"""Times the steps of the other arms: half of a mixed batch is real, so this clone sees each real window as often as
one that trains on real data alone sees all of its own."""

LABELS = {
    "recovery": "actions of the way back",
    "noisy": "way back, by inverse dynamics",
    "relocate": "way back, relocated",
    "planner": "planner's actions",
    "hindsight": "executed, goal = reached",
}


@dataclass(frozen=True)
class AugmentationArm:
    """One clone to train, and its row in the table of provenance."""

    arm: str
    count: int  # N, real demonstrations
    mix: TrainingMix
    ratio: float | None = None  # labelled actions beside the real ones, as a multiple of them
    made: str = "–"  # of what
    labels: str = "demonstrated"
    facts: dict[str, Any] | None = None  # provenance of a synthetic shard
    labelled: int = 0  # actions beside the real ones

    @property
    def name(self) -> str:
        """Of its clone and its outcomes."""
        return self.mix.name


@dataclass(frozen=True)
class ArmOptions:
    """Which arms are wanted, and how batches are mixed."""

    arms: Sequence[str]
    synthetic_ratios: Sequence[float]
    balanced: bool
    steps: int
    state_noise: float


@dataclass(frozen=True)
class Around:
    """N real demonstrations, and what goes into a clone beside them."""

    synthesis: Synthesis
    options: ArmOptions
    real: Dataset
    count: int  # N

    def alone(self, arm: str, longer: int = 1) -> AugmentationArm:
        """Nothing beside them; `longer` times the steps of the others."""
        mix = TrainingMix(self.real, self.name(arm), self.normaliser, steps=longer * self.options.steps)
        return AugmentationArm(arm, self.count, mix)

    def mixed(
        self, arm: str, shard: Path, made: str, labels: str = "copied", ratio: float | None = None
    ) -> AugmentationArm:
        """The episodes of a shard beside them."""
        real = self.real
        extra = Dataset.open(shard, split=real.split_config)
        both = Dataset([*real.shards, *extra.shards], real.split_config)
        weights = [0.5, 0.5] if self.options.balanced else None
        mix = TrainingMix(both, self.name(arm, ratio), self.normaliser, weights, self.options.steps)
        provenance = extra.shards[0].manifest["provenance"]
        facts = provenance if "kept" in provenance else None
        labelled = _training_actions(both) - _training_actions(real)
        return AugmentationArm(arm, self.count, mix, ratio, made, labels, facts, labelled)

    @property
    def normaliser(self) -> tuple[Dataset, ...]:
        """That of all arms, for strange frames must not change what a clone makes of real ones."""
        return self.synthesis.experiment.data.normaliser(self.real)

    def name(self, arm: str, ratio: float | None = None) -> str:
        return f"{arm}_n{self.count}" + ("" if ratio is None else f"_x{ratio:g}")


def arms_around(synthesis: Synthesis, options: ArmOptions, count: int) -> tuple[list[AugmentationArm], list[str]]:
    """All arms around `count` real demonstrations, and of those that the filters left nothing to train on, why."""
    around = Around(synthesis, options, synthesis.experiment.data.demonstrations(count), count)
    makers = [partial(ONCE[arm], around) for arm in ONCE if arm in (REAL, *options.arms)]
    for ratio in options.synthetic_ratios:
        makers += [partial(SYNTHETIC[arm], around, ratio) for arm in SYNTHETIC if arm in options.arms]
    made, left_out = [], []
    for make in makers:
        try:
            made.append(make())
        except NothingLeftError as error:
            left_out.append(f"with {count} demonstrations {error}")
    return made, left_out


def _duplicated(around: Around) -> AugmentationArm:
    return around.mixed("duplicated", around.real.shards[0].folder, "the same again")


def _dart(around: Around) -> AugmentationArm:
    shard = around.synthesis.disturbed(around.real)
    return around.mixed("dart", shard, f"{around.count} noisy demonstrations", "expert's intent")


def _state_noise(around: Around, ratio: float) -> AugmentationArm:
    shard = around.synthesis.with_state_noise(around.real, around.options.state_noise, ratio)
    return around.mixed("state_noise", shard, "noisy observations", ratio=ratio)


def _played(arm: str, where: str, made: str, filtered: bool) -> Callable[[Around, float], AugmentationArm]:
    """An arm of segments from the world `where`, all of them or those that the filters let pass."""

    def make(around: Around, ratio: float) -> AugmentationArm:
        synthesis = around.synthesis
        shard = synthesis.segments(around.real, where, ratio)
        if filtered:
            shard = synthesis.filtered(around.real, shard)
        return around.mixed(arm, shard, made, LABELS[synthesis.config.generator.kind], ratio)

    return make


def _oracle(around: Around, ratio: float) -> AugmentationArm:
    more = around.synthesis.experiment.data.demonstrations(round(around.count * (1 + ratio)))
    mix = TrainingMix(more, around.name("oracle", ratio), around.normaliser, steps=around.options.steps)
    made = f"{len(more) - around.count} real demonstrations"
    labelled = _training_actions(more) - _training_actions(around.real)
    return AugmentationArm("oracle", around.count, mix, ratio, made, labelled=labelled)


ONCE: dict[str, Callable[[Around], AugmentationArm]] = {
    REAL: lambda around: around.alone(REAL),
    "real_longer": lambda around: around.alone("real_longer", LONGER),
    "duplicated": _duplicated,
    "dart": _dart,
}
"""Arms that know no synthetic ratio."""

SYNTHETIC: dict[str, Callable[[Around, float], AugmentationArm]] = {
    "state_noise": _state_noise,
    "imagined": _played("imagined", IMAGINED, "imagined", filtered=False),
    FILTERED: _played(FILTERED, IMAGINED, "imagined, filtered", filtered=True),
    "simulated": _played("simulated", TRUE, "true simulator, filtered", filtered=True),
    "untrained": _played("untrained", UNTRAINED, "untrained model", filtered=False),
    "oracle": _oracle,
}

ARMS = (*ONCE, *SYNTHETIC)

LEARNED = ("imagined", FILTERED)
"""Arms that need the trained world model."""


def _training_actions(dataset: Dataset) -> int:
    return int(dataset.table.length[dataset.episodes("train")].sum())
