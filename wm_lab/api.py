"""The lab from Python: what the command line can ask, a script or a notebook asks with the same words."""

from __future__ import annotations

from wm_lab.command_line.folders import CONF
from wm_lab.command_line.mistakes import explain
from wm_lab.config import composed
from wm_lab.errors import UserError
from wm_lab.exercises.exercise import Answer
from wm_lab.main import run


def ask(*overrides: str) -> Answer:
    """Run one exercise, as `wm-lab <overrides>` does, and return its answer.

    Data, models and episodes come from the same store, and the run keeps a folder of its own, below `outputs`.
    Raises UserError, with the sentence the command would end in, for whatever the caller can mend.

        answer = ask("exercise=imagination", "task=hand/push", "scale=smoke")
        answer.verdicts[0], answer.numbers, answer.tables, answer.figures
    """
    try:
        return run(composed(CONF, overrides))
    except Exception as error:
        told = explain(error, [CONF])
        if told is None or isinstance(error, UserError):
            raise
        raise UserError(told) from error
