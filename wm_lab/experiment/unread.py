"""Choices that an exercise would make nothing of: refused before any work, or told, lest they seem to count."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from wm_lab.data.config import DataConfig
from wm_lab.errors import UserError
from wm_lab.experiment.arms import ACTOR, PLANNED_ACTOR
from wm_lab.experiment.chosen import learns_inside, values_ahead
from wm_lab.experiment.run_settings import Settings

log = logging.getLogger(__name__)

PLANS = frozenset({"planner", "mpc", "objective"})
"""What only somebody who plans reads."""

CLONES = frozenset({"bc", "cloning"})
"""What only somebody who clones reads."""

WHY = {
    "planner": "searches for actions, and {exercise} has nobody plan",
    "mpc": "is how plans are played, and {exercise} has nobody plan",
    "objective": "is what plans are judged by, and {exercise} has nobody plan",
    "bc": "is how actions are cloned, and {exercise} clones nobody",
    "cloning": "is how a clone is chosen, and {exercise} clones nobody",
}


def require_read(
    settings: Settings, data: DataConfig, exercise: str, unread: Collection[str], typed: Iterable[str] = ()
) -> None:
    """Raise UserError where something was chosen that nobody of this exercise, and no collector of rounds, looks at.

    Of words that several questions may have in common it is only told that they change nothing.

    exercise: as it is typed, `exercise=latent`
    unread: what the exercise makes nothing of: `behaviour`, `value`, `evaluation.offset`, names of PLANS and CLONES
    typed: the words of the command line. Every run has a planner and a clone, so what PLANS and CLONES name counts only
        if it was asked for
    """
    collector = data.collector if data.rounds else None
    if "behaviour" in unread and learns_inside(settings) and collector not in (ACTOR, PLANNED_ACTOR):
        raise UserError(
            f"behaviour={settings.label('behaviour')} learns to act, and {exercise} plays nobody who did; choose "
            "behaviour=none, or exercise=planning"
        )
    if "value" in unread and values_ahead(settings) and collector in (None, ACTOR):
        raise UserError(
            f"value={settings.label('value')} is for planning beyond a horizon, and {exercise} has nobody plan "
            "with it; choose value=none, or exercise=planning"
        )
    if "evaluation.offset" in unread and (offset := settings.evaluation["offset"]):
        raise UserError(
            f"evaluation.offset={offset} passes over frozen episodes, and {exercise} looks at none of them; set "
            "evaluation.offset=0, or choose exercise=planning"
        )
    idle = set(unread) & (PLANS | CLONES)
    if collector not in (None, ACTOR):
        idle -= PLANS
    if data.advised:
        idle -= CLONES
    for word in typed:
        name = word.lstrip("+").partition("=")[0].rpartition("@")[2]  # policy@bc=vla chooses bc
        section = name.partition(".")[0]
        if section in idle:
            log.warning("%s %s; it changes nothing", word, WHY[section].format(exercise=exercise))
