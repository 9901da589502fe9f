"""True dynamics judged by a learned model: the arm that tells a wrong reward from wrong dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.errors import UserError
from wm_lab.tasks.simulator import Simulator, SimulatorState
from wm_lab.world_model import Imagination, State, Windows, WorldModel


@dataclass
class JudgedState(State):
    truth: SimulatorState
    belief: State


class JudgedSimulator(WorldModel):
    """The simulator plays, and `judge` filters what it shows as if it had been observed: its rewards, true states."""

    def __init__(self, simulator: Simulator, judge: WorldModel) -> None:
        super().__init__()
        if tuple(judge.observation_keys) != ("state",):
            raise UserError(
                f"true dynamics can be judged only by a model of states, and this one observes "
                f"{', '.join(judge.observation_keys)}; set exercise.attribution=false"
            )
        self.simulator, self.judge = simulator, judge
        self.spec = judge.spec

    @property
    def observation_keys(self) -> tuple[str, ...]:
        return ("snapshot", "state")

    @property
    def goal_keys(self) -> tuple[str, ...]:
        return self.judge.goal_keys

    def encode_goal(self, goal: Mapping[str, Tensor]) -> Tensor:
        return self.judge.encode_goal(goal)

    def appearance(self, features: Tensor) -> Tensor:
        return self.judge.appearance(features)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        return self.simulator.loss(windows)

    def observe(self, windows: Windows, state: State | None = None) -> tuple[JudgedState, Imagination]:
        assert state is None or isinstance(state, JudgedState)
        truth, _ = self.simulator.observe(windows, None if state is None else state.truth)
        belief, seen = self.judge.observe(windows, None if state is None else state.belief)
        return JudgedState(truth, belief), seen

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, JudgedState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        future = self.simulator.imagine(state.truth, actions)
        _, judged = self.judge.observe(_seen(future, actions), state.belief.expand(n))
        return Imagination(
            features=judged.features[:, 0].unflatten(0, (b, n)),
            reward=judged.reward[:, 0].unflatten(0, (b, n)),
            continue_probability=judged.continue_probability[:, 0].unflatten(0, (b, n)),
        )

    def step(self, state: State, actions: Tensor) -> tuple[JudgedState, Imagination]:
        assert isinstance(state, JudgedState)
        truth, arrived = self.simulator.step(state.truth, actions)
        belief, judged = self.judge.observe(_seen(arrived, actions[:, None, None]), state.belief)
        return JudgedState(truth, belief), judged

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return self.judge.decode(imagination)


def _seen(future: Imagination, actions: Tensor) -> Windows:
    """What the simulator shows under actions [B, N, H, A], as if it had been observed: B * N rows of H steps."""
    led = actions.flatten(0, 1)
    flags = torch.zeros(led.shape[:2], dtype=torch.bool, device=led.device)
    return Windows(
        observation={"state": future.features.flatten(0, 1).float()},
        action=led,
        reward=torch.zeros(led.shape[:2], device=led.device),
        first=flags,
        terminal=flags,
        valid=~flags,
    )
