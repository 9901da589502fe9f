"""What a player writes down while a group of episodes runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError, unknown
from wm_lab.policy import GOAL, Moment, Policy
from wm_lab.tasks.task import Task

SNAPSHOT = "snapshot"
"""The key of what brings the simulator back: shown to whoever asks, and not kept, for some hold their whole past."""


class GroupRecord:
    """Everything that happens to R episodes played side by side, in arrays `[steps + 1, R, ...]`.

    Time leads, so that what the policy sees of all rows at one step is a view and costs no copy.
    `playing` lists the rows still running; `stop_after_success` further steps are played after a first success.
    """

    def __init__(
        self, tasks: Sequence[Task], seeds: Sequence[int], policy: Policy, steps: int, stop_after_success: int | None
    ) -> None:
        task_spec, rows = tasks[0].task_spec, len(seeds)
        self.playing = list(range(rows))
        self._tasks, self._seeds, self._policy = tasks, seeds, policy
        self._steps, self._stop_after_success = steps, stop_after_success
        self._rows = np.arange(rows)
        self._stop_at = [steps] * rows
        self._length = [0] * rows

        self._offered = tuple(task_spec.observation)
        self._seen = policy.observation_keys
        known = dict.fromkeys((*self._offered, "state", SNAPSHOT))
        for key in self._seen:
            if key not in known and key.removeprefix(GOAL) not in (*self._offered, "state"):
                raise unknown(f"observation of {task_spec.name} (wanted by {type(policy).__name__})", key, known)
        wanted = dict.fromkeys(("state", *self._seen))
        self._read_from_simulator = tuple(key for key in wanted if key in known and key not in self._offered)

        self._observation: dict[str, np.ndarray] = {}  # made when the first observation has told the shapes
        self._goals: dict[str, np.ndarray] = {}  # [R, ...] each, likewise
        self._action = np.zeros((steps + 1, rows, task_spec.action_size), np.float32)
        self._reward = np.zeros((steps + 1, rows), np.float32)
        self._success = np.zeros((steps + 1, rows), bool)
        self._contact = np.zeros((steps + 1, rows), bool)
        self._terminal = np.zeros((steps + 1, rows), bool)
        self._seconds = np.zeros((steps, rows), np.float32)

    def began(self, row: int, observation: Mapping[str, np.ndarray]) -> None:
        """An episode was reset in this row."""
        self._observe(row, 0, observation)
        if any(key.startswith(GOAL) for key in self._seen):
            goal = self._tasks[row].goal_observation()
            for key in (key for key in self._seen if key.startswith(GOAL)):
                value = goal[key.removeprefix(GOAL)]
                if key not in self._goals:
                    self._goals[key] = np.zeros((len(self._seeds), *value.shape), value.dtype)
                self._goals[key][row] = value

    def moment(self, step: int) -> Moment:
        """What the policy sees of the rows that still play, after `step` actions."""
        rows = slice(None) if len(self.playing) == len(self._seeds) else self._rows
        observation = {
            key: self._goals[key][rows] if key in self._goals else self._observation[key][_place(key, step), rows]
            for key in self._seen
        }
        if SNAPSHOT in observation:
            observation[SNAPSHOT] = observation[SNAPSHOT].copy()  # the next ones are written over them
        return Moment(self._rows, observation, self._action[step, rows], np.full(len(self.playing), step == 0))

    def decided(self, step: int, actions: np.ndarray, seconds: float) -> np.ndarray:
        """Note a decision after `step` actions; returns the actions [R, A] to execute, indexed by row."""
        finite = np.isfinite(actions)
        if not finite.all():
            row = self.playing[int(np.argmin(finite.all(-1)))]
            raise UserError(
                f"{type(self._policy).__name__} chose an action that is not a number, in step {step} of the episode "
                f"with seed {self._seeds[row]}; did its training diverge? Look at its loss curve"
            )
        self._action[step + 1, self._rows] = np.clip(actions, -1.0, 1.0)
        self._seconds[step, self._rows] = seconds / len(self.playing)
        executed: np.ndarray = self._action[step + 1]
        return executed

    def arrived(self, row: int, step: int, result: tuple[Any, ...]) -> None:
        """Note what `Task.step` returned for the action that led to `step`."""
        observation, reward, terminated, truncated, info = result
        self._observe(row, step, observation)
        self._reward[step, row] = reward
        self._contact[step, row] = info["contact"]
        self._length[row] = step
        if info["success"]:
            self._success[step, row] = True
            if self._stop_after_success is not None:
                self._stop_at[row] = min(self._stop_at[row], step + self._stop_after_success)
        if terminated:
            self._terminal[step, row] = True
        if terminated or truncated:
            self._stop_at[row] = step

    def drop_finished(self, step: int) -> None:
        """Rows that are over after `step` actions leave `playing`."""
        if any(self._stop_at[row] <= step for row in self.playing):
            self.playing = [row for row in self.playing if self._stop_at[row] > step]
            self._rows = np.array(self.playing, int)

    def episodes(self) -> list[Episode]:
        """The finished record, one episode a row."""
        return [self._episode(row) for row in range(len(self._seeds))]

    def _observe(self, row: int, step: int, observation: Mapping[str, np.ndarray]) -> None:
        if not self._observation:
            self._make_room(row, observation)
        for key in self._offered:
            self._observation[key][step, row] = observation[key]
        for key in self._read_from_simulator:
            self._observation[key][_place(key, step), row] = self._read(row, key)

    def _make_room(self, row: int, observation: Mapping[str, np.ndarray]) -> None:
        first = {key: np.asarray(observation[key]) for key in self._offered}
        first.update((key, self._read(row, key)) for key in self._read_from_simulator)
        for key, value in first.items():
            exact = value.dtype == np.uint8 or key == SNAPSHOT
            dtype = value.dtype if exact else np.dtype(np.float32)
            steps = _place(key, self._steps) + 1
            self._observation[key] = np.empty((steps, len(self._seeds), *value.shape), dtype)

    def _read(self, row: int, key: str) -> np.ndarray:
        return self._tasks[row].snapshot() if key == SNAPSHOT else self._tasks[row].state()

    def _episode(self, row: int) -> Episode:
        length = self._length[row]

        def column(values: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(values[: length + 1, row])

        return Episode(
            seed=int(self._seeds[row]),
            observation={key: column(values) for key, values in self._observation.items() if key != SNAPSHOT},
            action=column(self._action),
            reward=column(self._reward),
            success=column(self._success),
            contact=column(self._contact),
            terminal=column(self._terminal),
            milliseconds=self._seconds[:length, row] * 1000.0,
            report=self._policy.report(row),
            instruction=self._tasks[row].instruction,
        )


def _place(key: str, step: int) -> int:
    """Where what was seen after so many actions stands: snapshots one over the other."""
    return 0 if key == SNAPSHOT else step
