"""Whether the scripted experts can do their own tasks, on held-out seeds."""

from __future__ import annotations

from functools import partial

from measure import Row

from wm_lab.data.rollout import PlayConfig, play
from wm_lab.evaluation.manifest import SPLITS
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand_goals import GOALS

EPISODES = 50
LEAST_SUCCESS = 0.94


def run() -> list[Row]:
    rows = []
    seeds = list(SPLITS["test"][:EPISODES])
    for goal in GOALS:
        config = PlayConfig(stop_after_success=0, group=5)
        episodes = play(partial(HandTask, HandConfig(goal=goal)), ExpertPolicy, seeds, config, workers=None)
        solved = sum(episode.solved for episode in episodes) / len(episodes)
        rows.append(
            Row(f"expert of hand/{goal}, success on {EPISODES} held-out seeds", solved, "", LEAST_SUCCESS, least=True)
        )
    return rows
