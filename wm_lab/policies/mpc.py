"""Model predictive control: filter the observation, plan in imagination, execute the first actions, plan again.

With two models planning is coarse to fine: the search uses a fast one; a slow one, the reranker, imagines only the
elites of each search and chooses among them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Steps
from wm_lab.errors import UserError
from wm_lab.objectives import Objective
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner
from wm_lab.policies.model_rollout import ModelRollout, RecordingScore
from wm_lab.policies.proposals import ProposalsConfig
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, WorldModel


@dataclass
class MPCConfig:
    execute: Steps = 1  # steps of each plan that are executed before the next is made
    proposals: ProposalsConfig = field(default_factory=ProposalsConfig)  # sequences of a cloned policy, if any


class Proposer(Protocol):
    """Proposes action sequences to the search; see `BCProposals`."""

    observation_keys: tuple[str, ...]

    def start(self, rows: int) -> None: ...

    def reset(self, row: int, task: Task) -> None: ...

    def update(self, moment: Moment) -> None: ...

    def propose(
        self, rows: np.ndarray, model: WorldModel, belief: State, horizon: int, generators: list[torch.Generator]
    ) -> Tensor:
        """[R, P, H, A] for the R rows whose belief this is."""
        ...


class Decision(NamedTuple):
    """One planning step, kept to compare its predicted with its realised return."""

    step: int  # of the episode
    milliseconds: float  # wall time of the whole batch: filtering and planning
    batch: int  # episodes planned together in that time
    score: float  # the objective's score of the chosen plan
    elite_score: float  # mean score of the final elites; -inf where the search found none
    failed: bool  # no candidate had a finite score
    actions: np.ndarray  # [H, A] the chosen plan, all of it
    rewards: np.ndarray  # [H] the rewards imagined for it, by the reranker where there is one
    searched: int  # steps that the model imagined to find it
    reranked: int  # steps that the reranker imagined to choose it

    @property
    def predicted_return(self) -> float:
        """Sum of the imagined rewards, to be held against executing `actions` open loop."""
        return float(self.rewards.sum())


class Considered(NamedTuple):
    """A decision and all that led to it, as an observer is shown them."""

    row: int
    decision: Decision
    observation: dict[str, np.ndarray]  # of this episode, when it was made
    search: list[tuple[Tensor, Tensor]]  # every question of the search: actions [N, H, A], and their scores [N]


Observer = Callable[[Considered], None]


class MPC(Policy):
    """Plans for every episode with its own belief, warm start, random stream and replanning schedule.

    An episode replans every `execute` steps counted from its own reset, so rows reset at different times replan at
    different times. The belief is updated at every step, replanned or not, with the action that was really executed.
    """

    Config = MPCConfig

    def __init__(
        self,
        config: MPCConfig,
        model: WorldModel,
        planner: Planner,
        objective: Objective,
        proposals: Proposer | None = None,
        reranker: ModelRollout | None = None,
    ) -> None:
        if config.execute > planner.config.horizon:
            raise UserError(
                f"mpc.execute={config.execute} exceeds planner.horizon={planner.config.horizon}; "
                "lower execute or raise the horizon"
            )
        self.config, self.model, self.proposals = config, model, proposals
        self.rollout, self.reranker = ModelRollout(model, objective), reranker
        self.planner = planner.to(self.rollout.device)
        self.decisions: list[list[Decision]] = []
        """Of every row, those of its running (or last) episode."""
        self.observers: list[Observer] = []
        """They are shown every decision, once its time was taken, and change nothing."""
        parts = [part for part in (self.rollout, proposals, reranker) if part is not None]
        self.observation_keys = tuple(dict.fromkeys(key for part in parts for key in part.observation_keys))

    def start(self, rows: int) -> None:
        self._plan = self.planner.blank(rows)
        self._age = np.zeros(rows, int)  # executed steps of the present plan
        self._step = np.zeros(rows, int)  # steps of the episode
        self._generators = [torch.Generator() for _ in range(rows)]
        self.decisions = [[] for _ in range(rows)]
        for part in (self.rollout, self.proposals, self.reranker):
            if part is not None:
                part.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "mpc")
        self.decisions[row] = []
        self.rollout.reset(row, task)
        for part in (self.proposals, self.reranker):
            if part is not None:
                part.reset(row, task)

    @torch.no_grad()  # no inference mode: planner=gradient climbs from these beliefs
    def act(self, moment: Moment) -> np.ndarray:
        start = time.perf_counter()
        rows, first = moment.rows, moment.first
        belief = self.rollout.update(moment)
        reranker_belief = None if self.reranker is None else self.reranker.update(moment)
        if self.proposals is not None:
            self.proposals.update(moment)
        if first.any():
            self._step[rows[first]] = 0
            self._plan = self._plan.reset(rows[first])

        due = first | (self._age[rows] >= self.config.execute)
        stats = self._replan(rows[due], belief[due], reranker_belief and reranker_belief[due]) if due.any() else None
        actions = self._plan.actions[rows, self._age[rows]].cpu().numpy()
        if stats is not None:
            self._record(rows[due], stats, 1e3 * (time.perf_counter() - start))
            self._show(moment, due, stats)
        self._age[rows] += 1
        self._step[rows] += 1
        return actions

    def _replan(self, rows: np.ndarray, belief: State, reranker_belief: State | None) -> PlanningStats:
        """New plans for these rows, given both models' beliefs of them."""
        generators = [self._generators[row] for row in rows]
        horizon = self.planner.config.horizon
        proposals = None
        if self.proposals is not None:
            proposals = self.proposals.propose(rows, self.model, belief, horizon, generators)
        # Rows that begin were reset to a blank plan, which stays blank however far it is shifted.
        warm_start: Plan = self._plan[rows].shift(self.config.execute)
        score = RecordingScore(self.rollout, rows, belief)
        plan = self.planner.plan(score, generators, warm_start, proposals)
        rewards, reranked = score.rewards(plan.actions), 0
        if self.reranker is not None and reranker_belief is not None:
            fine_score = RecordingScore(self.reranker, rows, reranker_belief)
            plan = self.planner.rerank(plan, fine_score)
            rewards, reranked = fine_score.rewards(plan.actions), fine_score.steps
        self._plan = self._plan.put(rows, plan)
        self._age[rows] = 0
        return PlanningStats(rewards, score.steps, reranked, score.asked)

    def _record(self, rows: np.ndarray, stats: PlanningStats, milliseconds: float) -> None:
        plan = self._plan[rows].to("cpu")
        rewards = stats.rewards.float().cpu().numpy()
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
                searched=stats.searched,
                reranked=stats.reranked,
            )
            self.decisions[row].append(decision)

    def _show(self, moment: Moment, due: np.ndarray, stats: PlanningStats) -> None:
        """The new decisions of the moment's rows, to whoever observes."""
        for i, position in enumerate(np.flatnonzero(due)):
            row = int(moment.rows[position])
            observation = {key: value[position] for key, value in moment.observation.items()}
            search = [(actions[i], scores[i]) for actions, scores in stats.search]
            for observe in self.observers:
                observe(Considered(row, self.decisions[row][-1], observation, search))


class PlanningStats(NamedTuple):
    """What one planning step imagined, beside the plans themselves."""

    rewards: Tensor  # [R, H] imagined for the chosen plans
    searched: int  # imagined steps for each row
    reranked: int  # and by the reranker
    search: list[tuple[Tensor, Tensor]]  # all scored actions [R, N, H, A], and their scores [R, N]
