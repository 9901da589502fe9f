"""What imagination says of the policies beside the truth: tables, the scatter, and the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from wm_lab.evaluation.doubt import LUCK, doubt_of_wrong
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.over_seeds import over_seeds
from wm_lab.evaluation.policy_ranking import MEASURES, PolicyRanking, misplaced, rank_policies, ranks, ranks_better
from wm_lab.evaluation.prediction_powered import prediction_powered
from wm_lab.evaluation.proportions import wilson
from wm_lab.evaluation.trainings import over_trainings
from wm_lab.evaluation.verdicts import with_seeds
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.policies.scatter import scatter
from wm_lab.exercises.policies.worlds import LINEAR, TRUTH, UNTRAINED
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.model_facts import model_facts
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.tables import Table, number

DRAWS = 200
"""Choices of a few true episodes among all of them, over which an estimate's width and its luck are averaged."""

CONTROLS = {LINEAR: "the linear model", UNTRAINED: "the untrained model", TRUTH: "the simulator"}
"""How sentences call what a model is held against."""

TOGETHER = "its trainings together"
"""The row of the mean of what all trainings imagine."""

LEAST = 3
"""True episodes that an estimate can be made of."""

DEFINED = {"pearson": (-1, 1), "spearman": (-1, 1), "kappa": (-1, 1), "bias": (-1, 1)}
"""Ends of what there is; of others 0 and 1."""


@dataclass(frozen=True)
class JudgedWorld:
    """Success of P policies in E episodes, in truth and as a world imagines it in each of S trainings."""

    world: str
    policies: list[str]
    true: np.ndarray  # [P, E] bool
    imagined: np.ndarray  # [S, P, E] bool
    doubt: np.ndarray | None = None  # [S, P, E], the model's uncertainty; NaN where it has none

    @property
    def trainings(self) -> int:
        return len(self.imagined)

    def ranking(self) -> PolicyRanking:
        """Over policies, episodes and trainings."""
        each = [rank_policies(self.true, imagined) for imagined in self.imagined]
        found = {}
        for name in MEASURES:
            least, most = DEFINED.get(name, (0, 1))
            found[name] = over_trainings([getattr(one, name) for one in each], least=least, most=most)
        return PolicyRanking(**found)

    def of(self, episodes: np.ndarray) -> JudgedWorld:
        """The same of some episodes alone, [E] bool, of which this world may have imagined the first ones."""
        some = np.flatnonzero(episodes[: self.true.shape[1]])
        doubt = None if self.doubt is None else self.doubt[:, :, some]
        return replace(self, true=self.true[:, some], imagined=self.imagined[:, :, some], doubt=doubt)

    def together(self) -> PolicyRanking | None:
        """By the mean of all trainings, over policies and episodes; None of a single one."""
        return rank_policies(self.true, self.imagined) if self.trainings > 1 else None

    def better_than(self, other: JudgedWorld) -> Interval:
        """By how much Spearman's correlation exceeds that of another world, which is of one training."""
        found = [ranks_better(self.true, imagined, other.imagined[0]) for imagined in self.imagined]
        return over_trainings(found, least=-2, most=2)

    @cached_property
    def doubts(self) -> Interval:
        """How often it doubts an episode that it gets wrong more than one that it gets right."""
        if self.doubt is None:
            return undefined(self.true.shape[1])
        found = [doubt_of_wrong(*each) for each in zip(self.doubt, self.imagined != self.true, strict=True)]
        return over_trainings(found, least=0, most=1)

    def rates(self) -> list[tuple[Interval, Interval]]:
        """Of each policy its true and its imagined success."""
        return [(over_seeds(self.true[p]), over_seeds(self.imagined[:, p])) for p in range(len(self.policies))]


@dataclass(frozen=True)
class FewEpisodes:
    """What n true episodes say of a policy's success, alone and with imagination: means over policies and draws."""

    episodes: int
    width_alone: float
    width: float
    held_alone: float  # share of draws whose interval holds the rate of all episodes
    held: float


