"""The answer of the latent exercise in rows and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.trainings import by_leaf, over_tables, over_trainings
from wm_lab.reports.tables import Table

LATENT, RANDOM, PCA, OBSERVATION, STATE = ROWS = ("latent", "random encoder", "PCA", "observation", "true state")
"""Representations: the model's, its own before training, 32 directions of what it sees, all of that, and the truth."""

LEARNED = "latent, learned distance"
"""The latent as `value=latent_distance` measures it; it has distances and no directions."""

SHUFFLED = "shuffled"
"""The latent, asked for the states of other trajectories."""

KINDS = {"ridge": "Linear probe (ridge)", "mlp": "Nonlinear probe (MLP)"}
"""How probes are called in tables."""

MEASURES = {
    "neighbours": "neighbours' distance",
    "scene": "ρ scene",
    "steps_to_go": "ρ steps to go",
    "silhouette": "silhouette",
    "information": "NMI",
    "effective_rank": "effective rank",
    "straightness": "straightness",
}
"""How measures of structure are called in the table."""

CAPTURED, ABSENT = 0.8, 0.2
"""R² from which on a variable counts as captured, and below which it counts as absent; between them lies a part."""

READ = 0.99
"""R² from which on a line reads a variable off what is observed: no news in a latent that copies that."""

COPIED = 0.5
"""Share of observed numbers that stand in the latent as they are, from which on the verdict begins with it."""

CLUSTERED = 0.25
"""Silhouette below which there is no substantial structure (Kaufman and Rousseeuw 1990, table 4)."""

MARGIN = 0.01
"""Of R²: what training adds counts from here on."""


@dataclass(frozen=True)
class Findings:
    r2: dict[str, dict[str, dict[str, Interval]]]  # {probe: {representation: {variable: R²}}}
    gains: dict[str, dict[str, dict[str, Interval]]]  # the same of the latent minus the representation, paired
    moves: dict[str, bool]  # {variable: it changes within an episode}
    structure: dict[str, dict[str, Interval]]  # {representation: {measure: value}}
    trustworthiness: dict[int, Interval]  # {perplexity: of the scenes' t-SNE}
    noise: dict[int, float]  # {perplexity: the same of the best picture of noise}
    phases: dict[str, int]  # {phase: frames in it}
    copied: float  # share of the observed numbers that stand in the latent as they are
    frames: int
    trajectories: int
    trainings: int = 1


def over_findings(every: Sequence[Findings]) -> Findings:
    """What all trainings found, over them and the trajectories, which are the same for all."""
    first, share = every[0], partial(over_trainings, most=1.0)
    return replace(
        first,
        r2={kind: over_tables(share, [one.r2[kind] for one in every]) for kind in first.r2},
        gains={kind: over_tables(over_trainings, [one.gains[kind] for one in every]) for kind in first.gains},
        structure=over_tables(over_trainings, [one.structure for one in every]),
        trustworthiness=by_leaf(share, [one.trustworthiness for one in every]),
        noise={p: sum(one.noise[p] for one in every) / len(every) for p in first.noise},
        copied=sum(one.copied for one in every) / len(every),
        trainings=len(every),
    )


def latent_tables(found: Findings) -> list[Table]:
    tables = [_probe_table(found, kind, f"{title}: R² on unseen trajectories") for kind, title in KINDS.items()]
    rows = [(word, *(short(row[key]) for row in found.structure.values())) for key, word in MEASURES.items()]
    structure = Table(
        "Structure",
        ("measure", *found.structure),
        rows,
        frozenset({"measure"}),
        f"{_sample(found)} Neighbours' distance: how far the true scenes of those from other trajectories "
        "are apart, over any two; 1 is chance. ρ: Spearman of distances with those of scenes and of steps to success, "
        "over pairs of trajectories. Silhouette, NMI: of phases.",
    )
    pictures = [(str(p), short(trust), f"{found.noise[p]:.2f}") for p, trust in found.trustworthiness.items()]
    return [
        *tables,
        _gain_table(found),
        structure,
        Table(
            "Trustworthiness of the pictures",
            ("perplexity", "latent", "noise"),
            pictures,
            caption=f"t-SNE of {found.trajectories} scenes; noise: the best of three pictures of Gaussian noise. "
            f"{_sample(found)}",
        ),
    ]


