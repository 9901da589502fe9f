"""Names that moved: what was written under an old name is still found.

A checkpoint names its class, the options of its config and its weights; a YAML of a user's own names a class by
`_target_`. Whoever moves or renames one of these adds a row here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wm_lab.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Renamed:
    """An option that has another name now, "section.option" within a section; `convert` makes a new value of an old."""

    name: str
    convert: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Constant:
    """An option that is none any more: the lab always does what this value said."""

    value: Any


@dataclass(frozen=True)
class Dropped:
    """An option that is none any more, whatever it said."""

    why: str


Option = Renamed | Constant | Dropped

CLASSES: dict[str, str] = {
    "wm_lab.exercises.collect.Collect": "wm_lab.exercises.collect.CollectExercise",
    "wm_lab.exercises.augmentation.Augmentation": "wm_lab.exercises.augmentation.AugmentationExercise",
    "wm_lab.exercises.augmentation.exercise.Augmentation": "wm_lab.exercises.augmentation.AugmentationExercise",
    "wm_lab.exercises.imagination.Imagination": "wm_lab.exercises.imagination.ImaginationExercise",
    "wm_lab.exercises.imagination.exercise.Imagination": "wm_lab.exercises.imagination.exercise.ImaginationExercise",
    "wm_lab.exercises.latent.Latent": "wm_lab.exercises.latent.LatentExercise",
    "wm_lab.exercises.latent.exercise.Latent": "wm_lab.exercises.latent.exercise.LatentExercise",
    "wm_lab.exercises.planning.Planning": "wm_lab.exercises.planning.PlanningExercise",
    "wm_lab.exercises.planning.exercise.Planning": "wm_lab.exercises.planning.exercise.PlanningExercise",
}
"""{old path "module.Class": new path}"""

OPTIONS: dict[str, dict[str, Option]] = {
    "wm_lab.config.ScaleConfig": {"by_effort": Renamed("by_difficulty"), "doses": Renamed("synthetic_ratios")},
    "wm_lab.data.recording.RecordedTaskConfig": {"effort": Renamed("budget_multiplier")},
    "wm_lab.tasks.env_config.EnvConfig": {"effort": Renamed("budget_multiplier")},
    "wm_lab.tasks.hand.task.HandConfig": {"effort": Renamed("budget_multiplier")},
    "wm_lab.models.parts.heads.HeadsConfig": {
        "max_precision": Renamed("min_step_std", lambda value: 1 / value),
        "odometry_scale": Dropped("models trained without its loss imagined the hand as well"),
    },
    "wm_lab.models.video_token.config.VideoTokenConfig": {"heads": Renamed("num_heads")},
    "wm_lab.models.decoder_only.model.DecoderOnlyConfig": {"heads": Renamed("num_heads")},
    "wm_lab.models.video_diffusion.config.VideoDiffusionConfig": {
        **{
            option: Renamed(f"denoiser.{option}")
            for option in ("steps", "order", "width", "layers", "channels", "blocks", "patch", "condition")
        },
        "sigma_data": Constant(0.5),
        "sigma_offset": Constant(0.3),
        "sigma_min": Constant(0.002),
        "sigma_max": Constant(5.0),
        "rho": Constant(7.0),
        "noise_mean": Constant(-0.4),
        "noise_std": Constant(1.2),
    },
    "wm_lab.planners.planner.PlannerConfig": {"momentum": Constant(0.0), "low": Constant(-1.0), "high": Constant(1.0)},
    "wm_lab.planners.cem.CEMConfig": {"return_best": Constant(False)},
    "wm_lab.planners.mppi.MPPIConfig": {"relative": Constant(True), "adapt_std": Constant(True)},
    "wm_lab.exercises.augmentation.exercise.AugmentationConfig": {"doses": Renamed("synthetic_ratios")},
    "wm_lab.exercises.planning.exercise.PlanningConfig": {"practice": Renamed("validation_episodes")},
}
"""{"module.Config", the dataclass that has the option today: {old name: what became of it}}"""

BEFORE: dict[str, dict[str, Any]] = {"wm_lab.models.parts.things.ThingsConfig": {"thing_units": 0}}
"""{"module.Config": {an option that came later: what was done before}}, where weights of today would be missing."""

WEIGHTS: dict[str, dict[str, str | None]] = {
    "wm_lab.models.rssm.model.RSSM": {
        "heads.proceed.": "heads.continuation.",
        "heads.odometer.": None,
        "encoder.readings.": "encoder.image_readout.",
        "latent.drift.": None,
        "cell.latent.drift.": None,
        "encoder.vectors.": None,
        "heads.decoder.vectors.": None,
    },
    "wm_lab.models.latent_mlp.model.LatentMLP": {
        "heads.proceed.": "heads.continuation.",
        "heads.odometer.": None,
        "encoder.readings.": "encoder.image_readout.",
        "latent.drift.": None,
        "encoder.vectors.": None,
        "heads.decoder.vectors.": None,
    },
    "wm_lab.models.video_token.model.VideoToken": {
        "heads.proceed.": "heads.continuation.",
        "heads.odometer.": None,
        "heads.decoder.tokenizer.images.to_looks.": "heads.decoder.tokenizer.images.to_appearance.",
        "heads.decoder.tokenizer.images.to_places.": "heads.decoder.tokenizer.images.to_points.",
        "latent.encoder.vectors.": None,
        "latent.decoder.vectors.": None,
        "heads.decoder.tokenizer.vectors.norms.": None,
        "heads.decoder.tokenizer.vectors.drift.": None,
    },
    "wm_lab.models.decoder_only.model.DecoderOnly": {
        "heads.proceed.": "heads.continuation.",
        "heads.odometer.": None,
        "frame.vectors.": None,
        "frame.drift.": None,
        "heads.decoder.vectors.": None,
    },
    "wm_lab.models.video_diffusion.model.VideoDiffusion": {
        "heads.proceed.": "heads.continuation.",
        "heads.odometer.": None,
        "frames.vectors.": None,
        "heads.decoder.vectors.": None,
        "vector.drift.": None,
    },
}
"""{"module.Class": {old beginning of a weight's name: new one}}; None: no weight any more, but read off the data's
specification, which stands beside the weights."""


def class_path(path: str) -> str:
    """Today's path of a class, "module.Class"."""
    return CLASSES.get(path, path)


@cache
def warn_of_path(old: str, new: str, name: str) -> None:
    """Say once that a section names its class by an old path."""
    log.warning("%s._target_=%s is now %s; please write that into your YAML", name, old, new)


def options_today(config: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a config dataclass, written under whatever names and whenever, under today's.

    Raises UserError where an option had a value that can no longer be chosen.
    """
    rows = _rows(config)
    before = {name: value for base in config.__mro__ for name, value in BEFORE.get(_path(base), {}).items()}
    found = before | {name: value for name, value in values.items() if name not in rows}
    for name in values.keys() & rows.keys():
        row = rows[name]
        if isinstance(row, Renamed):
            *sections, option = row.name.split(".")
            place = found
            for section in sections:
                place = place.setdefault(section, {})
            place[option] = row.convert(values[name])
        elif isinstance(row, Constant) and values[name] != row.value:
            raise UserError(f"{name}={values[name]} can no longer be chosen: it is always {row.value}")
    return found


def answer(config: type | DictConfig, section: str, option: str) -> str | None:
    """What became of an option of a section, a config dataclass; None where there never was such an option."""
    row = _rows(OmegaConf.get_type(config) or dict).get(option)
    if row is None:
        return None
    if isinstance(row, Renamed):
        return f"{section}.{option} is called {section}.{row.name} now"
    if isinstance(row, Dropped):
        return f"{section}.{option} is no option any more: {row.why}"
    return f"{section}.{option} is no option any more, but always {row.value}"


def weights_today(kind: type, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Weights of a class under today's names."""
    rows, found = WEIGHTS.get(_path(kind), {}), {}
    for name, weight in weights.items():
        old = next((beginning for beginning in rows if name.startswith(beginning)), "")
        new = rows.get(old, "")
        if new is not None:
            found[new + name.removeprefix(old)] = weight
    return found


def _rows(config: type) -> dict[str, Option]:
    """What became of options of a dataclass and of those that it inherits from."""
    return {name: row for base in reversed(config.__mro__) for name, row in OPTIONS.get(_path(base), {}).items()}


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
