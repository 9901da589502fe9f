"""The played episodes of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.rollout import PlayConfig, TaskFactory, play
from wm_lab.evaluation.json_files import plain, read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.filming import Cameraman, view_again
from wm_lab.experiment.scoring import decision_milliseconds, outcomes_of
from wm_lab.experiment.shown import Shown, choose
from wm_lab.experiment.shown import load as load_shown
from wm_lab.experiment.shown import save as save_shown
from wm_lab.experiment.tools import Tools, identity
from wm_lab.reports.moving import Clip, save_moving
from wm_lab.tracking.progress import progress
from wm_lab.view.sequences import Viewed

OUTCOMES = "outcomes.json"
STARTS = "starts.json"


CLIPS = 1
"""Revision of how clips are drawn."""

SHORTEST, HZ = 90.0, 10.0
"""Milliseconds of a frame at least, for an eye to follow; control steps a second where nobody tells."""


class Evaluations:
    """Plays each arm at most once."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def play(self, arm: Arm, manifest: Manifest, play_on: int | None) -> Outcomes:
        """Play every episode of the manifest, in the world that its specification describes, and time single decisions.

        play_on: steps that an episode goes on after its first success; None: to the task's limit. "Success at the end"
            is success in the last step played, and the return is what was paid up to there.
        """
        tools, make, recipe = self._tools, self._world(manifest), self._recipe(arm, manifest, play_on)

        def work(folder: Path) -> None:
            config = PlayConfig(stop_after_success=play_on, steps=manifest.step_budget, group=arm.group)
            with progress(f"play {arm.name}", len(manifest)) as bar, tools.clock(f"play {arm.name}"):
                episodes = play(make, arm.build, manifest.seeds, config, workers=tools.workers, advance=tally(bar))
            latency = decision_milliseconds(make, arm.build, manifest.seeds[0], tools.workers)
            save_shown(choose(episodes), folder)
            outcomes_of(arm.name, manifest, episodes, tools.settings.seed, latency).save(folder / OUTCOMES)

        found = Outcomes.load(tools.keep(f"outcomes of {arm.name}", "outcomes", recipe, work) / OUTCOMES)
        # The same play may go by several names, and what learns nothing is played once for all seeds.
        return replace(found, arm=arm.name, seed=tools.settings.seed)

    def clips(self, arm: Arm, manifest: Manifest, play_on: int | None) -> list[Clip]:
        """Moving pictures of an arm that was played: of one episode that it solved, and of one that it did not.

        None of a task that draws no pictures, or where episodes do not repeat.
        """
        tools = self._tools
        if tools.evaluated.render_mode != "rgb_array" or not tools.evaluated.repeatable:
            return []
        recipe = self._recipe(arm, manifest, play_on)
        every = load_shown(tools.store.path("outcomes", recipe))

        def work(folder: Path) -> None:
            build = partial(Cameraman, self._world(manifest), arm)
            with tools.clock("clips"):
                films = tools.workers.map(build, every, name=lambda shown: f"the episode with seed {shown.seed}")
            for shown, film in zip(every, films, strict=True):
                if film is not None:
                    pause = max(SHORTEST, 1000 * film.stride / (tools.task_spec.control_hz or HZ))
                    save_moving(film.frames, folder / shown.name, pause)

        made = {"name": recipe["name"], "outcomes": tools.store.key("outcomes", recipe), "revision": CLIPS}
        folder = tools.store.get("clips", made, work)
        found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".webp", ".gif")}
        return [_clip(arm.name, shown, found[shown.name]) for shown in every if shown.name in found]

    def viewed(self, arm: Arm, manifest: Manifest, play_on: int | None) -> list[Viewed]:
        """The same episodes for Rerun's viewer, with a picture of every step where the task draws any."""
        if not self._tools.evaluated.repeatable:
            return []
        folder, task = self._tools.store.path("outcomes", self._recipe(arm, manifest, play_on)), self._world(manifest)()
        return [view_again(task, arm.name, shown) for shown in load_shown(folder)]

    def _world(self, manifest: Manifest) -> TaskFactory:
        """Makes the task that a manifest describes."""
        tools = self._tools
        if manifest.hash in tools.worlds:
            return tools.worlds[manifest.hash]
        return tools.make_task if manifest.card == plain(tools.task_spec) else tools.make_evaluated

    def _recipe(self, arm: Arm, manifest: Manifest, play_on: int | None) -> dict[str, Any]:
        policy = arm.recipe()
        return {
            "name": f"{policy['policy']}-{self._tools.task_spec.name}",
            "policy": policy,
            "manifest": manifest.to_dict(),
            "task": identity(self._tools.settings.task),
            "group": arm.group,
            "play_on": play_on,
        }

    def redrawn_starts(self, manifest: Manifest) -> int:
        """How many episodes of the manifest would have begun solved, so that another start was drawn in their place."""
        tools = self._tools

        def work(folder: Path) -> None:
            redrawn = [tools.evaluated.reset(seed=seed)[1].get("redrawn", 0) for seed in manifest.seeds]
            write_json(folder / STARTS, {"redrawn": int(np.count_nonzero(redrawn))})

        recipe = {"name": tools.task_spec.name, "manifest": manifest.to_dict(), "task": identity(tools.settings.task)}
        count: int = read_json(tools.keep("starts", "starts", recipe, work) / STARTS, "count of starts")["redrawn"]
        return count


def _clip(arm: str, shown: Shown, path: Path) -> Clip:
    steps = len(shown.action) - 1
    told = f"solved in {int(np.argmax(shown.success))} steps" if shown.solved else f"not solved in {steps} steps"
    lines = "; the lines are the plan as it was imagined" if len(shown.plans) else ""
    alt = f"The robot, led by {arm}, in the episode with seed {shown.seed}: {told}{lines}."
    return Clip(f"{arm} {shown.name}", path, f"{arm}: {told} (seed {shown.seed})", alt)
