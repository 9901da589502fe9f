"""The played episodes of a run.

Arms do not wait for one another: all that are asked for at once are played side by side, a group of episodes a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.rollout import Cast, PlayConfig, TaskFactory, play_side_by_side
from wm_lab.evaluation.json_files import plain, read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.filming import Cameraman, quoted, view_again
from wm_lab.experiment.scoring import decision_milliseconds, outcomes_of
from wm_lab.experiment.shown import Shown, choose
from wm_lab.experiment.shown import load as load_shown
from wm_lab.experiment.shown import save as save_shown
from wm_lab.experiment.tools import Tools, identity
from wm_lab.reports.moving import Clip, save_moving
from wm_lab.reports.words import EACH_ARM, PLANS
from wm_lab.tasks.overlay import RAYS
from wm_lab.tracking.progress import progress
from wm_lab.view.sequences import Viewed

OUTCOMES = "outcomes.json"
STARTS = "starts.json"


NAMED = 4
"""Arms that a line of progress names of those that play side by side, so that it stays a line."""

CLIPS = 1
"""Revision of how clips are drawn."""

SHORTEST, HZ = 90.0, 10.0
"""Milliseconds of a frame at least, for an eye to follow; control steps a second where nobody tells."""


class Evaluations:
    """Plays each arm at most once."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def play(self, arm: Arm, manifest: Manifest, play_on: int | None) -> Outcomes:
        """Play every episode of the manifest, in the world that its specification describes, and time single decisions.

        play_on: steps that an episode goes on after its first success; None: to the task's limit. "Success at the end"
            is success in the last step played, and the return is what was paid up to there.
        """
        (outcomes,) = play_all([Play(self, arm, manifest, play_on)])
        return outcomes

    def reserve(self, play: Play) -> bool:
        """Whether this play is to be done now; then no other process does it until it is kept, or given up."""
        return self.tools.store.reserve("outcomes", self._recipe(*play.asked))

    def give_up(self) -> None:
        """Let others do what is reserved."""
        self.tools.store.release()

    def cast(self, play: Play) -> Cast:
        """All that playing needs."""
        arm, manifest = play.arm, play.manifest
        config = PlayConfig(stop_after_success=play.play_on, steps=manifest.step_budget, group=arm.group)
        return Cast(self._world(manifest), arm.build, list(manifest.seeds), config)

    def keep(self, play: Play, episodes: Sequence[Episode], milliseconds: float) -> None:
        """Store what came of a play; `milliseconds` of a single decision."""
        self.tools.store.get(
            "outcomes", self._recipe(*play.asked), lambda folder: self._write(folder, play, episodes, milliseconds)
        )

    def found(self, play: Play) -> Outcomes:
        """What came of a play, which is in the store unless another process is at it, or left it undone."""
        tools, name = self.tools, play.arm.name

        def work(folder: Path) -> None:
            _play_now([play], partial(self._write, folder))

        folder = tools.keep(f"outcomes of {name}", "outcomes", self._recipe(*play.asked), work)
        # The same play may go by several names, and what learns nothing is played once for all seeds.
        return replace(Outcomes.load(folder / OUTCOMES), arm=name, seed=tools.settings.seed)

    def _write(self, folder: Path, play: Play, episodes: Sequence[Episode], milliseconds: float) -> None:
        save_shown(choose(episodes), folder)
        seed = self.tools.settings.seed
        outcomes_of(play.arm.name, play.manifest, episodes, seed, milliseconds).save(folder / OUTCOMES)

    def clips(self, arm: Arm, manifest: Manifest, play_on: int | None) -> list[Clip]:
        """Moving pictures of an arm that was played: of one episode that it solved, and of one that it did not.

        None of a task that draws no pictures, or where episodes do not repeat.
        """
        tools = self.tools
        if tools.evaluated.render_mode != "rgb_array" or not tools.evaluated.repeatable:
            return []
        recipe = self._recipe(arm, manifest, play_on)
        played = tools.store.path("outcomes", recipe)
        every = load_shown(played)

        def work(folder: Path) -> None:
            build = partial(Cameraman, self._world(manifest), arm, tools.settings.renderer)
            with progress(f"film {arm.name}", len(every)) as bar, tools.clock("clips"):
                films = tools.workers.map(
                    build,
                    every,
                    name=lambda shown: f"the episode with seed {shown.seed}",
                    done=lambda film: bar.advance(),
                )
            for shown, film in zip(every, films, strict=True):
                if film is not None:
                    pause = max(SHORTEST, 1000 * film.stride / (tools.task_spec.control_hz or HZ))
                    save_moving(film.frames, folder / shown.name, pause)

        made = {"name": recipe["name"], "outcomes": tools.store.key("outcomes", recipe), "revision": CLIPS}
        # Pictures say whose they are, and the same play may go by several names.
        made |= {"arm": arm.name} if arm.name != Outcomes.load(played / OUTCOMES).arm else {}
        said = {shown.name: quoted(tools.evaluated, shown) for shown in every}
        made |= {"said": said} if any(said.values()) else {}
        made |= {"subgoals": True} if any(shown.asked is not None for shown in every) else {}
        made |= {"renderer": tools.settings.renderer} if tools.settings.renderer != RAYS else {}
        folder = tools.store.get("clips", made, work)
        found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".webp", ".gif")}
        return [_clip(arm.name, shown, found[shown.name], said[shown.name]) for shown in every if shown.name in found]

    def viewed(self, arm: Arm, manifest: Manifest, play_on: int | None) -> list[Viewed]:
        """The same episodes for Rerun's viewer, with a picture of every step where the task draws any."""
        if not self.tools.evaluated.repeatable:
            return []
        folder, task = self.tools.store.path("outcomes", self._recipe(arm, manifest, play_on)), self._world(manifest)()
        task.renderer = self.tools.settings.renderer
        return [view_again(task, arm.name, shown) for shown in load_shown(folder)]

    def _world(self, manifest: Manifest) -> TaskFactory:
        """Makes the task that a manifest describes."""
        tools = self.tools
        if manifest.hash in tools.worlds:
            return tools.worlds[manifest.hash]
        return tools.make_task if manifest.card == plain(tools.task_spec) else tools.make_evaluated

    def _recipe(self, arm: Arm, manifest: Manifest, play_on: int | None) -> dict[str, Any]:
        policy = arm.recipe()
        return {
            "name": f"{policy['policy']}-{self.tools.task_spec.name}",
            "policy": policy,
            "manifest": manifest.to_dict(),
            "task": identity(self.tools.settings.task),
            "group": arm.group,
            "play_on": play_on,
        }

    def redrawn_starts(self, manifest: Manifest) -> int:
        """How many episodes of the manifest would have begun solved, so that another start was drawn in their place."""
        tools = self.tools

        def work(folder: Path) -> None:
            redrawn = [tools.evaluated.reset(seed=seed)[1].get("redrawn", 0) for seed in manifest.seeds]
            write_json(folder / STARTS, {"redrawn": int(np.count_nonzero(redrawn))})

        recipe = {"name": tools.task_spec.name, "manifest": manifest.to_dict(), "task": identity(tools.settings.task)}
        count: int = read_json(tools.keep("starts", "starts", recipe, work) / STARTS, "count of starts")["redrawn"]
        return count


