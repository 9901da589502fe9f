"""Which commands there are, and which of them can be given in a scene."""

from __future__ import annotations

from collections.abc import Sequence

from wm_lab.tasks.table.start import TableScene
from wm_lab.tasks.table.things import BLOCKS, NOTHING, THINGS, ZONES, Command
from wm_lab.tasks.table.verbs import Verb, find


def every_command(verb: Verb, number: int) -> list[Command]:
    """All commands of a verb, which is the verb `number` of a task."""
    things = range(len(BLOCKS))
    if verb.target is None:
        return [Command(number, thing, NOTHING) for thing in things]
    targets = things if verb.target == "block" else range(len(BLOCKS), THINGS)
    return [Command(number, thing, target) for thing in things for target in targets if thing != target]


def is_held_out(verb: Verb, command: Command) -> bool:
    """Whether no training episode asks for it."""
    if command.target == NOTHING:
        return False
    number = command.target - len(BLOCKS)
    target = BLOCKS[command.target] if number < 0 else ZONES[number]
    return (BLOCKS[command.object].name, target.name) in verb.held_out


def possible(scene: TableScene, verbs: Sequence[str]) -> list[Command]:
    """Whose things are there, with nothing in the way."""
    found = []
    for number, name in enumerate(verbs):
        verb = find(name)
        found += [command for command in every_command(verb, number) if _can(scene, verb, command)]
    return found


def _can(scene: TableScene, verb: Verb, command: Command) -> bool:
    thing, target = scene.spots[command.object], None
    if command.target != NOTHING:
        target = scene.spots[command.target]
    if thing is None or (target is None and command.target != NOTHING):
        return False
    involved = (command.object, command.target)
    others = [spot for block, spot in enumerate(scene.spots[: len(BLOCKS)]) if spot and block not in involved]
    return verb.clear(thing, target or thing, others)
