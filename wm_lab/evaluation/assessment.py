"""How far ahead a world model can imagine: errors, skill against baselines, and the horizons where it stops helping.

Shapes: W windows (one stretch of truth each, several from one episode), H imagined steps, D state dimensions,
E episodes, R bootstrap resamples. Episodes are resampled, never windows: windows of one episode share its luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wm_lab.errors import UserError
from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.horizon import Horizon, find_horizon, shortest
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.means import skewed_bounds
from wm_lab.evaluation.ratio import ratio_bounds

if TYPE_CHECKING:
    from wm_lab.tasks.task import Variable

MODEL = "model"
PERSISTENCE, LINEAR, SHUFFLED = "persistence", "linear", "shuffled"
"""Names of the baselines that the horizons are measured against; others are drawn beside them."""

RETOLD = "retold"
"""Name of the model itself under sentences of other episodes, where it is told any."""

OVERALL = "overall"
"""The z-scored error of the whole state, beside the task's own variables."""

ACTION_RATIO = 1.1
"""Below this ratio of shuffled to true error a model does not read its actions (a convention, not a law)."""

WORST_ERROR = 1e9
"""What a prediction that is not a number counts for, in units or in training deviations where those are larger: worse
than any real one, yet sums stay finite."""

NO_ERROR = 1e-12
"""Of persistence's summed error, added to all, so that two perfect predictors have a skill of 0 and not 0/0."""

PRESENT, ROTATION = "_present", "_rotation"
"""How the names end of what tells whether a thing is there, and of how it is turned."""

Errors = Mapping[str, np.ndarray]
"""{variable: errors [W, H]} in the variable's unit; `overall` is in training standard deviations."""


@dataclass(frozen=True)
class Curves:
    """One predictor's error of one variable at steps 1..H, each [H]; bounds are 95 % over episodes."""

    median: np.ndarray
    median_low: np.ndarray
    median_high: np.ndarray
    p90: np.ndarray
    mean: np.ndarray
    mean_low: np.ndarray
    mean_high: np.ndarray

    def at(self, step: int, n: int) -> Interval:
        """The median error at one step (from 1)."""
        i = step - 1
        return Interval(float(self.median_low[i]), float(self.median[i]), float(self.median_high[i]), n)


@dataclass(frozen=True)
class Skill:
    """1 − (model's summed error) / (baseline's) at steps 1..H, each [H]: 1 is perfect, 0 no better."""

    low: np.ndarray
    value: np.ndarray
    high: np.ndarray

    def at(self, step: int, n: int) -> Interval:
        """The skill at one step (from 1)."""
        i = step - 1
        return Interval(float(self.low[i]), float(self.value[i]), float(self.high[i]), n)

    def ratio_at(self, step: int, n: int) -> Interval:
        """(baseline's summed error) / (model's) at one step: what a skill of 1/2 calls 2."""
        low, value, high = (1 / max(1 - skill, NO_ERROR) for skill in self.at(step, n)[:3])
        return Interval(low, value, high, n)


@dataclass(frozen=True)
class Assessment:
    """Everything measured on one group of windows: all of them, those in contact, or those in free motion."""

    group: str
    windows: int
    episodes: int
    units: dict[str, str]
    tolerances: dict[str, float]
    curves: dict[str, dict[str, Curves]]  # {predictor: {variable: ...}}; the model is one predictor
    skill: dict[str, dict[str, Skill]]  # {baseline: {variable: ...}}
    beats: dict[str, dict[str, Horizon]]  # {baseline: {variable: ...}}; persistence is H_skill, linear H_lin
    tolerance: dict[str, Horizon]  # H_tol of every variable with a tolerance
    actions: dict[str, Horizon]  # H_act of every variable; empty without the shuffled baseline
    constant: frozenset[str]  # variables that never move: persistence is perfect, and over it there is no skill
    useful: Horizon  # overall better than persistence and every tolerance kept
    trainings: int = 0  # of the model, over which all of this is; 0: nothing was learned
    seen_in: Mapping[str, int] = field(default_factory=dict)  # episodes of variables that not all of them have

    def n(self, name: str) -> int:
        """Episodes that tell of a variable."""
        return self.seen_in.get(name, self.episodes)


