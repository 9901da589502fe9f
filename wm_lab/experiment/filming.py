"""Plays a recorded episode again before a camera, with the plans of whoever planned as lines in the picture, and what
was to be reached as a ghost."""

from __future__ import annotations

import time
from typing import NamedTuple, SupportsFloat

import numpy as np
import torch

from wm_lab.data.episode import Episode
from wm_lab.data.record import SNAPSHOT
from wm_lab.data.rollout import TaskFactory
from wm_lab.experiment.arms import Arm, PlanningArm
from wm_lab.experiment.shown import Shown
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import Moment
from wm_lab.reports.moving import titled
from wm_lab.tasks.overlay import RAYS, Line, Overlay
from wm_lab.tasks.task import Task
from wm_lab.view.sequences import Viewed, ending, of_episode
from wm_lab.world_model import State, WorldModel

SIZE = (240, 180)
"""Width and height of a frame."""

MOST_FRAMES = 24
"""Of a clip; a longer episode is shown at every second, third, ... step."""

SLOW = 0.15
"""Seconds of CPU time of a frame above which, as of robots made of meshes, frames are smaller and half as many."""

SMALL_SIZE = (144, 108)

INKS = ((1.0, 0.9, 0.2), (1.0, 0.45, 0.35), (0.5, 1.0, 0.5), (0.55, 0.75, 1.0))
"""Colours of lines: of the robot's way and of what it moves."""


class Film(NamedTuple):
    """What came of it."""

    frames: list[np.ndarray]  # [H, W, 3] uint8
    stride: int  # steps between two frames


class Cameraman:
    """Films episodes of one arm; built once in each process."""

    def __init__(self, make_task: TaskFactory, arm: Arm, renderer: str = RAYS) -> None:
        self._task, self._name = make_task(), arm.name
        self._task.renderer = renderer
        self._tracer = Tracer.of(arm, self._task)
        self._size, self._most = frame_budget(self._task)

    def __call__(self, shown: Shown) -> Film | None:
        """None where the episode does not come out as it did."""
        task, steps = self._task, len(shown.action) - 1
        stride = -(-(steps + 1) // self._most)
        observation, _ = task.reset(seed=shown.seed)
        lines: list[Line] = []
        frames, success = [], False
        if self._tracer is not None:
            self._tracer.begin()
        for step in range(steps + 1):
            if step:
                observation, *_, info = task.step(shown.action[step])
                if bool(info["success"]) != bool(shown.success[step]):
                    return None
                success = success or bool(info["success"])
            if self._tracer is not None:
                lines = self._tracer.follow(observation, shown, step) or lines
            if step % stride == 0 or step == steps:
                frame = task.render(self._size, overlay=Overlay(_finite(shown.subgoal(step)), lines))
                failed = step == steps and not success
                told = f"{self._name}, step {step}" + (", solved" if success else ", not solved" if failed else "")
                said = quoted(task, shown)
                frames.append(titled(frame, told, True if success else False if failed else None, said))
        return Film(frames, stride)


def _finite(state: np.ndarray | None) -> np.ndarray | None:
    """A state that can be drawn; one that a model made up may be no numbers at all."""
    return state if state is not None and np.isfinite(state).all() else None


def quoted(task: Task, shown: Shown) -> str:
    """What the episode was told, as pictures say it; "" where a task has one sentence, or nobody wrote it down."""
    if shown.told is None or shown.told == task.task_spec.instruction:
        return ""
    return f'"{shown.told}"' if shown.told else "(told nothing)"


def view_again(task: Task, arm: str, shown: Shown) -> Viewed:
    """An episode that an arm played, step by step as it was, for Rerun's viewer."""
    observation, _ = task.reset(seed=shown.seed)
    draws = task.render_mode == "rgb_array"
    rows: list[tuple[dict[str, np.ndarray], float, bool, bool]] = []
    states, pictures = [], []
    reward: SupportsFloat = 0.0
    success = contact = False
    for action in [None, *shown.action[1:]]:
        if action is not None:
            observation, reward, _, _, info = task.step(action)
            success, contact = bool(info["success"]), bool(info.get("contact", False))
        rows.append((observation, float(reward), success, contact))
        states.append(task.state())
        pictures += [task.render(SIZE)] if draws else []
    every, rewards, successes, contacts = zip(*rows, strict=True)
    seen = {key: np.stack([each[key] for each in every]) for key in every[0] if key != SNAPSHOT}
    none = np.zeros(len(rows), bool)
    episode = Episode(
        shown.seed,
        {**seen, "state": np.stack(states)},
        shown.action,
        np.array(rewards),
        np.array(successes),
        np.array(contacts),
        none,
    )
    title = " ".join(filter(None, (ending(arm, task.task_spec, episode), quoted(task, shown))))
    return of_episode(task.task_spec, episode, title, pictures=pictures or None)


def frame_budget(task: Task) -> tuple[tuple[int, int], int]:
    """Width and height of frames, and how many a clip may have, by how fast this task is drawn."""
    task.render(SIZE)  # finds what never moves
    began = time.process_time()
    task.render(SIZE)
    slow = time.process_time() - began > SLOW
    return (SMALL_SIZE, MOST_FRAMES // 2) if slow else (SIZE, MOST_FRAMES)


class Tracer:
    """Imagines chosen plans again, to draw where they lead."""

    def __init__(self, model: WorldModel, task: Task) -> None:
        self._model, self._task = model.eval(), task

    @classmethod
    def of(cls, arm: Arm, task: Task) -> Tracer | None:
        """None for an arm that plans nothing, or whose model does not say where things would be."""
        if not isinstance(arm, PlanningArm) or not task.points(task.state()):
            return None
        model = arm.build_bare().model
        return cls(model, task) if "state" in model.decoded_keys else None

    def begin(self) -> None:
        self._beliefs = Beliefs(self._model, 1)
        self._beliefs.reset(0, self._task)

    @torch.inference_mode()
    def follow(self, observation: dict[str, np.ndarray], shown: Shown, step: int) -> list[Line] | None:
        """Take in what is seen after so many steps; the new plan's lines where one was chosen then."""
        seen = {key: self._read(observation, key)[None] for key in self._model.observation_keys}
        previous = np.zeros_like(shown.action[:1]) if step == 0 else shown.action[step : step + 1]
        belief = self._beliefs.update(Moment(np.zeros(1, int), seen, previous, np.array([step == 0])))
        at = np.flatnonzero(shown.decided == step)
        return self._lines(belief, shown.plans[at[0]]) if len(at) else None

    def _lines(self, belief: State, plan: np.ndarray) -> list[Line]:
        actions = torch.as_tensor(plan, dtype=torch.float32, device=self._beliefs.device)
        imagined = self._model.decode(self._model.imagine(belief, actions[None, None]))["state"][0, 0]
        ahead = np.concatenate([self._task.state()[None], imagined.float().cpu().numpy()])
        ways = self._task.points(ahead).values()
        return [Line(way, ink) for way, ink in zip(ways, INKS, strict=False)]

    def _read(self, observation: dict[str, np.ndarray], key: str) -> np.ndarray:
        if key == SNAPSHOT:
            return self._task.snapshot()
        return self._task.state() if key == "state" and key not in observation else observation[key]
