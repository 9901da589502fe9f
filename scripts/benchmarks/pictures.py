"""How fast pictures are drawn: the models' own observation, and those for people by rays and by OpenGL."""

from __future__ import annotations

from measure import Row, fastest, size

from wm_lab.errors import UserError
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.renderer import OPENGL, choose_renderer
from wm_lab.tasks.task import Task

FRAMES = 50
ROUNDS = 4
SMALL_SIDE = 64
LEAST = 300.0  # observations a second and core
LEAST_FOR_PEOPLE = 50.0


def run() -> list[Row]:
    task = HandTask(HandConfig(goal="push", observation="pixels", image_size=SMALL_SIDE))
    observed, _ = task.reset(seed=0)
    there = task.snapshot()
    overlay = Overlay(ghost=task.state() + 0.02)
    frames = size(FRAMES, 2)

    def observe() -> None:
        for _ in range(frames):
            task.restore(there)  # which looks

    def show(overlay: Overlay) -> None:
        for _ in range(frames):
            task.render(overlay=overlay)

    show(overlay)  # finds what never moves
    small, plain, haunted = fastest([observe, lambda: show(Overlay()), lambda: show(overlay)], ROUNDS)
    side, (height, width, _) = observed["pixels"].shape[0], task.render().shape
    return [
        Row(f"hand/push, pictures of {side} x {side} a second", frames / small, "/s", LEAST, least=True),
        Row(f"hand/push, {width} x {height} a second", frames / plain, "/s", LEAST_FOR_PEOPLE, least=True),
        Row(f"hand/push, {width} x {height} with a ghost", frames / haunted, "/s"),
        *opengl(task, frames),
    ]


def opengl(task: Task, frames: int) -> list[Row]:
    """The same by MuJoCo's own renderer; nothing where no GL library draws."""
    try:
        task.renderer = choose_renderer(OPENGL)
    except UserError:
        return []

    def show() -> None:
        for _ in range(frames):
            task.render()

    height, width, _ = task.render().shape
    name = f"hand/push, {width} x {height} by OpenGL ({task.renderer})"
    return [Row(name, frames / fastest([show], ROUNDS)[0], "/s")]
