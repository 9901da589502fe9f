"""What an episode is asked, and what else it might have been asked in the same scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wm_lab.tasks.table.commands import is_held_out, possible
from wm_lab.tasks.table.start import TableScene
from wm_lab.tasks.table.things import Command
from wm_lab.tasks.table.verbs import find


@dataclass(frozen=True)
class Choice:
    """Commands by who asks: `own`, `other` and `contrast` always, `unseen` where the scene allows one."""

    commands: dict[str, Command]
    chance: int  # decides how each is said

    def in_scene(self, scene: TableScene, verbs: Sequence[str]) -> Choice | None:
        """The same commands in another scene; None where one of the first three is impossible there."""
        ways = possible(scene, verbs)
        left = {name: command for name, command in self.commands.items() if command in ways}
        return replace(self, commands=left) if {"own", "other", "contrast"} <= left.keys() else None


def choose(scene: TableScene, verbs: Sequence[str], random: np.random.Generator) -> Choice | None:
    """Each verb alike often, then each of its commands; None where the scene allows too few."""
    ways = possible(scene, verbs)
    held_out = [command for command in ways if is_held_out(find(verbs[command.verb]), command)]
    trained = [command for command in ways if command not in held_out]
    if not trained:
        return None
    own = _draw(trained, random)
    rest = [command for command in trained if command != own]
    contrast = [c for c in rest if c.verb == own.verb and (c.target == own.target) != (c.object == own.object)]
    chance = int(random.integers(2**31))  # of its own, so that what else might be asked changes no start
    if not rest or not contrast:
        return None
    own_chance = np.random.default_rng(chance)
    commands = {"own": own, "other": _draw(rest, own_chance), "contrast": _draw(contrast, own_chance)}
    if held_out:
        commands["unseen"] = _draw(held_out, own_chance)
    return Choice(commands, chance)


def _draw(commands: Sequence[Command], random: np.random.Generator) -> Command:
    verbs = sorted({command.verb for command in commands})
    verb = verbs[random.integers(len(verbs))]
    some = [command for command in commands if command.verb == verb]
    return some[random.integers(len(some))]
