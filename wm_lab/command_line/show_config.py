"""`wm-lab --cfg job` without PyTorch, of which the dataclasses that a configuration is checked by ask nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from typing import NamedTuple

from wm_lab.command_line.folders import CONF
from wm_lab.system.loading import spared
from wm_lab.system.stand_ins import standing_in

HEAVY = ("gymnasium", "matplotlib", "mujoco", "PIL", "scipy", "sklearn", "torch", "wandb")
ASKED = (("--cfg", "job"), ("-c", "job"))
OTHERS = ("--config-dir", "-cd", "hydra.searchpath", "+hydra.searchpath", "sweep.resume")
"""What brings code of others, which may ask more of a package than the lab's does, or another command."""

WHOLE = "import sys; sys.path[:] = {path!r}; from wm_lab.__main__ import whole; whole()"


class Told(NamedTuple):
    out: str
    error: str


def is_asked(words: Sequence[str]) -> bool:
    """Whether these words ask for what `shown` can do, in a process that has loaded nothing yet."""
    asked = "--cfg=job" in words or any(pair in ASKED for pair in pairwise(words))
    return asked and not any(word.startswith(OTHERS) for word in words) and sys.modules.keys().isdisjoint(HEAVY)


def shown(words: Sequence[str]) -> Told | None:
    """What the command prints; None where it fails, and only the whole program can say why.

    Leaves stand-ins behind: nothing else can be done in this process.
    """
    out, error, environment = io.StringIO(), io.StringIO(), dict(os.environ)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's errors are raised, not told
    try:
        with spared(), redirect_stdout(out), redirect_stderr(error), standing_in(HEAVY):
            _compose(words)
    except (Exception, SystemExit):
        return None
    finally:
        os.environ.clear()
        os.environ.update(environment)
    return Told(out.getvalue(), error.getvalue())


def in_whole(words: Sequence[str]) -> int:
    """The exit code of the command with these words, run in a process of its own with all that it needs."""
    return subprocess.call([sys.executable, "-c", WHOLE.format(path=sys.path), *words])


def _compose(words: Sequence[str]) -> None:
    import hydra

    from wm_lab import config as schema
    from wm_lab.command_line.arguments import understood

    sys.argv[1:] = understood(words, CONF)
    schema.register()
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(_never)()


def _never(_: object) -> None:
    """What Hydra would run."""
    raise AssertionError("a configuration was asked for, and no run")


_never.__module__ = "wm_lab.main"  # by which Hydra names jobs
