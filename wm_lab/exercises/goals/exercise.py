"""Can it go where it is shown? Planning to goals from held-out episodes, as DINO-WM, LeWM and their successors do it.

Arms: planning by the distance to the goal (`mpc`), with a value beyond the horizon where one was asked for (`value`), a
goal-conditioned clone of the same data (`gcbc`), the true dynamics on the true cost (`simulator`), the expert, and the
floors without which a number means nothing: straight at the goal, random, do-nothing. All of them play the same starts
and goals. Success is the task's own test at any step of the budget; "still there" is the same in its last step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wm_lab.domains import Amount, Several
from wm_lab.errors import UserError
from wm_lab.evaluation.comparison import compare_pairs, success_rows
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import planning_verdict
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.experiment.arms import (
    ORACLE,
    SIMULATOR,
    VALUED,
    Arm,
    CloneArm,
    Dynamics,
    PlanningArm,
    scripted_arms,
    straight_arm,
)
from wm_lab.experiment.checks import require_way_back
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.evaluations import Play, play_all
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.goal_protocol import FrozenGoals, Protocol, freeze_goals
from wm_lab.experiment.model_facts import model_facts
from wm_lab.experiment.planning_policy import truth
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.side_by_side import train_models
from wm_lab.reports.plots import success_bars, success_latency
from wm_lab.reports.tables import difference_table, success_table
from wm_lab.tasks.task import Task, TaskSpec

GCBC, STRAIGHT = "gcbc", "straight"

RIVALS = [("mpc", GCBC), (VALUED, GCBC), ("mpc", STRAIGHT), (VALUED, STRAIGHT), (VALUED, "mpc"), (GCBC, STRAIGHT)]
"""Who is held against whom; the first two speak first."""

FLOORS = [("mpc", "random"), ("mpc", ORACLE)]


@dataclass
class GoalsConfig:
    protocol: str | None = None
    """Steps between a start and its goal, and steps to get there; any/100: any start and any goal; null: the peers'
    25/50 where episodes are that long, or else half an episode and a whole one."""
    episodes: Several = 200  # starts with their goals
    oracle_episodes: Amount = 50  # of them, the first ones, for planning in the true simulator; 0: none
    play_on: Amount | None = None  # steps played after the first success; null: the whole budget
    clone: bool = True  # train and play the goal-conditioned clone

    def __post_init__(self) -> None:
        if self.protocol is not None:
            Protocol.read(self.protocol)
        if self.oracle_episodes == 1:
            raise UserError(
                f"exercise.oracle_episodes={self.oracle_episodes} is too few for an interval; play at least 2, or 0"
            )


class GoalsExercise(Exercise):
    Config = GoalsConfig

    def __init__(self, config: GoalsConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        return frozenset({"behaviour"})

    def check(self, experiment: Experiment) -> None:
        settings, task = experiment.settings, experiment.task
        experiment.require_playable("exercise=goals")
        experiment.require_nominal("exercise=goals")
        require_way_back(task, "exercise=goals", "choose exercise=planning")
        if not task.task_spec.success_test:
            raise UserError(f"exercise=goals counts success, and {task.task_spec.name} only pays; choose another task")
        if not settings.objective["goal_distance"]:
            raise UserError(
                "exercise=goals plans towards what a goal looks like, and objective.goal_distance=0 does not look at "
                "it; choose objective=goal"
            )
        self._protocol(task.task_spec).check(task)
        experiment.dry_run.plan()

    def run(self, experiment: Experiment) -> Answer:
        config, settings, protocol = self.config, experiment.settings, self._protocol(experiment.task_spec)
        frozen = freeze_goals(experiment.tools, experiment.data, protocol, config.episodes)
        few = frozen.manifest.first(min(config.oracle_episodes, config.episodes))
        experiment.tools.worlds[few.hash] = frozen.world
        train_models(experiment)
        plays = [
            Play(each.evaluations, arm, few if arm.slow else frozen.manifest, config.play_on)
            for each in experiment.trainings
            for arm in self._arms(each)
        ]
        arms: dict[str, list[Outcomes]] = {}
        made: dict[str, Arm] = {}
        for play, outcomes in zip(plays, play_all(plays), strict=True):
            arms.setdefault(play.arm.name, []).append(outcomes)
            made.setdefault(play.arm.name, play.arm)
        answer = _answer(experiment, frozen, protocol, arms)
        if settings.media:
            for arm in made.values():
                manifest = few if arm.slow else frozen.manifest
                answer.clips += experiment.evaluations.clips(arm, manifest, config.play_on)
        return answer

    def _protocol(self, task_spec: TaskSpec) -> Protocol:
        asked = self.config.protocol
        return Protocol.fitting(task_spec.episode_steps) if asked is None else Protocol.read(asked)

    def _arms(self, experiment: Experiment) -> Iterator[Arm]:
        """Every arm of one training; with the first come those that learn nothing and are played once."""
        settings, task, first = experiment.settings, experiment.task, experiment.tools.training == 0
        if first:
            yield from (arm for arm in scripted_arms() if arm.name != "expert" or task.has_expert)
            if _has_straight_line(task):
                yield straight_arm()
        if self.config.clone:
            yield CloneArm(GCBC, settings, experiment.models.goal_clone())
        model: Dynamics = SIMULATOR if is_simulator(settings) else experiment.models.world_model()
        planned = PlanningArm("mpc", settings, model)
        yield planned
        if (value := experiment.models.value()) is not None:
            yield replace(planned, name=VALUED, value=value)
        if first and self.config.oracle_episodes:
            yield PlanningArm(ORACLE, settings.with_objective(truth(task)), SIMULATOR).slowly()


def _answer(experiment: Experiment, frozen: FrozenGoals, protocol: Protocol, arms: dict[str, list[Outcomes]]) -> Answer:
    task, counts, n = experiment.task_spec.name, frozen.counts, len(frozen.manifest)
    rows = success_rows({task: arms})
    pairs = compare_pairs(arms, [*RIVALS, *FLOORS])
    rivals = [replace(pair, name=task) for pair in pairs if (pair.a, pair.b) in RIVALS]
    apart = "any two moments" if protocol.offset is None else f"{protocol.offset} steps apart"
    told = (
        f"{n} starts and goals, {apart} in {_episodes(counts.episodes)} that nobody learned from, {protocol.budget} "
        f"steps to get there; {counts.solved} draws had arrived already and were left out."
    )
    numbers = {
        "manifest": frozen.manifest.hash,
        "protocol": str(protocol),
        "left_out": counts.solved,
        "rows": plain(rows),
        "differences": plain(pairs),
    }
    tables = [success_table(rows, f"Goals {protocol}"), *([difference_table(pairs)] if pairs else [])]
    figures = {"success": success_bars(rows), "success_latency": success_latency(rows)}
    verdicts = [planning_verdict([pair], kind="") for pair in rivals]
    return Answer([*verdicts, told], numbers, tables, figures, arms, model=model_facts(experiment))


def _episodes(count: int) -> str:
    return f"{count} episode{'s' * (count > 1)}"


def _has_straight_line(task: Task) -> bool:
    try:
        task.straight_line()
    except LookupError:
        return False
    return True