def variable_errors(
    predicted: np.ndarray, truth: np.ndarray, variables: Sequence[Variable], std: np.ndarray
) -> dict[str, np.ndarray]:
    """Errors of predicted states [W, H, D]: the Euclidean norm of every variable, and the z-scored RMS of the whole.

    `std` [D] is the training split's; a dimension without any is left out of the whole.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predictions {predicted.shape} and truth {truth.shape} differ in shape")
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.asarray(predicted, float) - truth
        errors = {v.name: np.linalg.norm(gap[..., v.slice], axis=-1) for v in variables}
        moving = np.asarray(std) > 0
        errors[OVERALL] = np.sqrt(np.mean((gap[..., moving] / np.asarray(std)[moving]) ** 2, axis=-1))
    worst = {v.name: WORST_ERROR * max(1.0, float(np.linalg.norm(std[v.slice]))) for v in variables}
    return {name: _bounded(e, worst.get(name, WORST_ERROR)) for name, e in errors.items()}


def whether_there(states: np.ndarray, variables: Sequence[Variable]) -> dict[str, np.ndarray]:
    """Of states [W, D], where each thing is there that a state may hold as absent, [W] bool.

    `block_present`, 0 or 1, is of `block` and of `block_rotation`; a thing that is absent is all zeros.
    """
    flags = {v.name.removesuffix(PRESENT): states[:, v.start] > 0.5 for v in variables if v.name.endswith(PRESENT)}
    things = {v.name: v.name.removesuffix(ROTATION) for v in variables}
    return {name: flags[thing] for name, thing in things.items() if thing in flags}


def _bounded(errors: np.ndarray, worst: float) -> np.ndarray:
    bounded: np.ndarray = np.nan_to_num(errors, nan=worst, posinf=worst).clip(max=worst)
    return bounded


def assess_groups(
    model: Errors,
    baselines: Mapping[str, Errors],
    episode: np.ndarray,
    contact: np.ndarray,
    variables: Sequence[Variable],
    *,
    there: Mapping[str, np.ndarray] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Assessment]:
    """`assess` for all windows, and apart for those with contact (flags [W]) and those in free motion, if any."""
    groups = {"all": np.ones(len(episode), bool), "contact": contact, "free": ~contact}
    found = {}
    for name, mask in groups.items():
        if len(np.unique(episode[mask])) < 2:
            continue  # one episode has no spread to speak of
        chosen = {source: {v: e[mask] for v, e in errors.items()} for source, errors in baselines.items()}
        own = {v: e[mask] for v, e in model.items()}
        some = {v: flags[mask] for v, flags in (there or {}).items()}
        found[name] = assess(
            own, chosen, episode[mask], variables, there=some, group=name, resamples=resamples, seed=seed
        )
    return found


def assess(
    model: Errors,
    baselines: Mapping[str, Errors],
    episode: np.ndarray,
    variables: Sequence[Variable],
    *,
    there: Mapping[str, np.ndarray] | None = None,
    group: str = "all",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Assessment:
    """Curves, skill and horizons of one group of windows; `episode` [W] says which episode each window is from.

    there: of variables that may be absent, in which windows they are there [W]: only these tell of them. One that fewer
        than two episodes have is left out.
    """
    if PERSISTENCE not in baselines:
        raise ValueError(f"assess needs the {PERSISTENCE!r} baseline")
    sample = _Sample(episode, resamples, seed)
    if sample.episodes < 2:
        raise UserError(f"imagination is judged over episodes, found {sample.episodes}; evaluate on at least 2")
    apart = {name: flags for name, flags in (there or {}).items() if not flags.all()}
    samples = {name: _Sample(episode[flags], resamples, seed) for name, flags in apart.items()}
    variables = [v for v in variables if v.name not in samples or samples[v.name].episodes >= 2]
    names = [v.name for v in variables] + [OVERALL]
    samples = {name: samples.get(name, sample) for name in names}
    tolerances = {v.name: v.tolerance for v in variables if v.tolerance is not None}
    n = {name: samples[name].episodes for name in names}

    everyone = {
        who: {v: errors[v][apart[v]] if v in apart else errors[v] for v in names}
        for who, errors in {MODEL: model, **baselines}.items()
    }
    curves = {who: {v: _curves(errors[v], samples[v]) for v in names} for who, errors in everyone.items()}
    unit = {v: _scale(everyone[PERSISTENCE][v], everyone[MODEL][v]) for v in names}
    sums = {who: {v: samples[v].sums(errors[v]) / unit[v] for v in names} for who, errors in everyone.items()}
    skills = {who: {v: _skill(sums[MODEL][v], sums[who][v], samples[v]) for v in names} for who in baselines}
    beats = {who: {v: find_horizon(*skills[who][v], above=0.0, n=n[v]) for v in names} for who in baselines}

    inside = {v: samples[v].means(_stays_inside(everyone[MODEL][v], limit)) for v, limit in tolerances.items()}
    tolerance = {v: find_horizon(*share, at_least=0.5, n=n[v]) for v, share in inside.items()}
    reads: dict[str, Horizon] = {}
    if SHUFFLED in baselines:
        # skill against oneself with wrong actions: shuffled / true >= 1.1 is the same as skill >= 1 - 1/1.1
        least = 1 - 1 / ACTION_RATIO
        reads = {v: find_horizon(*skills[SHUFFLED][v], at_least=least, n=n[v], unbroken=False) for v in names}
    return Assessment(
        group=group,
        windows=len(episode),
        episodes=sample.episodes,
        units={**{v.name: v.unit for v in variables}, OVERALL: "σ"},
        tolerances=tolerances,
        curves=curves,
        skill={who: {v: _curve_of_skill(sums[MODEL][v], sums[who][v], samples[v]) for v in names} for who in baselines},
        beats=beats,
        tolerance=tolerance,
        actions=reads,
        constant=frozenset(v for v in names if not sums[PERSISTENCE][v].any()),
        useful=shortest([beats[PERSISTENCE][OVERALL], *tolerance.values()]),
        seen_in={v: count for v, count in n.items() if v in apart},
    )


class _Sample:
    """Windows grouped by episode, and the weights of every resample of the episodes."""

    def __init__(self, episode: np.ndarray, resamples: int, seed: int) -> None:
        names, self.index = np.unique(episode, return_inverse=True)
        self.episodes = len(names)
        self.counts = resample_counts(self.episodes, resamples, seed)  # [R, E]
        self.windows = np.bincount(self.index, minlength=self.episodes).astype(float)  # [E]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of values [W, H] over the windows of each episode: [E, H]."""
        sums = np.zeros((self.episodes, values.shape[1]))
        np.add.at(sums, self.index, values)
        return sums

    def influence(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean over all windows of values [W, H], [H], and what each episode does to it, [E, H]."""
        mean = values.mean(0)
        return mean, self.sums(values - mean) / self.windows.mean()

    def means(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean over all windows of values [W, H]: of the sample [H] and of every resample [R, H]."""
        sums = self.sums(values)
        return sums.sum(0) / len(self.index), self.counts @ sums / (self.counts @ self.windows)[:, None]


def _scale(*errors: np.ndarray) -> float:
    """The largest error summed over windows [W, H], of the first that makes any: a scale to compare others on."""
    return next((float(total) for e in errors if (total := e.sum(0).max()) > 0), 1.0)


def _curves(errors: np.ndarray, sample: _Sample) -> Curves:
    median, p90 = np.quantile(errors, [0.5, 0.9], axis=0)
    mean, influence = sample.influence(errors)
    mean_low, mean_high = skewed_bounds(mean, influence)
    # A quantile's interval without sorting 2,000 resamples (Woodruff 1952): bound the share of windows below the
    # median, which is a mean over episodes, then read off the errors at those shares.
    share_low, share_high = percentile_bounds(sample.means((errors <= median).astype(float))[1], n=sample.episodes)
    ranked = np.sort(errors, axis=0)
    median_low = np.minimum(_quantiles(ranked, share_low), median)
    median_high = np.maximum(_quantiles(ranked, share_high), median)
    return Curves(median, median_low, median_high, p90, mean, mean_low, mean_high)


def _quantiles(ranked: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The value at a share of its own for each column of sorted values [W, H]."""
    row = np.clip(np.ceil(share * len(ranked)).astype(int) - 1, 0, len(ranked) - 1)
    quantiles: np.ndarray = ranked[row, np.arange(ranked.shape[1])]
    return quantiles


def _skill(model: np.ndarray, other: np.ndarray, sample: _Sample) -> tuple[np.ndarray, np.ndarray]:
    """1 − ratio of errors summed by episode [E, H]: of the sample [H] and of every resample [R, H]."""
    drawn = 1 - (sample.counts @ model + NO_ERROR) / (sample.counts @ other + NO_ERROR)
    return 1 - (model.sum(0) + NO_ERROR) / (other.sum(0) + NO_ERROR), drawn


def _curve_of_skill(model: np.ndarray, other: np.ndarray, sample: _Sample) -> Skill:
    """Skill with its bounds; where the baseline makes no error at all there is none to save, and no number."""
    little = NO_ERROR / sample.episodes
    low, high = ratio_bounds(model + little, other + little, sample.counts)
    value = (model.sum(0) + NO_ERROR) / (other.sum(0) + NO_ERROR)
    some = other.any(0) | ~model.any(0)
    return Skill(*(np.where(some, 1 - ratio, np.nan) for ratio in (high, value, low)))


def _stays_inside(errors: np.ndarray, tolerance: float) -> np.ndarray:
    """1 where a window has been inside the tolerance at this and all earlier steps, [W, H]."""
    return (np.maximum.accumulate(errors, axis=1) <= tolerance).astype(float)
