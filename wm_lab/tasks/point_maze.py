"""`task=point_maze/...`: the ball of gymnasium_robotics that finds its way through a maze (after Fu et al. 2020, D4RL).

Actions are a force in x and y, at 100 Hz. The way is long and turns corners, so the cost is the length of the shortest
way through the maze, and not the distance through its walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import mujoco
import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Domain
from wm_lab.errors import unknown
from wm_lab.tasks import dense
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import Facts, make, pieces
from wm_lab.tasks.extras import need
from wm_lab.tasks.goal_env import GoalEnvTask
from wm_lab.tasks.raycast import Marker, View
from wm_lab.tasks.task import Expert

WALL = 1  # of a maze's map
OURS = "PointMaze_TwoRooms-v3"
MAZE = "gymnasium_robotics.envs.maze.point_maze:PointMazeEnv"
KP, KD = 10.0, 4.0  # of the expert: force per metre, and per metre a second
BALL = (0.3, 0.9, 0.4)  # RGB; the model's own ball is too small to be seen in 64 pixels
TWO_ROOMS = [
    [1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1, "r", "r", "r", 1, "g", "g", "g", 1],
    [1, "r", "r", "r", 1, "g", "g", "g", 1],
    [1, "r", "r", "r", 0, "g", "g", "g", 1],
    [1, "r", "r", "r", 1, "g", "g", "g", 1],
    [1, "r", "r", "r", 1, "g", "g", "g", 1],
    [1, 1, 1, 1, 1, 1, 1, 1, 1],
]
"""The lab's own maze: the ball starts in one room, the goal lies in the other, and there is one door."""

MAX_SPEED = 5.0  # m/s, where the environment clips velocities before each step


@dataclass
class PointMazeConfig(EnvConfig):
    id: str = "PointMaze_Large-v3"
    """PointMaze_Open-v3, _UMaze, _Medium, _Large, their _Diverse_G, _Diverse_GR and Dense variants; _TwoRooms."""
    tolerance: Annotated[float, Domain(above=0, most=0.45)] | None = None
    """Metres of success; the library's own is 0.45, where corridors are a metre wide."""


class PointMazeTask(GoalEnvTask):
    """State: position (m), velocity (m/s) and goal (m), two numbers each."""

    Config = PointMazeConfig
    _achieved = slice(0, 2)

    def __init__(self, config: PointMazeConfig) -> None:
        gymnasium.register_envs(need("gymnasium_robotics", f"task.id={config.id}"))
        if OURS not in gymnasium.registry:
            gymnasium.register(OURS, entry_point=MAZE, kwargs={"maze_map": TWO_ROOMS}, max_episode_steps=400)
        known = [name for name in gymnasium.registry if name.startswith("PointMaze_") and name.endswith("-v3")]
        if config.id not in known:
            raise unknown("task.id", config.id, known)
        env, steps = make(config.id)
        Path(env.tmp_xml_file_path).unlink(missing_ok=True)  # the library leaves it behind
        self._tolerance = 0.45 if config.tolerance is None else config.tolerance
        self.maze = Maze(env.maze)
        height = 0.6 * max(env.maze.map_length, env.maze.map_width) / math.tan(math.radians(45.0 / 2))
        self.camera = View(np.array([0.0, 0.0, height]), np.eye(3), 45.0)  # from above
        super().__init__(config, env, env.action_space, steps or 0)

    def cost(self, state: Tensor) -> Tensor:
        """Length of the way through the maze, 1 where it is as long as between two places on average."""
        return self.maze.way(state[..., :2], state[..., 4:6]) / self.maze.typical

    def goal_state(self, state: Tensor) -> Tensor:
        """The ball at rest on the goal."""
        there = state.clone()
        there[..., :2], there[..., 2:4] = state[..., 4:6], 0.0
        return there

    def expert(self) -> Expert:
        return MazeExpert(self)

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        here, data = self.snapshot(), self._env.data
        data.qpos[:], data.qvel[:] = state[:2], state[2:4]
        mujoco.mj_forward(self._env.model, data)
        self._state = np.asarray(state, np.float32)
        put = self.snapshot()
        self._return_to(here)
        return put

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """The environment's own step, without the three layers of Python around it."""
        here = self.snapshot()
        model, data = self._env.model, self._env.data
        batch, count, horizon = actions.shape[:3]
        states = np.empty((batch, count, horizon, 6), np.float32)
        commands = np.clip(actions, -1.0, 1.0)
        for b, n in np.ndindex(batch, count):
            self._return_to(snapshots[b])
            for t in range(horizon):
                np.clip(data.qvel, -MAX_SPEED, MAX_SPEED, out=data.qvel)
                mujoco.mj_forward(model, data)
                data.ctrl[:] = commands[b, n, t]
                mujoco.mj_step(model, data)
                states[b, n, t, :2], states[b, n, t, 2:4] = data.qpos, data.qvel
        states[..., 4:] = self.states(snapshots)[:, None, None, 4:]
        self._return_to(here)
        return states, self.solved(states)

    def solved(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(states[..., :2] - states[..., 4:], axis=-1) <= self._tolerance)

    def _solved(self, info: dict[str, Any]) -> bool:
        return self._distance <= self._tolerance

    def _markers(self) -> list[Marker]:
        x, y, _, _, goal_x, goal_y = self._state.tolist()
        return [Marker((goal_x, goal_y, 0.2), 0.2), Marker((x, y, 0.2), 0.2, BALL)]

    def points(self, states: np.ndarray) -> dict[str, np.ndarray]:
        return {"ball": np.concatenate([states[..., :2], np.full_like(states[..., :1], 0.4)], axis=-1)}

    def _facts(self) -> Facts:
        return Facts(
            name=f"point_maze/{self.config.id}",
            library=f"gymnasium_robotics {version('gymnasium_robotics')}",
            control_hz=1.0 / self._env.point_env.dt,
            tags=("long-horizon",),
            instruction="Roll through the maze to the pink ball.",
            success_test=f"ball-to-goal<={self._tolerance:g}@1",
            variables=pieces(
                ("position", 2, "m"),
                ("velocity", 2, "m/s"),
                ("goal", 2, "m"),
                tolerance={"position": self._tolerance},
            ),
            settings={"tolerance": self._tolerance},
        )