def policies_answer(
    experiment: Experiment,
    judged: Sequence[JudgedWorld],
    true: Sequence[Outcomes],
    true_episodes: int,
    kinds: np.ndarray | None = None,
) -> Answer:
    """judged: the world in question first; true_episodes: as many as a robot might play, 0: not asked; kinds: [E] str,
    of what each episode asks for, where there are several"""
    first = judged[0]
    rankings = {each.world: each.ranking() for each in judged}
    few, together = from_few(first, true_episodes), first.together()
    seeds = 0 if is_simulator(experiment.settings) else first.trainings
    numbers: dict[str, Any] = {
        "manifest": true[0].manifest.hash,
        "policies": first.policies,
        "ranking": _plain(rankings),
        "together": None if together is None else {name: plain(getattr(together, name)) for name in MEASURES},
        "success": {
            each.world: {
                name: {"true": plain(rate), "imagined": plain(imagined)}
                for name, (rate, imagined) in zip(each.policies, each.rates(), strict=True)
            }
            for each in judged
        },
        "from_few": plain(few),
        "doubt": plain(first.doubts) if isfinite(first.doubts.value) else None,
    }
    verdicts = policies_verdicts(judged, rankings, few, seeds)
    tables = [ranking_table(judged, rankings), policy_table(first, true_episodes)]
    for kind, worlds in ({} if kinds is None else apart(judged, kinds)).items():
        found = {each.world: each.ranking() for each in worlds}
        policies, episodes = worlds[0].true.shape
        numbers.setdefault("kinds", {})[kind] = _plain(found)
        tables.append(ranking_table(worlds, found, kind))
        verdicts.append(f"of {kind} alone: {ranking_verdict(found[worlds[0].world], policies, episodes, seeds)}")
    return Answer(
        verdicts=verdicts,
        numbers=numbers,
        tables=tables,
        figures={"policies": Drawing(scatter, ([(each.world, each.policies, each.rates()) for each in judged],))},
        outcomes={outcomes.arm: [outcomes] for outcomes in true},
        model=model_facts(experiment),
    )


def _plain(rankings: dict[str, PolicyRanking]) -> dict[str, Any]:
    return {world: {name: plain(getattr(found, name)) for name in MEASURES} for world, found in rankings.items()}


def apart(judged: Sequence[JudgedWorld], kinds: np.ndarray) -> dict[str, list[JudgedWorld]]:
    """Worlds in the episodes of each kind, where there are two or more: a correlation over all may be that of one."""
    each = {str(kind): [world.of(kinds == kind) for world in judged] for kind in np.unique(kinds)}
    found = {kind: [world for world in worlds if world.true.shape[1] > 1] for kind, worlds in each.items()}
    return {kind: worlds for kind, worlds in found.items() if worlds}


def from_few(judged: JudgedWorld, episodes: int, seed: int = 0) -> FewEpisodes | None:
    """None where there are too few episodes to choose from."""
    policies, every = judged.true.shape
    if episodes < LEAST or every < 2 * episodes:
        return None
    random, truth = np.random.default_rng(seed), judged.true.mean(1)
    told = []
    for _ in range(DRAWS):
        p, s = random.integers(policies), random.integers(judged.trainings)
        order = random.permutation(every)
        chosen, rest = order[:episodes], order[episodes:]
        imagined, true = judged.imagined[s, p], judged.true[p, chosen]
        both = wilson(int(true.sum()), episodes), prediction_powered(true, imagined[chosen], imagined[rest])
        told.append([(one.high - one.low, one.low <= truth[p] <= one.high) for one in both])
    (width_alone, held_alone), (width, held) = np.array(told, float).mean(0).tolist()
    return FewEpisodes(episodes, width_alone, width, held_alone, held)


