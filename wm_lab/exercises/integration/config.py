"""What the exercise of joining a world model with a policy may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from wm_lab.domains import Amount, Domain, Few, Several, Share
from wm_lab.errors import UserError, unknown
from wm_lab.exercises.integration.answer import (
    AUGMENTED,
    BC,
    DECODER,
    DECODER_PLAIN,
    FINAL,
    GENERATED,
    MPC,
    ORACLE_SUBGOAL,
    RETRIEVED,
    SEARCHED,
    SHUFFLED,
    VIDEO,
)
from wm_lab.exercises.integration.subgoal_trainings import DECODER as DECODER_CHOICE
from wm_lab.experiment.arms import ORACLE
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.selection_answer import SELECTED, Validation
from wm_lab.policies.imagined_subgoals import ImaginedConfig
from wm_lab.policies.subgoals import HoldConfig
from wm_lab.settings import TARGET, complete, require_section

IMAGINED = (SEARCHED, GENERATED)
EXECUTED = (*IMAGINED, ORACLE_SUBGOAL, RETRIEVED, SHUFFLED)
"""Arms of the executor of sub-goals; those that are imagined need a head, too."""

DECODERS = (DECODER, DECODER_PLAIN, VIDEO)
"""Arms of option C, which need a model that is a policy too."""

ARMS = (
    *(BC, MPC, LOCAL, SELECTED, SEARCHED, GENERATED, AUGMENTED, *DECODERS),
    *(ORACLE_SUBGOAL, RETRIEVED, FINAL, SHUFFLED, ORACLE),
)


DECODER_ONLY = "wm_lab.models.decoder_only.DecoderOnly"

SyntheticRatio = Annotated[float, Domain(least=1, most=1e6)]


@dataclass
class IntegrationConfig:
    arms: list[str] = field(default_factory=lambda: list(ARMS))  # "bc" is always among them
    episodes: Several = 100  # of the frozen manifest that every arm plays
    oracle_episodes: Amount = 10  # of them, the first ones, for planning in the true simulator; 0: none
    play_on: Amount | None = 5  # steps played after the first success
    validation_episodes: Amount = 24
    """Episodes of their own that the clone and local planning, near and far, play before the test: whoever solves most
    of them is the arm `selected`. 0: refused where exercise.arms has it."""
    validation_rounds: Few = 4  # at most so many times, while it is in doubt who solves most
    subgoals: HoldConfig = field(default_factory=HoldConfig)  # how far ahead they lie, and how long they hold
    collection: bool = True  # executors also learn from what the world model learns from, half of each batch
    imagined_goals: Share = 0.0  # of the goals that the executor of sub-goals learns from, as the world model has them
    synthetic_ratio: SyntheticRatio = 3.0  # imagined actions of option B, as a multiple of the demonstrated ones
    decoder: Any = None
    """Options of option C's model, which acts itself: model@exercise.decoder=...; null: decoder_only"""
    imagined: ImaginedConfig = field(default_factory=ImaginedConfig)  # how those of option A are chosen

    def __post_init__(self) -> None:
        for name in self.arms:
            if name not in ARMS:
                raise unknown("exercise.arms", name, ARMS)
        if SELECTED in self.arms and not self.validation_episodes:
            raise UserError(
                f"the arm {SELECTED} is chosen by validation episodes, and exercise.validation_episodes=0 plays none; "
                f"set it to 24, say, or leave {SELECTED} out of exercise.arms"
            )
        if ORACLE in self.arms and not self.oracle_episodes and self.arms != list(ARMS):
            raise UserError(
                f"the arm {ORACLE} plays exercise.oracle_episodes, which is 0; set it to 10, say, or leave the arm out "
                "of exercise.arms"
            )
        if self.oracle_episodes == 1:
            raise UserError(
                f"exercise.oracle_episodes={self.oracle_episodes} is too few for an interval; play at least 2, or 0"
            )

    @property
    def validation(self) -> Validation | None:
        """How the arm `selected` is found; None where there is none."""
        if SELECTED not in self.arms:
            return None
        return Validation(self.validation_episodes, self.validation_rounds, self.play_on, local=True, advised=False)

    @property
    def imagines_goals(self) -> bool:
        """Whether an executor of sub-goals learns from goals that the world model imagines."""
        return self.imagined_goals > 0 and bool(set(EXECUTED) & set(self.arms))

    @property
    def decoder_section(self) -> Section:
        """Option C's model with every option of it."""
        if self.decoder is not None:
            require_section(self.decoder, DECODER_CHOICE)
        return complete(self.decoder or {TARGET: DECODER_ONLY}, DECODER_CHOICE)
