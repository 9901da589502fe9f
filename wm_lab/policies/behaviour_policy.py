"""Behaviours learned in a dream, acting: as they are, and as advisers of a search."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policies.proposals import ProposalsConfig, correlated_noise, require_any
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, WorldModel


class BehaviourPolicy(Policy):
    """Filters as MPC does, and does what the behaviour would do most likely."""

    def __init__(self, behaviour: Behaviour) -> None:
        """behaviour: one that lives in its world model (`learn_in`)"""
        self.behaviour = behaviour
        self.observation_keys = behaviour.world.observation_keys

    def start(self, rows: int) -> None:
        self.behaviour.eval()
        self._beliefs = Beliefs(self.behaviour.world, rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._beliefs.reset(row, task)

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        _, features = self._beliefs.observe(moment)
        actions: np.ndarray = self.behaviour.act(features).clamp(-1, 1).float().cpu().numpy()
        return actions


class BehaviourProposals:
    """Sequences [R, P, H, A] that a behaviour would act in imagination; the first one is free of noise."""

    def __init__(self, config: ProposalsConfig, behaviour: Behaviour) -> None:
        require_any(config)
        self.config, self.behaviour = config, behaviour
        self.observation_keys = behaviour.world.observation_keys

    def start(self, rows: int) -> None:
        self.behaviour.eval()
        self._beliefs = Beliefs(self.behaviour.world, rows)
        self._features: Tensor | None = None  # [B, F]

    def reset(self, row: int, task: Task) -> None:
        self._beliefs.reset(row, task)

    def update(self, moment: Moment) -> None:
        _, features = self._beliefs.observe(moment)
        if self._features is None:
            self._features = features.new_zeros(self._beliefs.rows, features.shape[-1])
        self._features[moment.rows] = features

    @torch.inference_mode()
    def propose(
        self, rows: np.ndarray, model: WorldModel, belief: State, horizon: int, generators: list[torch.Generator]
    ) -> Tensor:
        """[R, P, H, A] in [-1, 1]; generators: one a row."""
        assert self._features is not None
        noise = correlated_noise(self.config, horizon, model.spec.action_size, generators).to(self._features)
        state, now, actions = belief.expand(self.config.count), self._features[rows], []
        now = now.repeat_interleave(self.config.count, 0)  # [R P, F]
        for step in noise.flatten(0, 1).unbind(1):
            action = (self.behaviour.act(now) + step).clamp(-1, 1)
            state, seen = model.step(state, action)
            now = seen.features[:, 0, 0]
            actions.append(action)
        sequences: Tensor = torch.stack(actions, 1).unflatten(0, (len(rows), self.config.count))
        return sequences
