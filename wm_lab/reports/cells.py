"""The cells of a sweep: what was chosen, on which task, with all its seeds and both kinds of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wm_lab.evaluation.aggregates import student
from wm_lab.evaluation.assessment import OVERALL
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.outcomes import ARRAYS, Outcomes
from wm_lab.reports.runs import RunRecord

IDENTIFYING = ("exercise", "task", "seed", "seeds")
"""Settings that tell runs of one choice apart."""

UNCOMPARED = ("tracking", "outputs", "workers", "hydra", "scale")
"""Settings whose first word changes no number, or not what is compared."""

NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
OPTION = re.compile(rf"(?P<key>[^ =]+)=(?P<number>{NUMBER.pattern})")
"""How a choice is called that is one number alone."""

MAIN_ARM = "mpc"
"""The arm that stands for a choice."""

MILLI = 1e3  # of a metre


@dataclass
class SweepCell:
    """One choice on one task. Lists hold one entry a run; a run holds one training seed or several."""

    task: str
    choice: str
    seeds: list[int] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    imagined: list[dict[str, Any]] = field(default_factory=list)  # numbers of imagination runs
    latents: list[dict[str, Any]] = field(default_factory=list)  # numbers of latent runs
    outcomes: list[dict[str, list[Outcomes]]] = field(default_factory=list)  # of planning runs, by arm, a training each
    manifests: list[str] = field(default_factory=list)  # hashes, of the same runs
    verdicts: list[str] = field(default_factory=list)

    @property
    def variable(self) -> str:
        """What imagination is judged by: what success depends on, where there is one."""
        variables = self._held_out()["variables"]
        deciding = [name for name, v in variables.items() if v["tolerance"] is not None]
        return deciding[0] if deciding else OVERALL

    @property
    def unit(self) -> str:
        """Of `error_at`: metres are told in millimetres."""
        unit = self._held_out()["variables"][self.variable]["unit"]
        return "mm" if unit == "m" else unit

    @property
    def error_at(self) -> dict[str, Interval]:
        """{step: median error of imagined states}, with an interval over episodes, or over seeds where there are."""
        if not self.imagined:
            return {}
        found = [run["held_out"]["all"]["variables"][self.variable]["median"] for run in self.imagined]
        scale = MILLI if self.unit == "mm" else 1.0
        return {step: over_seeds([_interval(run[step], scale) for run in found]) for step in found[0]}

    def laid_out(self, measure: str) -> Interval:
        """A measure of the latent's structure, such as "effective_rank"."""
        return over_seeds([_interval(run["structure"]["latent"][measure]) for run in self.latents])

    @property
    def read_off(self) -> dict[str, Interval]:
        """R² of a linear probe of the latent, for every variable that changes within an episode."""
        found = [run["r2"]["ridge"]["latent"] for run in self.latents]
        moving = [name for name, moves in self.latents[0]["moves"].items() if moves]
        return {name: over_seeds([_interval(run[name]) for run in found]) for name in moving}

    @property
    def useful(self) -> tuple[int, int] | None:
        """Steps for which the model is significantly better than persistence, the fewest of all seeds; steps imagined.

        Results of earlier versions call the number "sure".
        """
        if not self.imagined:
            return None
        return min(skill["significant" if "significant" in skill else "sure"] for skill in self.skill), self.skill[0][
            "limit"
        ]

    @property
    def skill(self) -> list[dict[str, Any]]:
        """H_skill of every seed, the last step to which the model beats persistence."""
        return [run["held_out"]["all"]["variables"][self.variable]["H_skill"] for run in self.imagined]

    @property
    def priced(self) -> bool:
        """Whether it is known both how well this choice imagines and what that cost."""
        return bool(self.imagined) and self.fact("seconds") > 0

    def fact(self, name: str) -> float:
        """Mean over seeds of a fact of the trained model; NaN where nobody told."""
        values = [float(model[name]) for model in self.models if model.get(name) is not None]
        return sum(values) / len(values) if values else math.nan

    def arm(self, name: str) -> list[Outcomes]:
        return distinct(played for arms in self.outcomes for played in arms.get(name, ()))

    def _held_out(self) -> dict[str, Any]:
        found: dict[str, Any] = self.imagined[0]["held_out"]["all"]
        return found


