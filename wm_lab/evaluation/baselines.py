"""Predictors that a world model has to beat before its imagination is worth anything.

Shapes: W windows, H steps, D state (or latent) dimensions, A action dimensions. States are in the task's own units.
All return predictions [W, H, D] of the H states after the last observed one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wm_lab.data.statistics import RIDGE, SCALE_FREE, Floors, linear_changes
from wm_lab.errors import UserError


def persistence(last: np.ndarray, horizon: int) -> np.ndarray:
    """Nothing changes: the last observed state [W, D], again and again."""
    return np.repeat(last[:, None], horizon, axis=1)


def constant_velocity(previous: np.ndarray, last: np.ndarray, horizon: int) -> np.ndarray:
    """Everything goes on as it did between the last two observed states [W, D]."""
    steps = np.arange(1, horizon + 1)[:, None]
    predicted: np.ndarray = last[:, None] + steps * (last - previous)[:, None]
    return predicted


@dataclass(frozen=True)
class LinearDynamics:
    """Ridge regression of the change of state on state and action, rolled open loop: change = [s, a, 1] @ weights."""

    weights: np.ndarray  # [D + A + 1, D]

    @classmethod
    def fit(
        cls,
        states: np.ndarray,
        actions: np.ndarray,
        following: np.ndarray,
        *,
        ridge: float = RIDGE,
        floors: Floors = SCALE_FREE,
    ) -> LinearDynamics:
        """Closed form from training transitions: states [M, D] and actions [M, A] that led to `following` [M, D]."""
        if not len(states) == len(actions) == len(following) > 0:
            raise ValueError(f"transitions do not match: {len(states)}, {len(actions)}, {len(following)}")
        return cls(linear_changes([(states, actions, following)], ridge, floors))

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """States [W, D] after one action [W, A] each."""
        following: np.ndarray = (
            states + np.concatenate([states, actions], axis=1) @ self.weights[:-1] + self.weights[-1]
        )
        return following

    def rollout(self, last: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Open loop from the last observed states [W, D] under actions [W, H, A]; diverges where the fit does."""
        state = np.asarray(last, float)
        states = []
        with np.errstate(over="ignore", invalid="ignore"):
            for t in range(actions.shape[1]):
                state = self.step(state, actions[:, t])
                states.append(state)
        return np.stack(states, axis=1)


def foreign_windows(episode: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random permutation [W] in which no window keeps its episode; UserError where one episode holds over half.

    Give the model the actions of these windows in place of the true ones: if its error stays the same, it does not read
    its actions.
    """
    names, index, counts = np.unique(episode, return_inverse=True, return_counts=True)
    if 2 * counts.max() > len(episode):
        raise UserError(
            f"episode {names[counts.argmax()]} holds {counts.max()} of {len(episode)} windows, so actions cannot be "
            "shuffled among episodes; take windows from more episodes"
        )
    # Lay windows out episode by episode in random order; a turn by the longest episode's length leaves every block.
    order = np.lexsort((rng.random(len(episode)), rng.permutation(len(names))[index]))
    permutation = np.empty(len(episode), int)
    permutation[order] = np.roll(order, -int(counts.max()))
    return permutation
