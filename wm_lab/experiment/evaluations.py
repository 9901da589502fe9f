"""The played episodes of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from wm_lab.data.rollout import PlayConfig, play
from wm_lab.evaluation.json_files import plain, read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.scoring import decision_milliseconds, outcomes_of
from wm_lab.experiment.tools import Tools, identity
from wm_lab.tracking.progress import progress

OUTCOMES = "outcomes.json"
STARTS = "starts.json"


class Evaluations:
    """Plays each arm at most once."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def play(self, arm: Arm, manifest: Manifest, play_on: int | None) -> Outcomes:
        """Play every episode of the manifest, in the world that its specification describes, and time single decisions.

        play_on: steps that an episode goes on after its first success; None: to the task's limit. "Success at the end"
            is success in the last step played, and the return is what was paid up to there.
        """
        tools, policy = self._tools, arm.recipe()
        make = tools.make_task if manifest.card == plain(tools.task_spec) else tools.make_evaluated
        recipe = {
            "name": f"{policy['policy']}-{tools.task_spec.name}",
            "policy": policy,
            "manifest": manifest.to_dict(),
            "task": identity(tools.settings.task),
            "group": arm.group,
            "play_on": play_on,
        }

        def work(folder: Path) -> None:
            config = PlayConfig(stop_after_success=play_on, steps=manifest.step_budget, group=arm.group)
            with progress(f"play {arm.name}", len(manifest)) as bar, tools.clock(f"play {arm.name}"):
                episodes = play(make, arm.build, manifest.seeds, config, workers=tools.workers, advance=tally(bar))
            latency = decision_milliseconds(make, arm.build, manifest.seeds[0], tools.workers)
            outcomes_of(arm.name, manifest, episodes, tools.settings.seed, latency).save(folder / OUTCOMES)

        found = Outcomes.load(tools.keep(f"outcomes of {arm.name}", "outcomes", recipe, work) / OUTCOMES)
        # The same play may go by several names, and what learns nothing is played once for all seeds.
        return replace(found, arm=arm.name, seed=tools.settings.seed)

    def redrawn_starts(self, manifest: Manifest) -> int:
        """How many episodes of the manifest would have begun solved, so that another start was drawn in their place."""
        tools = self._tools

        def work(folder: Path) -> None:
            redrawn = [tools.evaluated.reset(seed=seed)[1].get("redrawn", 0) for seed in manifest.seeds]
            write_json(folder / STARTS, {"redrawn": int(np.count_nonzero(redrawn))})

        recipe = {"name": tools.task_spec.name, "manifest": manifest.to_dict(), "task": identity(tools.settings.task)}
        count: int = read_json(tools.keep("starts", "starts", recipe, work) / STARTS, "count of starts")["redrawn"]
        return count
