"""The truth and the dream side by side: one start, the same actions. It knows no web and no pictures.

The simulator plays an episode. The model filters what it shows into a belief, and beside that the dream goes on from
where it began, one `WorldModel.step` for each action, and sees nothing of what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from wm_lab.data.episode import Episode
from wm_lab.data.record import SNAPSHOT
from wm_lab.errors import UserError
from wm_lab.play.gap import Gap
from wm_lab.policies.beliefs import Beliefs, one_step
from wm_lab.policy import GOAL, Moment, Policy
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State, WorldModel

PERSON = "person"
"""Who drives where no policy does."""

LONGEST = 5000
"""Steps after which an episode is over, whatever the task says: what is recorded stays in memory."""

Observation = dict[str, np.ndarray]


class Step(NamedTuple):
    """What one step brought. Of a step that the imagination took alone, what is true is None."""

    number: int  # steps of the truth since its start, and of the fork beyond them
    action: np.ndarray  # [A]
    driver: str
    predicted_reward: float | None  # None at the start, to which no action led
    reward: float | None
    error: float | None  # between dream and truth, in the unit of the session's gap
    success: bool
    forked: bool


@dataclass
class Truth:
    """What the simulator has shown in this episode, aligned on arrival: row 0 is the start."""

    seed: int
    observations: list[Observation] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    success: list[bool] = field(default_factory=list)
    contact: list[bool] = field(default_factory=list)
    terminal: list[bool] = field(default_factory=list)
    drivers: list[str] = field(default_factory=list)  # one for each action

    def arrived(
        self, observation: Observation, action: np.ndarray, reward: float, told: Mapping[str, bool], terminal: bool
    ) -> None:
        self.observations.append(observation)
        self.actions.append(action)
        self.rewards.append(reward)
        self.success.append(bool(told.get("success", False)))
        self.contact.append(bool(told.get("contact", False)))
        self.terminal.append(terminal)

    def episode(self) -> Episode:
        """A copy of it, in the form that datasets keep."""
        keys = [key for key in self.observations[0] if key != SNAPSHOT]
        return Episode(
            seed=self.seed,
            observation={key: np.stack([seen[key] for seen in self.observations]) for key in keys},
            action=np.stack(self.actions).astype(np.float32),
            reward=np.array(self.rewards, np.float32),
            success=np.array(self.success),
            contact=np.array(self.contact),
            terminal=np.array(self.terminal),
        )


@dataclass
class ImaginedMoment:
    """Where the imagination stands."""

    belief: State
    seen: Observation  # as the model decodes it: floats, images in [0, 255]


class PlaySession:
    """Plays episodes of `task` and dreams them with `model`.

    policies: who may drive beside the person, by name; each is asked for one row
    """

    def __init__(self, task: Task, model: WorldModel, policies: Mapping[str, Policy] | None = None) -> None:
        self.task, self.model = task, model.eval()
        self.policies = dict(policies or {})
        self.gap = Gap.of(task.task_spec, model)
        self.driver = PERSON
        self.shows_plans = False
        """Whether the planner thinks along while somebody else drives."""
        wanted = {*model.observation_keys, *(key for who in self.policies.values() for key in who.observation_keys)}
        self._more: dict[str, Callable[[], np.ndarray]] = {"state": task.state}
        if SNAPSHOT in wanted:
            self._more[SNAPSHOT] = task.snapshot
        self._goal_keys = [key for key in wanted if key.startswith(GOAL)]
        self._goal: Observation = {}
        self._beliefs = Beliefs(model, 1)
        self.reset(0)

    # The buttons

    def reset(self, seed: int) -> None:
        """A new episode from the start that the seed draws; the dream begins there too. Whoever drives stays."""
        seen, told = self.task.reset(seed=seed)
        action = np.zeros(self.task.task_spec.action_size, np.float32)
        self.truth = Truth(seed)
        self.truth.arrived(self._read(seen), action, 0.0, told, False)
        self._beliefs.reset(0, self.task)
        if self._goal_keys:
            goal = self.task.goal_observation()
            self._goal = {key: goal[key.removeprefix(GOAL)] for key in self._goal_keys}
        self.steps: list[Step] = []
        self._way_back: tuple[ImaginedMoment, int] | None = None
        self._belief: State | None = None
        self._filter(first=True)
        self._start_drivers()
        self.resynchronise()

    def resynchronise(self) -> None:
        """The dream goes on from what is believed after all that the simulator has shown. Ends a fork."""
        assert self._belief is not None
        self._way_back = None
        self.dream = ImaginedMoment(self._belief, self._decode(self._posterior))
        self._forget(self.driver)

    def fork(self) -> None:
        """From here on the imagination goes on alone, until `join` or `resynchronise`."""
        if self.driver != PERSON:
            self._require_sight(self.driver)
        if self._way_back is None:
            self._way_back = self.dream, len(self.steps)
            self._forget(self.driver)

    def join(self) -> None:
        """The dream goes back to where it was forked, and on beside the truth."""
        if self._way_back is not None:
            self.dream, known = self._way_back
            del self.steps[known:]
            self._way_back = None
            self._forget(self.driver)

    def drive(self, who: str) -> None:
        """Let the person or one of the policies choose the actions. UserError where it cannot."""
        if who != PERSON:
            if who not in self.policies:
                known = ", ".join([PERSON, *self.policies])
                raise UserError(f"{who!r} cannot drive here; choose one of: {known}")
            if self.forked:
                self._require_sight(who)
            self._forget(who)
        self.driver = who

    def advance(self, held: np.ndarray) -> Step:
        """One step under the action [A] of whoever drives; `held` is the person's.

        UserError where the episode is over, or the action is not one of this task.
        """
        if self.over and not self.forked:
            raise UserError("this episode is over; begin another one")
        for who in self._watchers():
            self._ask(who)  # it plans, and somebody else decides
        action = self.checked(held) if self.driver == PERSON else self._ask(self.driver)
        step = self._dream_on(action) if self.forked else self._play(action)
        self._first.discard(self.driver)
        self.steps.append(step)
        return step

    # What it looks like

    @property
    def forked(self) -> bool:
        """Whether the imagination is on its own."""
        return self._way_back is not None

    @property
    def over(self) -> bool:
        """Whether the task itself ended the episode. Its limit of steps is for policies; a person may take longer."""
        return self.truth.terminal[-1] or len(self.truth.drivers) >= LONGEST

    @property
    def seen(self) -> Observation:
        """What the simulator shows now; always with "state"."""
        return self.truth.observations[-1]

    def checked(self, held: np.ndarray) -> np.ndarray:
        """An action [A] of this task, within its bounds; UserError where it is none."""
        size = self.task.task_spec.action_size
        if held.shape != (size,) or not np.isfinite(held).all():
            raise UserError(f"an action of {self.task.task_spec.name} is {size} numbers, found {held.tolist()!r:.60}")
        action: np.ndarray = np.clip(held, -1.0, 1.0).astype(np.float32)
        return action

    # One step

    def _play(self, action: np.ndarray) -> Step:
        seen, reward, terminated, _, told = self.task.step(action)
        self.truth.arrived(self._read(seen), action, float(reward), told, bool(terminated))
        self.truth.drivers.append(self.driver)
        self._filter(first=False)
        predicted = self._imagine(action)
        error = self.gap.measure(self.seen, self.dream.seen)
        number = len(self.truth.drivers)
        return Step(number, action, self.driver, predicted, float(reward), error, self.truth.success[-1], False)

    def _dream_on(self, action: np.ndarray) -> Step:
        number = (self.steps[-1].number if self.steps else 0) + 1
        return Step(number, action, self.driver, self._imagine(action), None, None, False, True)

    @torch.inference_mode()
    def _imagine(self, action: np.ndarray) -> float:
        """The dream goes on by one action; returns the reward that the model expects."""
        actions = torch.from_numpy(action)[None].to(device_of(self.model))
        belief, imagined = self.model.step(self.dream.belief, actions)
        self.dream = ImaginedMoment(belief, self._decode(imagined))
        return float(imagined.reward[0, 0, 0])

    @torch.inference_mode()
    def _filter(self, first: bool) -> None:
        """Take what the simulator shows now into the belief."""
        moment = self._moment(self.seen, self.truth.actions[-1], self.model.observation_keys, first)
        windows = one_step(moment.observation, moment)
        windows.instruction = self._beliefs.instruction[:, None]
        self._belief, self._posterior = self.model.observe(windows.to(device_of(self.model)), self._belief)

    @torch.inference_mode()
    def _decode(self, imagined: Imagination) -> Observation:
        last = imagined.map(lambda part: part[:, :, -1:])
        return {key: value[0, 0, 0].float().cpu().numpy() for key, value in self.model.decode(last).items()}

    # Who drives

    def _start_drivers(self) -> None:
        for policy in self.policies.values():
            policy.start(1)
            policy.reset(0, self.task, self.truth.seed)
        self._first = set(self.policies)

    def _forget(self, who: str) -> None:
        """Whoever takes over, or is taken elsewhere, begins anew with what it sees there."""
        if who in self.policies:
            self._first.add(who)

    def _watchers(self) -> list[str]:
        """Who plans without driving."""
        planner = "planner"
        watches = self.shows_plans and planner in self.policies and self.driver != planner and not self.forked
        return [planner] if watches else []

    def _ask(self, who: str) -> np.ndarray:
        """The action [A] of a policy, in the dream where the imagination is on its own."""
        policy, last = self.policies[who], self.steps[-1].action if self.steps else self.truth.actions[0]
        seen = self._dreamt() if self.forked else self.seen
        moment = self._moment({**seen, **self._goal}, last, policy.observation_keys, who in self._first)
        self._first.discard(who)
        action: np.ndarray = np.clip(policy.act(moment)[0], -1.0, 1.0).astype(np.float32)
        if not np.isfinite(action).all():
            raise UserError(f"the {who} chose an action that is not a number; did its training diverge?")
        return action

    def _require_sight(self, who: str) -> None:
        """UserError where a policy needs to see what the imagination does not show."""
        missing = set(self.policies[who].observation_keys) - set(self.dream.seen) - set(self._goal)
        if who == "expert" or missing:
            raise UserError(f"the {who} knows the simulator alone and cannot drive what is imagined; drive yourself")

    def _dreamt(self) -> Observation:
        """The dream as an observation: images are whole numbers."""
        real = self.seen
        dreamt = self.dream.seen
        return {
            key: np.rint(value).clip(0, 255).astype(np.uint8)
            if key in real and real[key].dtype == np.uint8
            else value.astype(np.float32)
            for key, value in dreamt.items()
        }

    def _moment(self, seen: Observation, last: np.ndarray, keys: tuple[str, ...], first: bool) -> Moment:
        previous = np.zeros_like(last) if first else last
        return Moment(np.zeros(1, int), {key: seen[key][None] for key in keys}, previous[None], np.array([first]))

    def _read(self, seen: Mapping[str, np.ndarray]) -> Observation:
        """The observation and what models and policies read from the simulator itself; copies, for it writes on."""
        whole = {key: np.array(value) for key, value in seen.items()}
        return whole | {key: np.array(read()) for key, read in self._more.items() if key not in whole}
