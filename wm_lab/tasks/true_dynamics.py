"""True dynamics judged by a learned model: the arm that tells a wrong reward from wrong dynamics."""

from __future__ import annotations

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

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        return self.simulator.loss(windows)

    def observe(self, windows: Windows, state: State | None = None) -> tuple[JudgedState, Imagination]:
        assert state is None or isinstance(state, JudgedState)
        truth, _ = self.simulator.observe(windows, None if state is None else state.truth)
        belief, seen = self.judge.observe(windows, None if state is None else state.belief)
        return JudgedState(truth, belief), seen

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, JudgedState)
        b, n, horizon, _ = actions.shape
        future = self.simulator.imagine(state.truth, actions)
        flags = torch.zeros(b * n, horizon, dtype=torch.bool)
        windows = Windows(
            observation={"state": future.features.flatten(0, 1).float()},
            action=actions.flatten(0, 1),
            reward=torch.zeros(b * n, horizon),
            first=flags,
            terminal=flags,
            valid=~flags,
        )
        _, judged = self.judge.observe(windows, state.belief.expand(n))
        return Imagination(
            features=judged.features[:, 0].unflatten(0, (b, n)),
            reward=judged.reward[:, 0].unflatten(0, (b, n)),
            continue_probability=judged.continue_probability[:, 0].unflatten(0, (b, n)),
        )

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return self.judge.decode(imagination)
