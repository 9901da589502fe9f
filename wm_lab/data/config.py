"""What a user may choose about data: how much, by which behaviours, in how many rounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.splits import SplitConfig
from wm_lab.domains import Amount, Domain, Processes, Seed, Share, ShareBelowOne, Spread, Steps, Weight
from wm_lab.errors import UserError, unknown

EPISODES_PER_ROUND = 50_000
ROUNDS_PER_SEED = 16
LAST_ROOM = ROUNDS_PER_SEED - 1
MOST_ROUNDS = 200
FEW = EPISODES_PER_ROUND // (MOST_ROUNDS + 1 - LAST_ROOM)
"""Episodes a round at most where there are more than `LAST_ROOM` rounds: the others share the room of that one."""

COLLECTORS = ("mpc", "actor", "mpc_actor")

Rounds = Annotated[int, Domain(least=0, most=MOST_ROUNDS)]
Episodes = Annotated[int, Domain(least=1, most=EPISODES_PER_ROUND)]
EPISODE_SEEDS = 2**30
"""Every episode's seed is below: from there on they are for evaluation, whose starts no model may train on."""

BLOCK = EPISODES_PER_ROUND * ROUNDS_PER_SEED
"""Episode seeds that one data seed may use."""

BLOCKS = EPISODE_SEEDS // BLOCK
"""Data seeds below this have a block each, from the near end; demonstrations have theirs from the far end."""


@dataclass
class DataConfig:
    """A dataset: episodes of the scripted expert under a mix of behaviours, then rounds of a planner's own episodes.

    Or one that was recorded elsewhere: with `path`, only the split is still to be chosen.
    """

    path: str | None = None  # of a dataset to train on; None: collect one
    demonstrated: str | None = None  # a recording whose solved episodes get cloned; None: the expert's demonstrations
    episodes: Episodes = 400  # collected first
    mixture: dict[str, Weight] = field(
        default_factory=lambda: {"noisy_expert": 0.5, "random": 0.2, "perturb_recover": 0.3}
    )
    """How often each behaviour is played, in proportion; random is noise alone, without an expert. Those that are not
    named keep their share: data.mixture.noisy_expert=0 leaves one out."""
    strengths: list[Spread] = field(default_factory=lambda: [0.1, 0.3, 0.5])  # noise std, one drawn per episode
    correlation: ShareBelowOne = 0.8  # of the noise in neighbouring control steps
    block: Steps = 12  # steps between changes of hands in "perturb_recover"
    stop_after_success: Amount | None = None
    """Further steps of a collected episode after its first success; null: episodes go on to the task's limit."""

    rounds: Rounds = 0  # how often the planner itself collects and the model learns on
    round_episodes: Episodes = 80  # collected in each round
    advised: bool = False
    """Rounds are collected by a clone of the demonstrations or by planning around what it proposes: the first by the
    clone, each further one by whoever did better in `handover_episodes`."""
    handover_episodes: Amount = 24
    """Validation episodes that both play before every advised round but the first; 0: planning collects, untried."""
    collector: str = "mpc"
    """Who collects the rounds with the model so far: mpc, or what has learnt in its dreams (actor, mpc_actor)."""
    round_strengths: list[Spread] = field(default_factory=lambda: [0.1, 0.2, 0.4])
    """Noise std of the planner's own episodes, one drawn per episode."""
    newest_fraction: Share | None = 0.5  # of each training batch, from the newest round; None: in proportion to size
    restandardise: bool = False
    """After each round the model sees by the statistics of all data so far, not of the first ones: where these were
    random, what is worth learning lies far outside of them."""

    validation_fraction: ShareBelowOne = 0.1  # of the episodes
    test_fraction: ShareBelowOne = 0.0  # of the episodes, to judge by; 0: the validation episodes judge too
    seed: Seed = 0  # of the episodes; another one collects others
    workers: Processes | None = None  # processes that collect; None: one per core. Never changes the data

    def __post_init__(self) -> None:
        if self.path is not None:
            self.path = str(Path(self.path).expanduser())
        if self.demonstrated is not None:
            self.demonstrated = str(Path(self.demonstrated).expanduser())
        self.exploration()
        self.round_exploration()
        self.split()
        if self.path is not None and self.rounds:
            raise UserError(f"data.rounds={self.rounds} would add to the recording {self.path}; set data.rounds=0")
        if self.collector not in COLLECTORS:
            raise unknown("data.collector", self.collector, COLLECTORS)
        if self.advised and self.collector != COLLECTORS[0]:
            raise UserError(
                f"data.advised=true lets a clone and planning around it collect, and data.collector={self.collector} "
                "somebody else; keep one of them"
            )
        if self.rounds > LAST_ROOM and self.round_episodes > FEW:
            raise UserError(
                f"data.rounds={self.rounds} leaves room for {FEW} episodes a round, and data.round_episodes="
                f"{self.round_episodes}; lower one of them"
            )
        if self.advised and not self.rounds:
            raise UserError(
                "data.advised=true advises the planner that collects rounds, and data.rounds=0 collects none; "
                "set data.rounds, or data.advised=false"
            )

    def exploration(self) -> ExplorationConfig:
        """How the first episodes, the expert's, are disturbed."""
        return ExplorationConfig(dict(self.mixture), list(self.strengths), self.correlation, self.block)

    def round_exploration(self) -> ExplorationConfig:
        """How the planner's own episodes are disturbed."""
        return ExplorationConfig({"noisy_policy": 1.0}, list(self.round_strengths), self.correlation, self.block)

    def split(self) -> SplitConfig:
        """Which episodes are held out; the same for every data seed, since each episode's own seed decides, or, of a
        recording, what was recorded."""
        return SplitConfig(self.validation_fraction, self.test_fraction)

    def recipe(self, number: int = 0) -> dict[str, Any]:
        """All that decides round `number`, in JSON's terms and no more, so that other settings rebuild nothing."""
        exploration = self.exploration() if number == 0 else self.round_exploration()
        return {"round": number, "seeds": self.seeds(number), "exploration": asdict(exploration)}

    def seeds(self, number: int = 0) -> list[int]:
        """The episode seeds of round `number` (0: the first collection); no two rounds share one.

        Nor do two data seeds below `BLOCKS`. From there on blocks are scattered, and two data seeds share episodes with
        a probability of about 2 n / 2^29 where each has n of them: one in a million for 300.
        """
        count = self.episodes if number == 0 else self.round_episodes
        block = self.seed * BLOCK if self.seed < BLOCKS else self._scattered(0)
        start = block + min(number, LAST_ROOM) * EPISODES_PER_ROUND + max(0, number - LAST_ROOM) * FEW
        return list(range(start, start + count))

    def demonstration_seeds(self, count: int) -> list[int]:
        """The episode seeds of so many demonstrations, of which no round of this data seed has any."""
        start = (BLOCKS - 1 - self.seed) * BLOCK if self.seed < BLOCKS else self._scattered(1)
        return list(range(start, start + count))

    def _scattered(self, half: int) -> int:
        """Where a block begins that lies anywhere in the near (0) or the far (1) half of all episode seeds."""
        room = EPISODE_SEEDS // 2 - BLOCK
        drawn = np.random.SeedSequence([self.seed, half]).generate_state(1, np.uint64)[0]
        return half * (EPISODE_SEEDS // 2) + int(drawn) % room
