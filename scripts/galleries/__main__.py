"""Draws every picture of the gallery into docs/images, from models that the store holds or that are trained now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from wm_lab import config as schema
from wm_lab.command_line.folders import CONF
from wm_lab.config import composed
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.experiment.arms import PlanningArm
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.filming import Cameraman
from wm_lab.experiment.shown import choose
from wm_lab.main import read
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import Moment
from wm_lab.reports.filmstrip import grid, save_png
from wm_lab.reports.moving import save_moving, titled
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import Task
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WORDS = ("task=hand/push", "model=rssm", "data.episodes=300", "trainer.steps=1200", "tracking=disabled", "device=cpu")
SEED = 4  # of the episode that is imagined
SEEN, AHEAD = 5, 45  # steps that the model is shown, and that it imagines
SMALL, LARGE = (240, 180), (320, 240)
NEAR = View.towards((0.0, 0.03, 0.1), eye=(0.3, -1.0, 0.85), fovy=24.0)
PAUSE = 100.0  # ms of a frame


def main() -> None:
    schema.register()
    settings, _ = read(composed(CONF, [*WORDS, *sys.argv[1:]]))
    with Experiment(settings) as experiment:
        checkpoint = experiment.models.world_model()
        save_moving(imagined(experiment, checkpoint), IMAGES / "imagined", PAUSE)
        save_moving(planned(experiment, checkpoint), IMAGES / "planned", PAUSE)
    save_moving(experts(), IMAGES / "hand", PAUSE)
    save_png(observed(), IMAGES / "observed.png")


@torch.inference_mode()
def imagined(experiment: Experiment, checkpoint: Path) -> list[np.ndarray]:
    """The simulator beside what the model imagines under the same actions, from a few steps that it saw."""
    task, stage = experiment.tools.make_task(), experiment.tools.make_task()
    model = load_model(checkpoint, WorldModel, "cpu").eval()
    beliefs, first = Beliefs(model, 1), np.zeros((1, task.task_spec.action_size), np.float32)
    actions, frames = expert_actions(task, SEEN + AHEAD), []
    task.reset(seed=SEED)
    beliefs.reset(0, task)
    beliefs.update(Moment(np.zeros(1, int), {"state": task.state()[None]}, first, np.array([True])))
    for action in actions[:SEEN]:
        task.step(action)
        seen = {"state": task.state()[None]}
        belief = beliefs.update(Moment(np.zeros(1, int), seen, action[None], np.array([False])))
    ahead = model.imagine(belief, torch.from_numpy(np.stack(actions[SEEN:]))[None, None])
    for step, state in enumerate(model.decode(ahead)["state"][0, 0].double().numpy(), 1):
        task.step(actions[SEEN + step - 1])
        stage.restore(stage.snapshot_like(state))
        true, dream = titled(task.render(LARGE, NEAR), "simulator"), stage.render(LARGE, NEAR)
        frames.append(beside([true, titled(dream, f"imagined: step {step}")]))
    return frames


def planned(experiment: Experiment, checkpoint: Path) -> list[np.ndarray]:
    """An episode that planning in the model solves, with its plans as lines."""
    arm = PlanningArm("MPC in the RSSM", experiment.settings, checkpoint)
    manifest = experiment.data.manifest(8)
    episodes = play(experiment.tools.make_task, arm.build, manifest.seeds, PlayConfig(stop_after_success=5))
    film = Cameraman(experiment.tools.make_task, arm)(choose(episodes)[0])
    assert film is not None
    return film.frames


def experts() -> list[np.ndarray]:
    """The five goals of the hand, each solved by its expert, all at once."""
    columns = [film_expert(HandTask(HandConfig(goal=goal)), goal) for goal in GOALS]
    longest = max(len(column) for column in columns)
    return [beside([column[min(t, len(column) - 1)] for column in columns]) for t in range(longest)]


def film_expert(task: Task, name: str, most: int = 40) -> list[np.ndarray]:
    actions = expert_actions(task, task.task_spec.episode_steps)
    task.reset(seed=SEED)
    stride, frames = -(-len(actions) // most), []
    for step, action in enumerate(actions):
        task.step(action)
        if step % stride == 0 or step == len(actions) - 1:
            frames.append(titled(task.render(SMALL, NEAR), name))
    return frames


def expert_actions(task: Task, most: int) -> list[np.ndarray]:
    """What the expert does until it has solved the episode, and then no more; never fewer than two actions."""
    task.reset(seed=SEED)
    expert, actions, after = task.expert(), [], 0
    while len(actions) < most and after < 5:
        actions.append(np.asarray(expert.act(), np.float32))
        after += bool(task.step(actions[-1])[4]["success"])
    return actions


def observed() -> Image.Image:
    """What models see: the start of an episode of each goal, and later steps."""
    rows = {}
    for goal in GOALS:
        task = HandTask(HandConfig(goal=goal, observation="pixels"))
        actions = expert_actions(task, task.task_spec.episode_steps)
        seen, _ = task.reset(seed=SEED)
        every = [seen["pixels"], *(task.step(action)[0]["pixels"] for action in actions)]
        rows[goal] = np.stack([every[round(part * (len(every) - 1))] for part in np.linspace(0, 1, 7)])
    return grid(rows, ["start", *("" for _ in range(5)), "end"])


def beside(frames: Sequence[np.ndarray], gap: int = 6) -> np.ndarray:
    """Frames of one height beside each other."""
    white = np.full((frames[0].shape[0], gap, 3), 255, np.uint8)
    return np.concatenate([part for frame in frames for part in (frame, white)][:-1], axis=1)


if __name__ == "__main__":
    main()