def latent_verdicts(found: Findings) -> list[str]:
    """The headline first: what a line through the latent reads."""
    return [
        capture_verdict(found),
        learning_verdict(found),
        neighbour_verdict(found),
        phase_verdict(found),
        picture_verdict(found),
    ]


def capture_verdict(found: Findings) -> str:
    """Which variables the latent captures, by the ridge's intervals, with the random encoder beside them."""
    ours, bar = found.r2["ridge"][LATENT], found.r2["ridge"][RANDOM]
    groups: dict[str, list[str]] = {"captures": [], "captures a part of": [], "not": [], "cannot tell": []}
    plain = _plain(found)
    for name, r2 in ours.items():
        if name in plain or not isfinite(r2.value):  # it never varies, and there is nothing to read
            continue
        said = f"{name} (R² {short(r2)}, random encoder {bar[name].value:.2f})"
        groups[_captured(r2)].append(said)
    found_parts = [f"{word} {_listed(groups[word])}" for word in ("captures", "captures a part of") if groups[word]]
    head = "; ".join(found_parts) or "captures no variable for certain"
    absent = f"; it does not capture {_listed(groups['not'])}" if groups["not"] else ""
    unsure = f"; cannot tell whether it captures {_listed(groups['cannot tell'])}" if groups["cannot tell"] else ""
    # Where the latent is a copy of the observation, that is the news, and what can be read of it is none.
    copy = f", in which {found.copied:.0%} of the observed numbers stand as they are," if found.copied >= COPIED else ""
    rest = f"; it holds {_listed(plain)}, which a line reads off the observation" if plain else ""
    return f"the latent{copy} {head}{absent}{unsure}{rest} (n={found.trajectories} trajectories)."


def learning_verdict(found: Findings) -> str:
    """What training did for the line that reads the state, beyond what the untrained encoder offers it."""
    told, same, open_ = [], [], []
    for name, gain in found.gains["ridge"][RANDOM].items():
        if gain.low > MARGIN:
            told.append(f"raised the R² of {name} by {short(gain)}")
        elif gain.high < -MARGIN:
            told.append(f"lowered the R² of {name} by {short(Interval(-gain.high, -gain.value, -gain.low, gain.n))}")
        elif gain.within(MARGIN):
            same.append(name)
        elif isfinite(gain.value):
            open_.append(f"{name} ({short(gain)})")
    parts = [
        *([f"training {_listed(told)}"] if told else []),
        *([f"training changed the R² of {_listed(same)} by less than {MARGIN}"] if same else []),
        *([f"cannot tell that training changed the R² of {_listed(open_)}"] if open_ else []),
    ]
    if not parts:
        return f"cannot tell that training changed a thing: no variable varies (n={found.trajectories} trajectories)."
    return f"{'; '.join(parts)} (ridge R², latent minus random encoder, n={found.trajectories})."


def neighbour_verdict(found: Findings) -> str:
    """Whether similar scenes lie together, and more so than before training."""
    ours, bar, best = (found.structure[name]["neighbours"] for name in (LATENT, RANDOM, STATE))
    what = (
        f"neighbours of other trajectories are {short(ours)} times as far apart as any two scenes "
        f"(at best {best.value:.2f}), {_beside(ours, bar)} (n={ours.n} trajectories)"
    )
    if ours.high < 1:
        return f"similar scenes lie together: {what}."
    return f"cannot tell that similar scenes lie together: {what}."


