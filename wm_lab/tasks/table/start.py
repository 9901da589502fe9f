"""How an episode at the table begins: which blocks and zones there are, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from wm_lab.tasks.hand.goals import APART, HAND_START, REACH, TURNED, Start
from wm_lab.tasks.hand.scene import BLOCK_HALF
from wm_lab.tasks.table.things import BLOCKS, GOAL_SIZE, NOTHING, PRESENT, THINGS, ZONES, Command, parked

Spot = tuple[float, float]

ZONE_APART = 0.1  # m, from a zone to blocks and other zones: nothing lies there at the start
TRIES = 30  # spots that are drawn before a scene is begun anew


@dataclass
class TableScene:
    """Where things are at the start; None: absent."""

    hand: tuple[float, ...]  # m, the first three joints
    spots: list[Spot | None]  # [THINGS] x, y in m, blocks and then zones
    turned: list[float]  # [BLOCKS] rad

    def start(self) -> Start:
        """As the simulator is told it."""
        blocks = [
            # Half a millimetre above the table, so that nothing starts in penetration.
            parked(number) if spot is None else (*spot, BLOCK_HALF + 0.0005, self.turned[number])
            for number, spot in enumerate(self.spots[: len(BLOCKS)])
        ]
        return Start((self.hand[0], self.hand[1], self.hand[2]), blocks, tuple(self.goal().tolist()))

    def goal(self) -> np.ndarray:
        """[G], without a command."""
        goal = np.zeros(GOAL_SIZE)
        for number, spot in enumerate(self.spots[len(BLOCKS) :]):
            goal[2 * number : 2 * number + 2] = spot or (0.0, 0.0)
        goal[PRESENT] = [spot is not None for spot in self.spots]
        return goal


def draw_scene(random: np.random.Generator, blocks: tuple[int, int], zones: tuple[int, int]) -> TableScene:
    """So many blocks and zones (the least and the most of each), of colours and in places of chance."""
    while True:
        hand = tuple(random.uniform(*HAND_START).tolist())
        spots: list[Spot | None] = [None] * THINGS
        for number in (*_some(random, len(BLOCKS), blocks), *(_some(random, len(ZONES), zones) + len(BLOCKS))):
            spots[number] = _spot(random, spots, number)
            if spots[number] is None:
                break
        else:
            return TableScene(hand, spots, random.uniform(-TURNED, TURNED, len(BLOCKS)).tolist())


def is_free(spot: Spot, spots: list[Spot | None], number: int) -> bool:
    """Whether thing `number` may lie there, given where the others do."""
    (left, right), (near, far) = REACH
    if not (left <= spot[0] <= right and near <= spot[1] <= far):
        return False
    for other, taken in enumerate(spots):
        apart = APART if max(number, other) < len(BLOCKS) else ZONE_APART
        if taken is not None and other != number and math.dist(spot, taken) < apart:
            return False
    return True


def _some(random: np.random.Generator, count: int, limits: tuple[int, int]) -> np.ndarray:
    """A random choice of numbers below `count`, in order."""
    return np.sort(random.permutation(count)[: random.integers(limits[0], limits[1], endpoint=True)])


def _spot(random: np.random.Generator, spots: list[Spot | None], number: int) -> Spot | None:
    for _ in range(TRIES):
        spot = random.uniform(*REACH[0]), random.uniform(*REACH[1])
        if is_free(spot, spots, number):
            return spot
    return None


def moved(scene: TableScene, command: Command, distance: float, random: np.random.Generator) -> TableScene | None:
    """The same scene with one thing moved: so far (m) is the hand from the object, or the object from its target.

    None where there is no room for it.
    """
    number = command.object if command.target == NOTHING else command.target
    centre = scene.spots[command.object] if command.target != NOTHING else (scene.hand[0], scene.hand[1])
    assert centre is not None
    for angle in random.uniform(-math.pi, math.pi, TRIES):
        spot = centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)
        if is_free(spot, scene.spots, number):
            spots = list(scene.spots)
            spots[number] = spot
            return replace(scene, spots=spots)
    return None