def sweep_cells(records: Sequence[RunRecord]) -> list[SweepCell]:
    """Runs with results, gathered by task and choice in the order they came."""
    cells: dict[tuple[str, str], SweepCell] = {}
    for choice, record in by_choice(records):
        result = record.result
        assert result is not None
        cell = cells.setdefault((result["task"], choice), SweepCell(result["task"], choice))
        cell.seeds.append(result["seed"])
        cell.verdicts.append(result["verdict"])
        if result.get("model"):
            cell.models.append(result["model"])
        if "held_out" in result["numbers"]:
            cell.imagined.append(result["numbers"])
        if "structure" in result["numbers"]:
            cell.latents.append(result["numbers"])
        if record.outcomes:
            cell.outcomes.append(record.outcomes)
            cell.manifests.append(max((arm[0].manifest for arm in record.outcomes.values()), key=len).hash)
    return list(cells.values())


def by_choice(records: Sequence[RunRecord]) -> list[tuple[str, RunRecord]]:
    """How what differs between these runs is called in each."""
    varying = _varying([record.settings for record in records])
    return [(_choice(record.settings, varying), record) for record in records]


def distinct(played: Iterable[Outcomes]) -> list[Outcomes]:
    """Each training once, and once what learns nothing: two runs may have played the same."""
    found: list[Outcomes] = []
    for one in played:
        if not any(_same_play(one, other) for other in found):
            found.append(one)
    return found


def _same_play(a: Outcomes, b: Outcomes) -> bool:
    """Whether both are one play, found twice in the store: two plays never think for as long to the last digit."""
    return a.manifest.hash == b.manifest.hash and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in ARRAYS
    )


def over_seeds(values: Sequence[Interval]) -> Interval:
    """One seed's own interval over episodes; of several, their mean with Student's interval over seeds.

    That leaves out what the episodes themselves add by chance: results keep each seed's median, not the errors by
    episode that `over_seeds` would need (and means of which it speaks). Success is crossed with episodes.
    """
    return values[0] if len(values) == 1 else student([value.value for value in values])


def _interval(values: dict[str, Any], scale: float = 1.0) -> Interval:
    found = Interval.from_dict(values)
    return Interval(found.low * scale, found.value * scale, found.high * scale, found.n)


def _varying(settings: Sequence[dict[str, str]]) -> list[str]:
    """Keys whose values differ between runs of one exercise; what two exercises are asked may differ."""
    keys = dict.fromkeys(key for one in settings for key in one)
    exercises = [
        [one for one in settings if one.get("exercise") == name] for name in {one.get("exercise") for one in settings}
    ]
    differing = [
        key
        for key in keys
        if key not in IDENTIFYING
        and key.split(".")[0].split("/")[0] not in UNCOMPARED
        and any(len({one.get(key) for one in runs}) > 1 for runs in exercises)
    ]
    return differing or ["model", "planner"]


def _choice(settings: dict[str, str], keys: Sequence[str]) -> str:
    """`rssm cem` for groups, `model.deter=64` or `demonstrations=25` for options."""
    return " ".join(
        f"{key}={settings.get(key, 'default')}" if _is_option(key, settings) else settings.get(key, "–") for key in keys
    )


def _is_option(key: str, settings: dict[str, str]) -> bool:
    """Whether this is no choice of a group, whose names are words."""
    return "." in key or bool(NUMBER.fullmatch(settings.get(key, "")))


def curve_of(choices: Iterable[str]) -> tuple[str, dict[str, float]] | None:
    """The option whose numbers are all that these choices differ in, and {choice: number} from the least to the most.

    None where they differ in something else, or by fewer than two numbers.
    """
    found = {choice: OPTION.fullmatch(choice) for choice in choices}
    told = {choice: (match["key"], float(match["number"])) for choice, match in found.items() if match}
    if len(told) < max(2, len(found)) or len({key for key, _ in told.values()}) > 1:
        return None
    key = next(iter(told.values()))[0]
    return key, dict(sorted(((choice, number) for choice, (_, number) in told.items()), key=lambda item: item[1]))