def ranking_table(judged: Sequence[JudgedWorld], rankings: dict[str, PolicyRanking], kind: str = "") -> Table:
    """The world in question first, below it the mean of its trainings; kind: of which episodes, where not of all"""
    columns = ("imagined by", "Spearman", "Pearson", "MMRV", "pairs in order", "bias", "agreement", "κ", "n")
    names = ("spearman", "pearson", "mmrv", "ordered", "bias", "agreement", "kappa")
    sizes = [(*each.true.shape, *[each.trainings] * (each.trainings > 1)) for each in judged]
    rows = [
        (each.world, *(getattr(rankings[each.world], name).bounds() for name in names), " × ".join(map(str, size)))
        for each, size in zip(judged, sizes, strict=True)
    ]
    together = judged[0].together()
    if together is not None:
        size = f"{' × '.join(map(str, judged[0].true.shape))}, mean of {judged[0].trainings}"
        rows.insert(1, (TOGETHER, *(getattr(together, name).bounds() for name in names), size))
    caption = (
        "How imagined success orders policies beside true success in the same episodes. MMRV: mean maximum rank "
        "violation, 0 is perfect. Pairs in order: of those whose true rates are more than 0.1 apart. Bias: imagined − "
        "true. Agreement: single episodes that end alike; κ: beyond chance. A world that gives all policies one rate, "
        "as nothing moving does, has no correlation. 95 % intervals over policies and episodes, and trainings. n: "
        "policies × episodes × trainings."
    )
    if together is not None:
        caption += f" {TOGETHER}: ranked by the mean of all trainings, intervals over policies and episodes."
    if kind:
        return Table(
            f"Who ranks policies, {kind} alone", columns, rows, frozenset({"imagined by"}), "Columns as above."
        )
    return Table("Who ranks policies", columns, rows, frozenset({"imagined by"}), caption)


def policy_table(judged: JudgedWorld, true_episodes: int) -> Table:
    """The policies, the best one first; estimates from few true episodes are of the first of them."""
    true, imagined = judged.true.mean(1), judged.imagined.mean((0, 2))
    places = [(len(true) + 1 - found).round(1) for found in (ranks(true), ranks(imagined))]  # from the best
    estimated = LEAST <= true_episodes <= judged.true.shape[1] // 2
    columns = ("policy", "true", "imagined", "rank", "rank imagined")
    columns += (f"{true_episodes} true", f"{true_episodes} true + imagined") * estimated
    rates, rows = judged.rates(), []
    for p in sorted(range(len(true)), key=lambda p: -true[p]):
        row: list[str] = [judged.policies[p], rates[p][0].bounds(), rates[p][1].bounds()]
        row += [number(place[p], 0 if float(place[p]).is_integer() else 1) for place in places]
        if estimated:
            few, some = judged.true[p, :true_episodes], judged.imagined[0, p]
            row.append(wilson(int(few.sum()), len(few)).bounds())
            row.append(prediction_powered(few, some[:true_episodes], some[true_episodes:]).bounds())
        rows.append(tuple(row))
    caption = "95 % intervals. Rank: from the best; tied ones share theirs."
    if estimated:
        whose = " of the first training" if judged.trainings > 1 else ""
        caption += f" Last columns: success from the first {true_episodes} episodes, alone and with imagination{whose}."
    return Table("Policies", columns, rows, frozenset({"policy"}), caption)


def policies_verdicts(
    judged: Sequence[JudgedWorld], rankings: dict[str, PolicyRanking], few: FewEpisodes | None, seeds: int
) -> list[str]:
    """Headline first."""
    first, found = judged[0], rankings[judged[0].world]
    rates = first.true.mean(1)
    if np.ptp(rates) == 0:
        count = f"(n={len(rates)} policies, {first.true.shape[1]} episodes)"
        head = f"cannot tell whether the model ranks {len(rates)} policies, which in truth all succeed in"
        return [f"{head} {rates[0]:.2f} {count}.", bias_verdict(found.bias, seeds)]
    told = [
        ranking_verdict(found, len(first.policies), first.true.shape[1], seeds),
        *together_verdict(first.together(), first.trainings),
        bias_verdict(found.bias, seeds),
        with_seeds(
            seeds,
            f"it agrees with the truth in {found.agreement.bounds()} of single episodes, κ {found.kappa.bounds()}.",
        ),
        place_verdict(first, seeds),
    ]
    told += [doubt_verdict(first.doubts, seeds)] if isfinite(first.doubts.value) else []
    told += [few_verdict(few, first.true.shape[1], seeds)] if few is not None else []
    for each in judged[1:]:
        better = first.better_than(each) if each.true.shape == first.true.shape else None
        told.append(control_verdict(each, rankings[each.world], better, seeds))
    return told


