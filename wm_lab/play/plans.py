"""What the planner considered, as lines in the picture: where candidates would take the robot, and how they scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from wm_lab.policies.mpc import MPC, Considered
from wm_lab.tasks.task import Task

SHOWN = 24
"""Candidates of a search that are drawn."""


class Plans:
    """Listens to a planner; what it hears is imagined again for the eye, only when somebody looks."""

    def __init__(self, planner: MPC, task: Task) -> None:
        self._planner = planner
        self._heard: tuple[Considered, Any] | None = None
        self._drawn: dict[str, Any] | None = None
        keys = planner.model.decoded_keys
        self._key = "state" if "state" in keys else None
        places = [v for v in task.task_spec.variables if v.unit == "m" and v.stop - v.start == 3 and v.name != "goal"]
        self._traced = places[0] if places else None  # the robot's own comes first
        self._project: Callable[[np.ndarray], np.ndarray] = task.in_picture
        planner.observers.append(self._hear)

    @property
    def why_not(self) -> str | None:
        """Why nothing can be drawn, where that is so."""
        if self._key is None:
            return "this model imagines pictures and no places that lines could be drawn between"
        if self._traced is None:
            return "this task does not say where its robot is"
        try:
            self._project(np.zeros((1, 3)))
        except LookupError as error:
            return str(error.args[0])
        return None

    def forget(self) -> None:
        """The episode that was planned in is over."""
        self._heard = self._drawn = None

    def told(self) -> dict[str, Any] | None:
        """Lines in fractions of the picture [M][H][2] with ranks in [0, 1], 1 the best, and the chosen one."""
        if self._heard is not None and self.why_not is None:
            self._drawn, self._heard = self._lines(*self._heard), None
        return self._drawn

    def _hear(self, considered: Considered) -> None:
        belief = self._planner.rollout.beliefs.state
        assert belief is not None
        self._heard = considered, belief

    @torch.inference_mode()
    def _lines(self, considered: Considered, belief: Any) -> dict[str, Any]:
        actions = torch.cat([asked for asked, _ in considered.search])
        scores = torch.cat([score for _, score in considered.search]).float()
        order = scores.argsort()  # evenly from the worst to the best
        picked = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).long()]
        chosen = torch.as_tensor(considered.decision.actions).to(actions)
        imagined = self._planner.model.imagine(belief, torch.cat([actions[picked], chosen[None]])[None])
        decoded = self._planner.model.decode(imagined)["state"][0]
        assert self._traced is not None
        lines = self._project(decoded[..., self._traced.slice].float().cpu().numpy()).round(4)
        ranks = np.linspace(0.0, 1.0, len(picked)).round(3)
        seen = np.isfinite(lines).all((1, 2))  # what passes behind the camera is not
        shown = seen[:-1]
        chosen_line = lines[-1].tolist() if seen[-1] else []
        return {"lines": lines[:-1][shown].tolist(), "ranks": ranks[shown].tolist(), "chosen": chosen_line}