class Maze:
    """Shortest ways through the cells of a maze, four neighbours each; its walls are as far as its longest way."""

    def __init__(self, maze: Any) -> None:
        """maze: gymnasium_robotics's; `maze_map` holds its walls, row by row from the top."""
        from scipy.sparse.csgraph import shortest_path  # slow to load, and most commands know no maze

        self._rows, self._columns, self._size = maze.map_length, maze.map_width, maze.maze_size_scaling
        self._corner = torch.tensor([-maze.x_map_center, maze.y_map_center])
        free = np.array([[cell != WALL for cell in row] for row in maze.maze_map]).ravel()
        count = len(free)
        rows, columns = np.divmod(np.arange(count), self._columns)
        centres = [maze.cell_rowcol_to_xy(np.array(cell)) for cell in zip(rows, columns, strict=True)]
        self._centres = torch.tensor(np.array(centres), dtype=torch.float32)
        beside = (abs(rows[:, None] - rows) + abs(columns[:, None] - columns) == 1) & free & free[:, None]
        steps = shortest_path(beside, unweighted=True)  # infinite to and from walls
        self._length = torch.tensor(np.where(np.isfinite(steps), steps, count) * self._size, dtype=torch.float32)
        self.typical = float(steps[np.isfinite(steps)].mean() * self._size)
        # Of each cell, itself and its neighbours; a neighbour that is a wall is replaced by the cell itself.
        shifts = np.array([0, 1, -1, self._columns, -self._columns])
        around = np.clip(np.arange(count)[:, None] + shifts, 0, count - 1)
        blocked = ~beside[np.arange(count)[:, None], around]
        self._around = torch.tensor(np.where(blocked, np.arange(count)[:, None], around))

    def way(self, position: Tensor, goal: Tensor) -> Tensor:
        """Metres [...] from positions to goals, [..., 2]: straight to a cell beside it, else by centres of cells."""
        here, there = self._cell(position), self._cell(goal)
        around = self._around[here]  # [..., 5]
        legs = (position.unsqueeze(-2) - self._centres[around]).norm(dim=-1)
        rest = self._length[around, there.unsqueeze(-1)] + (goal - self._centres[there]).norm(dim=-1, keepdim=True)
        straight = dense.length(position - goal)
        return torch.where(self._length[here, there] <= self._size, straight, (legs + rest).min(-1).values)

    def next(self, position: Tensor, goal: Tensor) -> Tensor:
        """The point [2] to head for next: the goal, or the centre of the neighbouring cell that is nearest to it."""
        here, there = self._cell(position), self._cell(goal)
        if self._length[here, there] <= self._size:
            return goal
        around = self._around[here]
        return self._centres[around[self._length[around, there].argmin()]]

    def _cell(self, position: Tensor) -> Tensor:
        """Index of the cell that holds each position, [..., 2] -> [...]."""
        away = (position - self._corner) / self._size
        column = away[..., 0].floor().long().clamp(0, self._columns - 1)
        row = (-away[..., 1]).floor().long().clamp(0, self._rows - 1)
        cell: Tensor = row * self._columns + column
        return cell


class MazeExpert(Expert):
    """From cell to cell along the shortest way, by a PD controller."""

    def __init__(self, task: PointMazeTask) -> None:
        self._task = task

    def act(self) -> np.ndarray:
        state = torch.from_numpy(self._task.state())
        target = self._task.maze.next(state[:2], state[4:6])
        return (KP * (target - state[:2]) - KD * state[2:4]).clamp(-1.0, 1.0).numpy()