def ranking_verdict(found: PolicyRanking, policies: int, episodes: int, seeds: int) -> str:
    count = f"(n={policies} policies, {episodes} episodes)"
    if not isfinite(found.spearman.value):
        told = f"the model ranks none of {policies} policies, since it gives all of them one rate {count}."
        return with_seeds(seeds, told)
    violation = f"the mean maximum rank violation is {found.mmrv.bounds()} {count}"
    if found.spearman.positive:
        told = f"the model ranks {policies} policies with Spearman's ρ of {found.spearman.bounds()}; {violation}."
        return with_seeds(seeds, told)
    chance = f"better than chance (ρ {found.spearman.bounds()})"
    return f"cannot tell that the model ranks {policies} policies {chance}; {violation}."


def together_verdict(found: PolicyRanking | None, trainings: int) -> list[str]:
    """Of the mean of all trainings; nothing where it ranks nothing."""
    if found is None or not isfinite(found.spearman.value):
        return []
    told = f"the mean of {trainings} trainings ranks them with Spearman's ρ of {found.spearman.bounds()}; "
    return [f"{told}the mean maximum rank violation is {found.mmrv.bounds()}."]


def bias_verdict(bias: Interval, seeds: int) -> str:
    if bias.positive or bias.negative:
        does, gap = ("overrates", bias) if bias.positive else ("underrates", bias.turned())
        return with_seeds(seeds, f"it {does} their success by {gap.bounds()}.")
    return f"cannot tell that it overrates or underrates their success: imagined − true is {bias.bounds()}."


def doubt_verdict(found: Interval, seeds: int) -> str:
    what = "its doubt is higher in episodes that it gets wrong"
    if found.low > LUCK:
        return with_seeds(seeds, f"{what}: in {found.bounds()} of pairs with one that it gets right.")
    return f"cannot tell that {what}: it is in {found.bounds()} of pairs with one that it gets right."


def place_verdict(judged: JudgedWorld, seeds: int) -> str:
    """Of the policy that is ranked worst, over all trainings."""
    true, imagined = judged.true.mean(1), judged.imagined.mean((0, 2))
    worst, count = misplaced(true, imagined), len(true)
    if (ranks(true) == ranks(imagined)).all():
        return with_seeds(seeds, f"it places all {count} policies where they belong.")
    mine, theirs = (count + 1 - ranks(rates)[worst] for rates in (imagined, true))
    place = f"rank {mine:g} of {count}, {imagined[worst]:.2f} imagined"
    truth = f"where the truth is rank {theirs:g}, {true[worst]:.2f}"
    return with_seeds(seeds, f"it places {judged.policies[worst]} worst: {place}, {truth}.")


def few_verdict(few: FewEpisodes, episodes: int, seeds: int) -> str:
    """Widths that look alike as they are printed are alike."""
    does = "narrows" if round(few.width, 2) < round(few.width_alone, 2) else "does not narrow"
    return with_seeds(
        seeds,
        f"imagination {does} the interval of a policy's success from {few.episodes} true episodes: its mean width is "
        f"{few.width:.2f} with it, {few.width_alone:.2f} without; it holds the rate of all {episodes} episodes in "
        f"{few.held:.2f} of the draws, without it in {few.held_alone:.2f}.",
    )


def control_verdict(judged: JudgedWorld, found: PolicyRanking, better: Interval | None, seeds: int) -> str:
    """better: by how much the model's ρ exceeds this one's; None where they were not asked of the same episodes"""
    who = CONTROLS[judged.world]
    if judged.world == TRUTH and not (judged.imagined == judged.true).all():
        return (
            f"{who} agrees in {found.agreement.bounds()} of single episodes alone: episodes here do not repeat, "
            "so what any model is told to get wrong may be that."
        )
    if not isfinite(found.spearman.value):
        return f"{who} ranks nothing, since it gives every policy a success of {judged.imagined.mean():.2f}."
    told = (
        f"{who} ranks them with Spearman's ρ of {found.spearman.bounds()} and agrees in {found.agreement.bounds()} of "
    )
    told += "single episodes"
    if better is None or not isfinite(better.value):
        return f"{told}."
    if better.positive:
        return f"{told}; {with_seeds(seeds, f'the model ranks better, its ρ is higher by {better.bounds()}.')}"
    return f"{told}; cannot tell that the model ranks better (ρ higher by {better.bounds()})."