def phase_verdict(found: Findings) -> str:
    """Whether what goes on (approach, contact, ...) divides the latent."""
    names = ", ".join(found.phases)
    if len(found.phases) < 2:
        return f"cannot tell whether phases cluster: all {found.frames} frames are of one ({names})."
    ours = found.structure[LATENT]["silhouette"]
    told, bar = (found.structure[name]["information"] for name in (LATENT, RANDOM))
    what = f"silhouette {short(ours)}; clusters tell phases with an NMI of {short(told)}, {_beside(told, bar)}"
    if ours.low >= CLUSTERED:
        return f"phases ({names}) form clusters: {what}."
    if ours.high < CLUSTERED:
        return f"phases ({names}) form no clusters: {what}."
    return f"cannot tell that phases ({names}) form clusters: {what}."


def picture_verdict(found: Findings) -> str:
    """Whether the t-SNE shows more than t-SNE shows of noise."""
    sure = [p for p, trust in found.trustworthiness.items() if trust.low > found.noise[p]]
    p = (sure or list(found.trustworthiness))[0]
    what = f"trustworthiness {short(found.trustworthiness[p])} at perplexity {p}, {found.noise[p]:.2f} for noise"
    if sure:
        return f"the t-SNE keeps true neighbours: {what}."
    return f"cannot tell that the t-SNE keeps true neighbours: {what}."


def _probe_table(found: Findings, kind: str, title: str) -> Table:
    table = found.r2[kind]
    rows = [
        (name if moves else f"{name} (constant)", *(explained(row[name]) for row in table.values()))
        for name, moves in found.moves.items()
    ]
    caption = (
        f"{_sample(found)} PCA: of the observation. Shuffled: the latent, asked for states of other trajectories. "
        f"Constant: within an episode. {found.copied:.0%} of the observed numbers stand in the latent as they are."
    )
    return Table(title, ("variable", *table), rows, frozenset({"variable"}), caption)


def _gain_table(found: Findings) -> Table:
    columns = {f"{kind}, minus {rival}": row for kind, table in found.gains.items() for rival, row in table.items()}
    rows = [(name, *(explained(row[name]) for row in columns.values())) for name in found.moves]
    caption = f"R² of the latent minus that of what it is made from, paired by trajectory. {_sample(found)}"
    return Table("What the latent adds", ("variable", *columns), rows, frozenset({"variable"}), caption)


def _sample(found: Findings) -> str:
    seeds = "one training seed" if found.trainings == 1 else f"{found.trainings} training seeds"
    return f"Each number's own 95 % interval over {found.trajectories} trajectories ({found.frames} frames), {seeds}."


def short(interval: Interval) -> str:
    """`0.92 [0.85, 0.96]`, never with more decimals: an R² of 0.999998 is 1."""
    return interval.bounds(decimals=2)


def explained(r2: Interval) -> str:
    """An R², or that there is nothing to explain."""
    return short(r2) if isfinite(r2.value) else "constant"


def _beside(ours: Interval, bar: Interval) -> str:
    """The random encoder's interval, and on which side of it the latent's lies."""
    side = "more than" if ours.low > bar.high else "less than" if ours.high < bar.low else "not distinguishable from"
    return f"{side} the random encoder's {short(bar)}"


def _plain(found: Findings) -> list[str]:
    """What a copied observation says by itself, named last where there is more to say."""
    ours, seen = (found.r2["ridge"].get(name, {}) for name in (LATENT, OBSERVATION))
    varies = [name for name, r2 in ours.items() if isfinite(r2.value)]
    plain = [name for name in varies if name in seen and min(seen[name].low, ours[name].low) >= READ]
    return plain if found.copied >= COPIED and len(plain) < len(varies) else []


def _captured(r2: Interval) -> str:
    if r2.low >= CAPTURED:
        return "captures"
    if r2.high < ABSENT:
        return "not"
    return "captures a part of" if r2.low >= ABSENT else "cannot tell"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
