"""From commands to sentences: every frame of a verb with every pair of nouns.

Of the phrasings of a verb some are told in training, some are held out though each of their words is known, and some
are in words of their own. A command also has a number, for whoever asks what sentences are worth.
"""

from __future__ import annotations

from functools import cache

from wm_lab.tasks.table.things import BLOCKS, NOTHING, THINGS, ZONES, Command
from wm_lab.tasks.table.verbs import Verb

NOUNS = (("block", "zone"), ("cube", "area"), ("brick", "spot"))
"""How blocks and zones are called, together."""

EVERY = 4
"""One in so many pairs of a frame and nouns is held out: each frame and each noun is still told in training."""

TRAINED, HELD_OUT, NEW_WORDS = "trained", "held_out", "new_words"
PHRASINGS = (TRAINED, HELD_OUT, NEW_WORDS)
NUMBER = "number"
NUMBERED = -1
"""The phrasing that says a command's number."""


@cache
def phrasings(verb: Verb, kind: str | None = None) -> tuple[int, ...]:
    """The phrasings of a verb, counted: of one of `PHRASINGS`, `NUMBERED` alone, or all that are sentences."""
    if kind == NUMBER:
        return (NUMBERED,)
    found = range(len(NOUNS) * (len(verb.frames) + len(verb.new_frames)))
    return tuple(number for number in found if kind in (None, _kind(verb, number)))


def sentence(verb: Verb, command: Command, phrasing: int) -> str:
    """What is said, such as "Push the red block to the blue zone."."""
    if phrasing == NUMBERED:
        return str((command.verb * len(BLOCKS) + command.object) * (THINGS + 1) + command.target + 1)
    frame, nouns = divmod(phrasing, len(NOUNS))
    block, zone = NOUNS[nouns]
    target = ""
    if command.target != NOTHING:
        number = command.target - len(BLOCKS)
        target = f"the {BLOCKS[command.target].name} {block}" if number < 0 else f"the {ZONES[number].name} {zone}"
    said = (*verb.frames, *verb.new_frames)[frame].format(
        object=f"the {BLOCKS[command.object].name} {block}", target=target
    )
    return f"{said[0].upper()}{said[1:]}."


def _kind(verb: Verb, phrasing: int) -> str:
    frame, nouns = divmod(phrasing, len(NOUNS))
    if frame >= len(verb.frames):
        return NEW_WORDS
    return HELD_OUT if (frame + nouns) % EVERY == 0 else TRAINED
