"""A world model for one robot, on NumPy arrays: what it believes, imagines, and would see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from wm_lab.deploy.observation import Checked
from wm_lab.errors import UserError
from wm_lab.system.device import device_of
from wm_lab.world_model import Imagination, State, Windows, WorldModel


class Imagined(NamedTuple):
    """Imagined steps as arrays [N, H, ...], or [H, ...] where one sequence of actions was given."""

    features: np.ndarray  # [N, H, F]
    reward: np.ndarray  # [N, H]
    continue_probability: np.ndarray  # [N, H]
    uncertainty: np.ndarray | None  # [N, H], None of a model without an ensemble


class ArrayModel:
    """`encode` what was observed, `imagine` under actions, `decode` what would be seen."""

    def __init__(self, model: WorldModel) -> None:
        self.module, self.device = model, device_of(model)
        self._check = Checked(model.spec, model.observation_keys)

    @torch.inference_mode()
    def encode(self, observation: Mapping[str, np.ndarray], actions: np.ndarray | None = None) -> State:
        """The belief after T observations {key: [T, ...]} of an episode and the T - 1 actions between them [T - 1, A].

        One observation needs no action, and no leading T either.
        """
        model, spec = self.module, self.module.spec
        one = actions is None
        seen = {key: self._stacked(key, observation, one) for key in model.observation_keys}
        steps = {key: len(value) for key, value in seen.items()}
        length = next(iter(steps.values()))
        done = np.zeros((0, spec.action_size), np.float32) if actions is None else self._actions(actions)
        if set(steps.values()) != {len(done) + 1} or done.ndim != 2:
            told = ", ".join(f"{count} of {key}" for key, count in steps.items())
            raise UserError(f"{len(done)} actions lie between {len(done) + 1} observations, and there are {told}")
        action = torch.from_numpy(np.concatenate([np.zeros((1, spec.action_size), np.float32), done]))[None]
        first = torch.zeros(1, length, dtype=torch.bool)
        first[:, 0] = True
        no = torch.zeros_like(first)
        images = {key: torch.from_numpy(value)[None] for key, value in seen.items()}
        return model.encode(Windows(images, action, torch.zeros(1, length), first, no, ~no).to(self.device))

    @torch.inference_mode()
    def imagine(self, belief: State, actions: np.ndarray) -> Imagined:
        """What comes of the belief under actions [N, H, A] or [H, A], in [-1, 1]."""
        plans = self._actions(actions)
        if plans.ndim not in (2, 3) or 0 in plans.shape:
            raise UserError(f"actions must be [H, A] or [N, H, A], found {list(plans.shape)}")
        one = plans.ndim == 2
        batch = torch.from_numpy(plans[None] if one else plans)[None].to(self.device)
        found = self.module.imagine(belief, batch)
        return Imagined(*(None if part is None else _array(part, one) for part in found))  # type: ignore[arg-type]

    @torch.inference_mode()
    def decode(self, imagined: Imagined) -> dict[str, np.ndarray]:
        """{key: [N, H, ...]} (or [H, ...]), in the task's own units; images in 0 to 255."""
        one = imagined.reward.ndim == 1
        lead = (None, None) if one else (None,)
        parts = (None if part is None else torch.from_numpy(part[lead]).to(self.device) for part in imagined)
        seen = self.module.decode(Imagination(*parts))  # type: ignore[arg-type]
        return {key: _array(value, one) for key, value in seen.items()}

    def _stacked(self, key: str, observation: Mapping[str, np.ndarray], one: bool) -> np.ndarray:
        """[T, ...]"""
        if one:
            return self._check.one(key, observation)[None]
        if key not in observation:
            raise UserError(f"the observations lack {key!r}; they have {', '.join(map(repr, observation))}")
        value, shape = np.asarray(observation[key]), tuple(self.module.spec.observation[key])
        if value.shape[1:] != shape:
            raise UserError(f"{key!r} has shape {list(value.shape)}, where {['T', *shape]} is wanted")
        return self._check.typed(key, value)

    def _actions(self, actions: np.ndarray) -> np.ndarray:
        found, size = np.asarray(actions, np.float32), self.module.spec.action_size
        if found.ndim < 2 or found.shape[-1] != size:
            raise UserError(f"actions of {size} numbers are wanted, found an array of shape {list(found.shape)}")
        if not np.isfinite(found).all() or np.abs(found).max(initial=0) > 1:
            raise UserError("actions must be finite and in [-1, 1]; Task.command turns those into the robot's units")
        return found


def _array(batch: torch.Tensor, one: bool) -> np.ndarray:
    """[1, N, ...] -> [N, ...], or [...] of the one sequence that there is."""
    found: np.ndarray = batch[0, 0 if one else slice(None)].float().cpu().numpy()
    return found
