"""`task=hand/table`: the same scene allows many commands, so the sentence decides what is to be done.

Every episode has two to four blocks and two or three zones, and is asked one command of those that they allow. What it
is *told* is a sentence, which says the command unless somebody asks for another one (`retell`): success and cost are
those of the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Domain
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.hand.experts import HandExpert
from wm_lab.tasks.hand.gripper import OBSERVATIONS, GripperConfig, GripperTask, shapes_of
from wm_lab.tasks.hand.physics import ACTIONS
from wm_lab.tasks.hand.scene import CONTROL_HZ, LOOK_REVISION, SCENE_REVISION
from wm_lab.tasks.hand.state import PROPRIO, Layout
from wm_lab.tasks.table.choice import Choice, choose
from wm_lab.tasks.table.grammar import NUMBER, PHRASINGS, TRAINED, phrasings, sentence
from wm_lab.tasks.table.scene import TABLE_REVISION, TablePhysics
from wm_lab.tasks.table.start import TableScene, draw_scene, moved
from wm_lab.tasks.table.things import (
    ASKED,
    BLOCKS,
    GOAL_SIZE,
    NOTHING,
    THINGS,
    TOLD,
    ZONES,
    Command,
    TableLayout,
)
from wm_lab.tasks.table.verbs import Verb, find
from wm_lab.tasks.table.verbs.verb import ONE_BLOCK, POSITION
from wm_lab.tasks.task import SCENE, TaskSpec, defining_options

SUCCESS_REVISION = 1  # of the success tests: results of different revisions do not compare

EPISODE_STEPS = 100

SEEN = OBSERVATIONS | {"scene": (SCENE,)}
ASKS = ("own", "other", "contrast", "unseen")
TELLINGS = ("right", "other", "contrast", "nothing", *PHRASINGS[1:])
"""Ways to tell: the sentence of the command, of another one, of one with another colour, none, or the command in a way
that no training episode was told in."""


@dataclass
class TableConfig(GripperConfig):
    """Options of the table. None keeps each verb's own value."""

    observation: str = "state"
    """state (with the command in numbers), scene (the same without it: the sentence alone says what to do), pixels,
    pixels_proprio (with the robot's own joint readings) or depth (512 rays)."""
    tolerance: Annotated[float, Domain(above=0, most=0.1)] | None = None
    """Metres of success: 2 cm for reach and put, 3 cm for push."""
    goal_distance: Annotated[float, Domain(least=0.12, most=0.3)] | None = None
    """Metres in the plane: from the fingertips to the block (reach), from the block to where it goes (others)."""
    verbs: list[str] = field(default_factory=lambda: ["reach", "push", "put"])
    """What may be asked for; my_module:Lift is a verb of your own."""
    blocks: list[Annotated[int, Domain(least=2, most=len(BLOCKS))]] = field(default_factory=lambda: [2, 4])
    """The least and the most blocks of an episode."""
    zones: list[Annotated[int, Domain(least=2, most=len(ZONES))]] = field(default_factory=lambda: [2, 3])
    """The least and the most zones of an episode."""
    ask: str = "own"
    """own; other, contrast (the same verb, another colour): another command in the same scene; or unseen: one that no
    training episode asks for, in the first scene that allows it."""
    phrasing: str = TRAINED
    """How it is said: trained; held_out (known words, put together anew); new_words; or number, each command's own."""

    def __post_init__(self) -> None:
        self.require_observation(list(SEEN))
        verbs = {name: find(name) for name in self.verbs}
        if len(set(self.verbs)) != len(self.verbs) or not self.verbs:
            raise UserError(f"task.verbs={self.verbs} must name at least one verb, and none twice")
        for name, found in (("blocks", self.blocks), ("zones", self.zones)):
            if len(found) != 2 or found[0] > found[1]:
                raise UserError(f"task.{name}={found} must be two numbers, the least and the most, such as [2, 3]")
        onto = [name for name in self.verbs if verbs[name].target == "block"]
        if onto and self.blocks[1] < 3:
            raise UserError(
                f"task.blocks={self.blocks} leaves {onto[0]} two blocks, and it is asked only where one of another "
                f"colour might be meant; raise the most to 3, or leave {onto[0]} out of task.verbs"
            )
        if self.ask not in ASKS:
            raise unknown("task.ask", self.ask, ASKS)
        if self.ask == "unseen" and not any(verbs[name].held_out for name in self.verbs):
            raise UserError(f"task.ask=unseen: the verbs {', '.join(self.verbs)} hold no command out; add push or put")
        if self.phrasing not in (*PHRASINGS, NUMBER):
            raise unknown("task.phrasing", self.phrasing, (*PHRASINGS, NUMBER))


