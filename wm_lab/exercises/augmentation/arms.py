"""The arms: what each clone is trained on beside N real demonstrations, and where that came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wm_lab.data.dataset import Dataset
from wm_lab.exercises.augmentation.data import IMAGINED, TRUE, UNTRAINED, NothingLeftError, Synthesis
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
class Meal:
    """One clone to train, and its row in the table of provenance."""

    arm: str
    count: int  # N, real demonstrations
    diet: TrainingMix
    dose: float | None = None  # labelled actions beside the real ones, as a multiple of them
    made: str = "–"  # of what
    labels: str = "demonstrated"
    facts: dict[str, Any] | None = None  # provenance of a synthetic shard
    labelled: int = 0  # actions beside the real ones

    @property
    def name(self) -> str:
        """Of its clone and its outcomes."""
        return self.diet.name


@dataclass(frozen=True)
class Menu:
    """Which arms are wanted, and how batches are mixed."""

    arms: Sequence[str]
    doses: Sequence[float]
    balanced: bool
    steps: int
    state_noise: float


def meals(synthesis: Synthesis, menu: Menu, count: int) -> tuple[list[Meal], list[str]]:
    """All arms around `count` real demonstrations, and of those that the filters left nothing to train on, why."""
    real = synthesis.experiment.data.demonstrations(count)
    makers = [partial(ONCE[arm], synthesis, menu, real, count) for arm in ONCE if arm in (REAL, *menu.arms)]
    for dose in menu.doses:
        makers += [partial(DOSED[arm], synthesis, menu, real, count, dose) for arm in DOSED if arm in menu.arms]
    made, left_out = [], []
    for make in makers:
        try:
            made.append(make())
        except NothingLeftError as error:
            left_out.append(f"with {count} demonstrations {error}")
    return made, left_out


def _alone(arm: str, synthesis: Synthesis, menu: Menu, real: Dataset, count: int, longer: int = 1) -> Meal:
    eyes = synthesis.experiment.data.normaliser(real)
    return Meal(arm, count, TrainingMix(real, _name(arm, count), eyes, steps=longer * menu.steps))


def _real(synthesis: Synthesis, menu: Menu, real: Dataset, count: int) -> Meal:
    return _alone(REAL, synthesis, menu, real, count)


def _longer(synthesis: Synthesis, menu: Menu, real: Dataset, count: int) -> Meal:
    return _alone("real_longer", synthesis, menu, real, count, LONGER)


def _duplicated(synthesis: Synthesis, menu: Menu, real: Dataset, count: int) -> Meal:
    return _mixed("duplicated", synthesis, menu, real, count, None, real.shards[0].folder, made="the same again")


def _dart(synthesis: Synthesis, menu: Menu, real: Dataset, count: int) -> Meal:
    made = f"{count} noisy demonstrations"
    return _mixed(
        "dart", synthesis, menu, real, count, None, synthesis.disturbed(real), made=made, labels="expert's intent"
    )


def _state_noise(synthesis: Synthesis, menu: Menu, real: Dataset, count: int, dose: float) -> Meal:
    shard = synthesis.with_state_noise(real, menu.state_noise, dose)
    return _mixed("state_noise", synthesis, menu, real, count, dose, shard, made="noisy observations")


def _played(arm: str, where: str, made: str, filtered: bool) -> Callable[..., Meal]:
    """An arm of segments from the world `where`, all of them or those that the filters let pass."""

    def meal(synthesis: Synthesis, menu: Menu, real: Dataset, count: int, dose: float) -> Meal:
        shard = synthesis.segments(real, where, dose)
        if filtered:
            shard = synthesis.filtered(real, shard)
        return _mixed(arm, synthesis, menu, real, count, dose, shard, made=made, labels=_labels(synthesis))

    return meal


def _oracle(synthesis: Synthesis, menu: Menu, real: Dataset, count: int, dose: float) -> Meal:
    more = synthesis.experiment.data.demonstrations(round(count * (1 + dose)))
    diet = TrainingMix(more, _name("oracle", count, dose), synthesis.experiment.data.normaliser(real), steps=menu.steps)
    labelled = _training_actions(more) - _training_actions(real)
    return Meal("oracle", count, diet, dose, made=f"{len(more) - count} real demonstrations", labelled=labelled)


ONCE = {REAL: _real, "real_longer": _longer, "duplicated": _duplicated, "dart": _dart}
"""Arms that know no dose."""

DOSED = {
    "state_noise": _state_noise,
    "imagined": _played("imagined", IMAGINED, "imagined", filtered=False),
    FILTERED: _played(FILTERED, IMAGINED, "imagined, filtered", filtered=True),
    "simulated": _played("simulated", TRUE, "true simulator, filtered", filtered=True),
    "untrained": _played("untrained", UNTRAINED, "untrained model", filtered=False),
    "oracle": _oracle,
}

ARMS = (*ONCE, *DOSED)

LEARNED = ("imagined", FILTERED)
"""Arms that need the trained world model."""


def _mixed(
    arm: str,
    synthesis: Synthesis,
    menu: Menu,
    real: Dataset,
    count: int,
    dose: float | None,
    shard: Path,
    made: str,
    labels: str = "copied",
) -> Meal:
    extra = Dataset.open(shard, split=real.split_config)
    mixed = Dataset([*real.shards, *extra.shards], real.split_config)
    # The eyes of all other arms, for strange frames must not change what a clone makes of real ones.
    weights = [0.5, 0.5] if menu.balanced else None
    diet = TrainingMix(
        mixed,
        _name(arm, count, dose),
        synthesis.experiment.data.normaliser(real),
        weights=weights,
        steps=menu.steps,
    )
    told = extra.shards[0].manifest["provenance"]
    labelled = _training_actions(mixed) - _training_actions(real)
    return Meal(arm, count, diet, dose, made, labels, told if "kept" in told else None, labelled)


def _name(arm: str, count: int, dose: float | None = None) -> str:
    return f"{arm}_n{count}" + ("" if dose is None else f"_x{dose:g}")


def _training_actions(dataset: Dataset) -> int:
    return int(dataset.table.length[dataset.episodes("train")].sum())


def _labels(synthesis: Synthesis) -> str:
    return LABELS[synthesis.config.generator.kind]
