"""Scripted experts of the Fetch tasks: what to do next is read off where things are, so nothing is remembered."""

from __future__ import annotations

import math

import numpy as np

from wm_lab.tasks.task import Expert, Task

GAIN = 10.0  # action per metre: a step takes the gripper about half of the way that is asked for
OPEN, CLOSED = 1.0, -1.0
UP = np.array([0.0, 0.0, 1.0])


class FetchExpert(Expert):
    """What the scripts share: points, and moving the gripper to one."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def _look(self) -> None:
        state = self._task.state().astype(float)
        self.gripper, self.goal = state[:3], state[-3:]
        self.thing = state[3:6]
        self.fingers = state[9:11].mean()

    def _move(self, target: np.ndarray, fingers: float, gain: float = GAIN) -> np.ndarray:
        step = np.clip(gain * (target - self.gripper), -1.0, 1.0)
        return np.append(step, fingers).astype(np.float32)


class FetchReachExpert(FetchExpert):
    """Straight to the goal."""

    def act(self) -> np.ndarray:
        self._look()
        return self._move(self.goal, CLOSED)


class FetchPushExpert(FetchExpert):
    """Go behind the block on the line to the goal, come down, and push along the line."""

    BEHIND = 0.075  # m, from the block's centre
    CLEAR = 0.07  # m, over the block, a height to pass it

    def act(self) -> np.ndarray:
        self._look()
        way = self.goal[:2] - self.thing[:2]
        far = math.hypot(*way)
        ahead = way / max(far, 1e-6)
        offset = self.gripper[:2] - self.thing[:2]
        along, aside = float(offset @ ahead), float(offset[1] * ahead[0] - offset[0] * ahead[1])
        low = self.gripper[2] < self.thing[2] + 0.02
        behind = -0.12 < along < -0.03 and abs(aside) < (0.03 if low else 0.015)
        start = np.append(self.thing[:2] - self.BEHIND * ahead, self.thing[2])
        if not behind:
            high = start + self.CLEAR * UP
            risen = self.gripper[2] > self.thing[2] + 0.05
            return self._move(high if risen else np.append(self.gripper[:2], high[2]), CLOSED)
        if not low:
            return self._move(start, CLOSED)
        # To the goal, but along the line: what the gripper is aside of it, it comes back by twice as much.
        target = self.thing[:2] + ahead * (far - 0.04)
        target -= 2.0 * aside * np.array([-ahead[1], ahead[0]])
        return self._move(np.append(target, self.thing[2]), CLOSED, gain=8.0)


class FetchPickExpert(FetchExpert):
    """Come down over the block with open fingers, close them, and carry it to the goal."""

    def act(self) -> np.ndarray:
        self._look()
        offset = self.gripper - self.thing
        if math.hypot(*offset[:2]) > 0.015:
            return self._move(self.thing + 0.08 * UP, OPEN)
        if abs(offset[2]) > 0.012:
            return self._move(self.thing, OPEN)
        if self.fingers > 0.0275:  # half of the block's width, and some
            return self._move(self.thing, CLOSED)
        return self._move(self.goal, CLOSED, gain=6.0)


class FetchSlideExpert(FetchExpert):
    """Get behind the puck, and hit it as hard as it is far from the goal."""

    POWER = (0.35, 1.1)  # action at no distance, and its growth with metres; fitted to how far pucks slid
    RUN_UP = 0.1  # m

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._hitting = 0
        self._power = 0.0

    def act(self) -> np.ndarray:
        self._look()
        way = self.goal[:2] - self.thing[:2]
        far = math.hypot(*way)
        ahead = way / max(far, 1e-6)
        start = np.append(self.thing[:2] - self.RUN_UP * ahead, self.thing[2] + 0.01)
        if not self._hitting:
            if math.dist(start, self.gripper) > 0.01:
                above = math.hypot(*(start[:2] - self.gripper[:2])) > 0.03
                return self._move(start + 0.06 * above * UP, CLOSED)
            self._way, self._power = ahead, self.POWER[0] + self.POWER[1] * far
        self._hitting += 1
        if self._hitting > 6:
            return np.zeros(4, np.float32)
        return np.append(np.clip(self._power * self._way, -1, 1), (0.0, CLOSED)).astype(np.float32)
