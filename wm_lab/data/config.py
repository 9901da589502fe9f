"""What a user may choose about data: how much, by which behaviours, in how many rounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.splits import SplitConfig
from wm_lab.errors import UserError

EPISODES_PER_ROUND = 50_000
ROUNDS_PER_SEED = 16
MAX_SEED = 2**30 // (EPISODES_PER_ROUND * ROUNDS_PER_SEED) - 1
"""Keeps every episode's seed below 2^30: from there on they are for evaluation, whose starts no model may train on."""


@dataclass
class DataConfig:
    """A dataset: episodes of the scripted expert under a mix of behaviours, then rounds of a planner's own episodes.

    Or one that was recorded elsewhere: with `path`, only the split is still to be chosen.
    """

    path: str | None = None  # of a dataset to train on; None: collect one
    episodes: int = 400
    mixture: dict[str, float] = field(
        default_factory=lambda: {"noisy_expert": 0.5, "random": 0.2, "perturb_recover": 0.3}
    )
    strengths: list[float] = field(default_factory=lambda: [0.1, 0.3, 0.5])  # noise std, one drawn per episode
    correlation: float = 0.8  # of the noise in neighbouring control steps
    block: int = 12  # steps between changes of hands in "perturb_recover"

    rounds: int = 0  # how often the planner itself collects and the model learns on
    round_episodes: int = 80
    advised: bool = False  # rounds are collected with the proposals of a clone of the demonstrations in the search
    round_strengths: list[float] = field(default_factory=lambda: [0.1, 0.2, 0.4])
    newest_fraction: float | None = 0.5  # of each training batch, from the newest round; None: in proportion to size

    validation_fraction: float = 0.1  # of the episodes
    test_fraction: float = 0.0
    seed: int = 0
    workers: int | None = None  # processes that collect; None: one per core. Never changes the data

    def __post_init__(self) -> None:
        self.exploration()
        self.round_exploration()
        self.split()
        for name, count, least in (
            ("episodes", self.episodes, 1),
            ("round_episodes", self.round_episodes, 1),
            ("rounds", self.rounds, 0),
        ):
            if not least <= count <= EPISODES_PER_ROUND:
                raise UserError(f"data.{name}={count} is outside {least}..{EPISODES_PER_ROUND}")
        if self.path is not None and self.rounds:
            raise UserError(f"data.rounds={self.rounds} would add to the recording {self.path}; set data.rounds=0")
        if self.advised and not self.rounds:
            raise UserError(
                "data.advised=true advises the planner that collects rounds, and data.rounds=0 collects none; "
                "set data.rounds, or data.advised=false"
            )
        if self.rounds >= ROUNDS_PER_SEED:
            raise UserError(f"data.rounds={self.rounds} exceeds {ROUNDS_PER_SEED - 1}")
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"data.seed={self.seed} is outside 0..{MAX_SEED}")
        if self.newest_fraction is not None and not 0 <= self.newest_fraction <= 1:
            raise UserError(f"data.newest_fraction={self.newest_fraction} is outside [0, 1]")
        if self.workers is not None and self.workers < 0:
            raise UserError(f"data.workers={self.workers} is negative; use null for one per core")

    def exploration(self) -> ExplorationConfig:
        """How the first episodes, the expert's, are disturbed."""
        return ExplorationConfig(dict(self.mixture), list(self.strengths), self.correlation, self.block)

    def round_exploration(self) -> ExplorationConfig:
        """How the planner's own episodes are disturbed."""
        return ExplorationConfig({"noisy_policy": 1.0}, list(self.round_strengths), self.correlation, self.block)

    def split(self) -> SplitConfig:
        """Which episodes are held out; the same for every data seed, since each episode's own seed decides."""
        return SplitConfig(self.validation_fraction, self.test_fraction)

    def recipe(self, number: int = 0) -> dict[str, Any]:
        """All that decides round `number`, in JSON's terms and no more, so that other settings rebuild nothing."""
        exploration = self.exploration() if number == 0 else self.round_exploration()
        return {"round": number, "seeds": self.seeds(number), "exploration": asdict(exploration)}

    def seeds(self, number: int = 0) -> list[int]:
        """The episode seeds of round `number` (0: the first collection); no two rounds or data seeds share one."""
        count = self.episodes if number == 0 else self.round_episodes
        start = (self.seed * ROUNDS_PER_SEED + number) * EPISODES_PER_ROUND
        return list(range(start, start + count))
