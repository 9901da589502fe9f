"""How fast pictures are drawn: the models' own observation, and those for people with a ghost over them."""

from __future__ import annotations

from measure import Row, fastest, size

from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.overlay import Overlay

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
    ]
