"""Model predictive control: filter what was seen, plan in imagination, execute the beginning, plan again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from wm_lab.errors import UserError
from wm_lab.objectives import Objective
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner
from wm_lab.policies.beliefs import Beliefs, one_step
from wm_lab.policies.proposals import ProposalsConfig
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State, WorldModel


@dataclass
class MPCConfig:
    execute: int = 1  # steps of each plan that are executed before the next is made
    proposals: ProposalsConfig = field(default_factory=ProposalsConfig)  # sequences of a cloned policy, if any

    def __post_init__(self) -> None:
        if self.execute < 1:
            raise UserError(f"mpc.execute={self.execute} must be at least 1")


class Proposer(Protocol):
    """Suggests action sequences to the search; see `BCProposals`."""

    observation_keys: tuple[str, ...]

    def start(self, rows: int) -> None: ...

    def remember(self, moment: Moment) -> None: ...

    def propose(
        self, rows: np.ndarray, model: WorldModel, belief: State, horizon: int, generators: list[torch.Generator]
    ) -> Tensor:
        """[R, P, H, A] for the R rows whose belief this is."""
        ...


class Decision(NamedTuple):
    """One plan that was made, kept to compare what was imagined with what came true."""

    step: int  # of the episode
    milliseconds: float  # wall time of the whole batch: filtering and planning
    batch: int  # episodes planned together in that time
    score: float  # the objective's score of the chosen plan
    elite_score: float  # mean score of the final elites; -inf where the search found none
    failed: bool  # no candidate had a finite score
    actions: np.ndarray  # [H, A] the chosen plan, all of it
    rewards: np.ndarray  # [H] the rewards imagined for it

    @property
    def imagined_return(self) -> float:
        """Sum of the imagined rewards, to be held against executing `actions` open loop."""
        return float(self.rewards.sum())


class MPC(Policy):
    """Plans for every episode with its own belief, warm start, random stream and rhythm.

    An episode replans every `execute` steps counted from its own reset, so rows reset at different times are planned at
    different times. The belief takes in every step, planned or not, with the action that was really executed.
    """

    Config = MPCConfig

    def __init__(
        self,
        config: MPCConfig,
        model: WorldModel,
        planner: Planner,
        objective: Objective,
        proposals: Proposer | None = None,
    ) -> None:
        if config.execute > planner.config.horizon:
            raise UserError(
                f"mpc.execute={config.execute} exceeds planner.horizon={planner.config.horizon}; "
                "lower execute or raise the horizon"
            )
        if objective.goal is not None and tuple(model.observation_keys) != ("state",):
            raise UserError(
                "objective.goal_distance needs a model that observes the state alone, all that is known of a goal; "
                f"this one observes {', '.join(model.observation_keys)}"
            )
        self.config, self.model, self.objective, self.proposals = config, model, objective, proposals
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.planner = planner.to(self.device)
        self.decisions: list[list[Decision]] = []
        """Of every row, those of its running (or last) episode."""

    @property
    def observation_keys(self) -> tuple[str, ...]:  # type: ignore[override]
        wanted = [*self.model.observation_keys]
        if self.proposals is not None:
            wanted += self.proposals.observation_keys
        return tuple(dict.fromkeys(wanted))

    def start(self, rows: int) -> None:
        self.model.eval()
        self._beliefs = Beliefs(self.model, rows)
        self._plan = self.planner.blank(rows)
        self._age = np.zeros(rows, int)  # steps of the present plan that were executed
        self._step = np.zeros(rows, int)  # steps of the episode
        self._generators = [torch.Generator() for _ in range(rows)]
        self._goal_states: list[Callable[[Tensor], Tensor] | None] = [None] * rows
        self._goals: Tensor | None = None  # [B, F]
        self.decisions = [[] for _ in range(rows)]
        if self.proposals is not None:
            self.proposals.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "mpc")
        self._goal_states[row] = task.goal_state if self.objective.goal is not None else None
        self.decisions[row] = []

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        began = time.perf_counter()
        rows, first = moment.rows, moment.first
        belief = self._beliefs.take_in(moment)
        if self.proposals is not None:
            self.proposals.remember(moment)
        if first.any():
            self._step[rows[first]] = 0
            self._plan = self._plan.reset(rows[first])
            self._see_goals(moment)

        due = first | (self._age[rows] >= self.config.execute)
        imagined = self._replan(rows[due], belief[due]) if due.any() else None
        actions = self._plan.actions[rows, self._age[rows]].cpu().numpy()
        if imagined is not None:
            self._record(rows[due], imagined, 1e3 * (time.perf_counter() - began))
        self._age[rows] += 1
        self._step[rows] += 1
        return actions

    def _see_goals(self, moment: Moment) -> None:
        """Latent features of the goals of episodes that begin now."""
        if self.objective.goal is None:
            return
        rows = moment.rows[moment.first]
        states = torch.as_tensor(moment.observation["state"][moment.first])
        goals = [self._goal_state(row)(state) for row, state in zip(rows, states, strict=True)]
        begun = Moment(rows, {}, moment.previous_action[moment.first], moment.first[moment.first])
        _, seen = self.model.observe(one_step({"state": torch.stack(goals).numpy()}, begun).to(self.device))
        features = seen.features[:, 0, 0]
        if self._goals is None:
            self._goals = features.new_zeros(len(self._generators), features.shape[-1])
        self._goals[rows] = features

    def _goal_state(self, row: int) -> Callable[[Tensor], Tensor]:
        found = self._goal_states[row]
        if found is None:
            raise RuntimeError(f"row {row} acts before it was reset")
        return found

    def _replan(self, rows: np.ndarray, belief: State) -> Imagination:
        """New plans for these rows; returns the imagined futures [R, 1, H] of the chosen ones."""
        generators = [self._generators[row] for row in rows]
        horizon = self.planner.config.horizon
        imagined: Imagination | None = None

        def score(actions: Tensor) -> Tensor:
            nonlocal imagined
            imagined = self.model.imagine(belief, actions)
            return self.objective(imagined, actions)

        if self.objective.goal is not None and self._goals is not None:
            self.objective.goal.goal = self._goals[rows]
        proposals = None
        if self.proposals is not None:
            proposals = self.proposals.propose(rows, self.model, belief, horizon, generators)
        # Rows that begin were reset, and nothing stays nothing however far it is shifted.
        warm_start: Plan = self._plan[rows].shift(self.config.execute)
        plan = self.planner.plan(score, generators, warm_start, proposals)
        self._plan = self._plan.put(rows, plan)
        self._age[rows] = 0
        if imagined is None:
            raise RuntimeError(f"{type(self.planner).__name__} planned without asking for a score")
        return imagined

    def _record(self, rows: np.ndarray, imagined: Imagination, milliseconds: float) -> None:
        plan = self._plan[rows].to("cpu")
        rewards = imagined.reward[:, 0].float().cpu().numpy()
        for i, row in enumerate(rows):
            finite = plan.elite_scores[i][plan.elite_scores[i] > -torch.inf]
            decision = Decision(
                step=int(self._step[row]),
                milliseconds=milliseconds,
                batch=len(rows),
                score=float(plan.score[i]),
                elite_score=float(finite.mean()) if len(finite) else -np.inf,
                failed=bool(plan.failed[i]),
                actions=plan.actions[i].numpy(),
                rewards=rewards[i],
            )
            self.decisions[row].append(decision)