class Play(NamedTuple):
    """An arm of one training that is to play a manifest; see `Evaluations.play`."""

    evaluations: Evaluations
    arm: Arm
    manifest: Manifest
    play_on: int | None
    timed: bool = True  # whether anybody is to know how long a decision takes

    @property
    def asked(self) -> tuple[Arm, Manifest, int | None]:
        return self.arm, self.manifest, self.play_on


def play_all(plays: Sequence[Play]) -> list[Outcomes]:
    """What came of these plays of one run; those that are not in the store yet are played side by side.

    What another process plays at this moment is left to it, and waited for.
    """
    try:
        if mine := [play for play in plays if play.evaluations.reserve(play)]:
            _play_now(mine, lambda play, *came: play.evaluations.keep(play, *came))
    finally:
        for play in plays:
            play.evaluations.give_up()
    return [play.evaluations.found(play) for play in plays]


def _play_now(plays: Sequence[Play], done: Callable[[Play, list[Episode], float], None]) -> None:
    """`done` hears what was played, and how many milliseconds a single decision took while nothing else was done."""
    plays = sorted(plays, key=lambda play: not play.arm.slow)  # what takes longest must not come last
    tools, casts = plays[0].evaluations.tools, [play.evaluations.cast(play) for play in plays]
    names = list(dict.fromkeys(play.arm.name for play in plays))
    named = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    title = f"play {named}" if len(plays) == 1 else f"play {len(plays)} side by side ({named})"
    with progress(title, sum(len(play.manifest) for play in plays)) as bar:
        alone = _milliseconds(plays, casts)

        def came(index: int, episodes: list[Episode], seconds: float) -> None:
            entry = f"play {plays[index].arm.name}"
            tools.seconds[entry] = tools.seconds.get(entry, 0.0) + seconds
            done(plays[index], episodes, alone[index])

        play_side_by_side(casts, workers=tools.workers, advance=tally(bar), done=came)


def _milliseconds(plays: Sequence[Play], casts: Sequence[Cast]) -> list[float]:
    """What a single decision of each takes while nothing else is done; NaN where nobody asks.

    Trainings of an arm differ in their weights alone, so the first speaks for all.
    """
    took: dict[str, float] = {}
    for play, cast in zip(plays, casts, strict=True):
        if play.timed and play.arm.effort not in took:
            workers = play.evaluations.tools.workers
            took[play.arm.effort] = decision_milliseconds(cast.task, cast.policy, cast.seeds[0], workers)
    return [took[play.arm.effort] if play.timed else np.nan for play in plays]


def _clip(arm: str, shown: Shown, path: Path, said: str) -> Clip:
    steps = len(shown.action) - 1
    told = f"solved in {int(np.argmax(shown.success))} steps" if shown.solved else f"not solved in {steps} steps"
    lines = "; the lines are the plan as it was imagined" if len(shown.plans) else ""
    ghost = "" if shown.asked is None else "; translucent: its sub-goal"
    alt = f"The robot, led by {arm}, in the episode with seed {shown.seed}: {told}{lines}{ghost}. {said}".strip()
    caption = f"{arm}: {told} (seed {shown.seed}){ghost} {said}".strip()
    return Clip(f"{arm} {shown.name}", path, caption, alt, (EACH_ARM, PLANS) if len(shown.plans) else (EACH_ARM,))
