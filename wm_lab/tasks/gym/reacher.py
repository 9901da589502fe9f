"""What Gymnasium does not say of `Reacher-v5`: success, cost, the meaning of its numbers, and an expert."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from wm_lab.tasks.task import Expert, Task, Variable

TOLERANCE = 0.02  # m, from fingertip to target
FAR = 0.2  # m, a typical distance at the start
LINKS = (0.1, 0.11)  # m, from the first joint to the second, and on to the fingertip
KP, KD = 1.0, 0.1  # of the joint controller
ELBOW_LIMIT = 3.0  # rad, of the second joint
FINGERTIP = slice(8, 10)  # fingertip minus target

VARIABLES = (
    Variable("angle_cosines", 0, 2, "1"),
    Variable("angle_sines", 2, 4, "1"),
    Variable("target", 4, 6, "m"),
    Variable("velocity", 6, 8, "rad/s"),
    Variable("fingertip", 8, 10, "m", tolerance=TOLERANCE),
)


def cost(state: Tensor) -> Tensor:
    """Distance from fingertip to target, about 1 at the start."""
    distance: Tensor = torch.linalg.vector_norm(state[..., FINGERTIP], dim=-1) / FAR
    return distance


def distance(state: np.ndarray) -> float:
    """Metres from fingertip to target."""
    return math.hypot(*state[FINGERTIP].tolist())


def goal_state(state: Tensor) -> Tensor:
    """The arm at rest on the target, elbow bent the way it is now."""
    there = state.clone()
    x, y = state[..., 4], state[..., 5]
    a, b = LINKS
    cosine = ((x**2 + y**2 - a**2 - b**2) / (2 * a * b)).clamp(-1.0, 1.0)
    bent = torch.where(state[..., 3] < 0, -torch.ones_like(x), torch.ones_like(x))
    elbow = bent * torch.arccos(cosine)
    shoulder = torch.atan2(y, x) - torch.atan2(b * torch.sin(elbow), a + b * torch.cos(elbow))
    there[..., 0], there[..., 1] = torch.cos(shoulder), torch.cos(elbow)
    there[..., 2], there[..., 3] = torch.sin(shoulder), torch.sin(elbow)
    there[..., 6:10] = 0.0
    return there


class ReacherExpert(Expert):
    """Inverse kinematics of the two links, once; then a PD controller of the joints."""

    def __init__(self, task: Task) -> None:
        self._task = task
        state = task.state().astype(float)
        x, y = state[4:6]
        a, b = LINKS
        cosine = min(max((x * x + y * y - a * a - b * b) / (2 * a * b), -1.0), 1.0)
        shoulder_now, elbow_now = _angles(state)
        ways = []
        for elbow in (math.acos(cosine), -math.acos(cosine)):
            shoulder = math.atan2(y, x) - math.atan2(b * math.sin(elbow), a + b * math.cos(elbow))
            turn = abs(_wrap(shoulder - shoulder_now)) + abs(elbow - elbow_now)
            ways.append((abs(elbow) > ELBOW_LIMIT, turn, shoulder, elbow))
        *_, self._shoulder, self._elbow = min(ways)

    def act(self) -> np.ndarray:
        state = self._task.state().astype(float)
        shoulder, elbow = _angles(state)
        torque = (
            KP * _wrap(self._shoulder - shoulder) - KD * state[6],
            KP * (self._elbow - elbow) - KD * state[7],
        )
        return np.clip(np.array(torque, np.float32), -1.0, 1.0)


def _angles(state: np.ndarray) -> tuple[float, float]:
    """Shoulder and elbow in rad, each in [-pi, pi]."""
    return math.atan2(state[2], state[0]), math.atan2(state[3], state[1])


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