class TableTask(GripperTask):
    """The hand at a table of coloured blocks and zones."""

    Config = TableConfig
    layout: TableLayout

    def __init__(self, config: TableConfig) -> None:
        self.config = config
        self._verbs: list[Verb] = [find(name) for name in config.verbs]
        self._tolerances = [verb.tolerance if config.tolerance is None else config.tolerance for verb in self._verbs]
        self._choice: Choice | None = None
        layout = TableLayout(len(self._verbs))
        self.task_spec = self._describe(layout)
        super().__init__(config, layout, TablePhysics(), np.zeros(GOAL_SIZE), SEEN[config.observation])

    @property
    def asked(self) -> Command:
        """The command that success and cost are of."""
        return Command(*(int(number) for number in self._goal_numbers[ASKED]))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The verbs that may be asked for."""
        return tuple(self.config.verbs)

    @property
    def kind(self) -> str:
        """The verb that is asked for."""
        return self.config.verbs[self.asked.verb]

    @property
    def asks(self) -> tuple[str, ...]:
        """Values of `task.ask` that these verbs allow."""
        return ASKS if any(verb.held_out for verb in self._verbs) else ASKS[:-1]

    @property
    def instruction(self) -> str:
        verb, thing, target, phrasing = (int(number) for number in self._goal_numbers[TOLD])
        return "" if verb == NOTHING else sentence(self._verbs[verb], Command(verb, thing, target), phrasing)

    @property
    def tellings(self) -> tuple[str, ...]:
        return TELLINGS

    def retell(self, how: str) -> None:
        """Tell the episode that has just begun in one of `TELLINGS`; what is asked stays."""
        if how not in TELLINGS:
            raise unknown("way to tell", how, TELLINGS)
        assert self._choice is not None
        told, kind = self.asked, how if how in PHRASINGS else self.config.phrasing
        if how in ("other", "contrast"):
            told = self._choice.commands[how]
        self._tell(None if how == "nothing" else told, kind)

    def expert(self) -> HandExpert:
        return self._verbs[self.asked.verb].expert(Asked(self))

    def cost(self, state: Tensor) -> Tensor:
        cost: Tensor = self._cost(state.unbind(-1))
        return cost

    def goal_state(self, state: Tensor) -> Tensor:
        """The block on what the command has it go to, the hand at rest where it then is."""
        layout, there = self.layout, state.clone()
        x = state.unbind(-1)
        for number, verb in enumerate(self._verbs):
            mine = (state[..., layout.scene + number] > 0.5)[..., None]
            done = verb.done(torch.stack(self.one_block(x, verb), -1))
            there[..., :PROPRIO] = torch.where(mine, done[..., :PROPRIO], there[..., :PROPRIO])
            for block in range(len(BLOCKS)):
                at = layout.position(block)
                chosen = mine & (state[..., layout.object + block] > 0.5)[..., None]
                there[..., at : at + 3] = torch.where(
                    chosen, done[..., POSITION : POSITION + 3], there[..., at : at + 3]
                )
        return there

    def one_block(self, x: Sequence[Any] | np.ndarray, verb: Verb) -> list[Any]:
        """A state as this verb sees it, the object of the command being the only block: 35 numbers (`ONE_BLOCK`)."""
        layout, objects = self.layout, range(len(BLOCKS))
        chosen = [x[layout.object + number] for number in objects]
        place = [sum(chosen[n] * x[layout.position(n) + axis] for n in objects) for axis in range(3)]
        turned = [sum(chosen[n] * x[layout.rotation(n) + part] for n in objects) for part in range(4)]
        target = [sum(x[layout.target + n] * x[layout.position(n) + axis] for n in range(THINGS)) for axis in range(3)]
        goal = verb.goal((place[0], place[1], place[2]), (target[0], target[1], target[2]))
        return [*(x[number] for number in range(PROPRIO)), *place, *turned, *goal]

    def _met(self, x: Sequence[Any] | np.ndarray) -> Any:
        met: Any = False
        for number, (verb, tolerance) in enumerate(zip(self._verbs, self._tolerances, strict=True)):
            mine = x[self.layout.scene + number] > 0.5
            if isinstance(mine, np.ndarray) or mine:
                met = met | (mine & verb.solved(self.one_block(x, verb), tolerance))
        return met

    def _worth_now(self) -> float:
        return float(self._cost(self.numbers))

    def _cost(self, x: Sequence[Any]) -> Any:
        total: Any = 0.0
        for number, verb in enumerate(self._verbs):
            share = x[self.layout.scene + number]
            if isinstance(share, Tensor) or share:
                total = total + share * verb.cost(self.one_block(x, verb))
        return total

    def _begin(self, random: np.random.Generator) -> None:
        while (drawn := self._draw(random)) is None:
            pass
        scene, self._choice = drawn
        self._physics.begin(scene.start())
        self._goal_numbers[:] = scene.goal()
        self._goal_numbers[ASKED] = self._choice.commands[self.config.ask]
        self._tell(self.asked, self.config.phrasing)

    def _draw(self, random: np.random.Generator) -> tuple[TableScene, Choice] | None:
        """A start; None where the scene that was drawn does not allow what is wanted."""
        config = self.config
        scene = draw_scene(random, (config.blocks[0], config.blocks[1]), (config.zones[0], config.zones[1]))
        choice = choose(scene, config.verbs, random)
        if choice is not None and config.goal_distance is not None:
            closer = moved(scene, choice.commands["own"], config.goal_distance, random)
            if closer is None:
                return None
            scene, choice = closer, choice.in_scene(closer, config.verbs)
        return None if choice is None or config.ask not in choice.commands else (scene, choice)

    def _tell(self, command: Command | None, kind: str) -> None:
        """kind: one of `PHRASINGS`; which of its phrasings, the episode's own chance decides"""
        assert self._choice is not None
        if command is None:
            self._goal_numbers[TOLD] = NOTHING
            return
        known = phrasings(self._verbs[command.verb], kind)
        self._goal_numbers[TOLD] = *command, known[self._choice.chance % len(known)]

    def _view(self, key: str) -> np.ndarray:
        return self._state[: self.layout.scene] if key == SCENE else super()._view(key)

    def _describe(self, layout: TableLayout) -> TaskSpec:
        config, keys = self.config, SEEN[self.config.observation]
        steps = EPISODE_STEPS if config.episode_steps is None else config.episode_steps
        shapes = shapes_of(layout.size, config.image_size) | {SCENE: (layout.scene,)}
        look = f", look {LOOK_REVISION}" if "pixels" in keys else ""
        tests = ", ".join(f"{verb.name}<{within:g}" for verb, within in zip(self._verbs, self._tolerances, strict=True))
        return TaskSpec(
            name="hand/table",
            observation={key: shapes[key] for key in keys},
            action_size=ACTIONS,
            episode_steps=steps,
            control_hz=CONTROL_HZ,
            tags=tuple(dict.fromkeys(tag for verb in self._verbs for tag in verb.tags)),
            instruction="Do with the coloured blocks what the sentence of the episode says.",
            success_test=f"{tests}@{SUCCESS_REVISION}",
            physics=f"mujoco {mujoco.__version__}, hand scene {SCENE_REVISION}, table {TABLE_REVISION}{look}",
            variables=layout.variables(min(self._tolerances)),
            settings=defining_options(config) | {"tolerance": list(self._tolerances), "episode_steps": steps},
            alike=layout.alike,
        )


class Asked:
    """The table as the expert of its command sees it: one block, and a goal."""

    layout: Layout = ONE_BLOCK

    def __init__(self, task: TableTask) -> None:
        self._task, self._verb = task, find(task.config.verbs[task.asked.verb])

    @property
    def numbers(self) -> list[float]:
        return self._task.one_block(self._task.numbers, self._verb)
