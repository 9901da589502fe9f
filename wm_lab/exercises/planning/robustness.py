"""Does an arm survive a nudge? The same frozen episodes again, two steps of each disturbed in one group of actions.

A clone whose expert never tilted the hand may be lost after the slightest tilt, and a search that it advises tilts the
hand in most of its candidates. How a nudge of the position, of the orientation or of the fingers is borne shows what
breaks; the expert under the same nudges shows what can be borne at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from wm_lab.evaluation.against_clone import CLONE
from wm_lab.evaluation.nudges import nudged_name
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm, PlanningArm
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import LOCAL, LOCAL_VALUED
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.selection_answer import SELECTED
from wm_lab.policies.nudged import Nudge, Nudged
from wm_lab.policy import Policy

ARMS = ("expert", CLONE, SELECTED, LOCAL, "value", LOCAL_VALUED, "mpc")
"""Who is nudged, where it plays."""

EPISODES = 50
"""The first of the test, which is enough to see what breaks."""

PHASE = 0.75
"""Of the expert's median way, within which the nudge comes: most arms have not finished by then."""

WITHOUT_EXPERT = 0.25
"""Of the step budget, within which it comes where nobody shows how long the way is."""


@dataclass(frozen=True)
class NudgedArm(Arm):
    """Another arm, disturbed. Its plans are not played out: only success is asked for."""

    arm: Arm
    nudge: Nudge

    def recipe(self) -> Section:
        return {**self.arm.recipe(), "nudge": {**asdict(self.nudge), "dimensions": list(self.nudge.dimensions)}}

    def build(self) -> Policy:
        policy = self.arm.build_bare() if isinstance(self.arm, PlanningArm) else self.arm.build()
        return Nudged(policy, self.nudge)


def play_nudged(
    experiment: Experiment,
    arms: Mapping[str, Sequence[Arm]],
    played: Mapping[str, Sequence[Outcomes]],
    play_on: int | None,
) -> dict[str, list[Outcomes]]:
    """Every arm of `ARMS` under a nudge of every group of action dimensions, in each training.

    arms: those of the test, by name, one a training
    played: what they did there undisturbed
    """
    plays: list[Play] = []
    within = _within(played)
    for name in (name for name in ARMS if name in arms):
        manifest = played[name][0].manifest
        starts = manifest.first(min(EPISODES, len(manifest)))
        for group, dimensions in experiment.task.action_groups.items():
            called, nudge = nudged_name(name, group), Nudge(dimensions, within)
            plays += [
                Play(each.evaluations, NudgedArm(called, arm, nudge, group=arm.group), starts, play_on)
                for each, arm in zip(experiment.trainings, arms[name], strict=False)
            ]
    found: dict[str, list[Outcomes]] = {}
    for play, outcomes in zip(plays, play_all(plays), strict=True):
        found.setdefault(play.arm.name, []).append(outcomes)
    return found


def _within(played: Mapping[str, Sequence[Outcomes]]) -> int:
    """Steps within which the nudge comes, the same for all arms."""
    budget = next(iter(played.values()))[0].manifest.step_budget
    shown = played["expert"][0].first(EPISODES).steps_to_success if "expert" in played else np.array([])
    known = shown[np.isfinite(shown)]
    steps = PHASE * float(np.median(known)) if len(known) else WITHOUT_EXPERT * budget
    return max(1, round(steps))
