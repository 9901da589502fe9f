"""The command `wm-lab` as tests call it: in this process, where it starts at once, or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from hydra.core.global_hydra import GlobalHydra

from wm_lab import main
from wm_lab.__main__ import cli

QUIET = ("tracking=disabled", "scale=smoke")
SMALL = (  # planning in a learned model beside the scripted arms, and nothing else
    *QUIET,
    "model=latent_mlp",
    "exercise.clone=false",
    "exercise.advised=false",
    "exercise.attribution=false",
    "exercise.greedy=false",
)
ROOT = Path(main.__file__).parents[1]


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that tells what was wrong."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("wm-lab: ")]
        return line


def wm_lab(folder: Path, *arguments: str, **environment: str) -> Ended:
    """Call the command from `folder`, in this process."""
    kept = {k: v for k, v in os.environ.items() if k not in ("HYDRA_FULL_ERROR", main.TRACEBACK)} | environment
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.dict(os.environ, kept, clear=True),
        mock.patch.object(sys, "argv", ["wm-lab", *arguments]),
        mock.patch.object(sys, "path", [*sys.path]),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            GlobalHydra.instance().clear()
    return Ended(code, out.getvalue(), err.getvalue())


def start(folder: Path, *arguments: str, script: str = "from wm_lab.main import cli\ncli()") -> subprocess.Popen[str]:
    """Start the command in a process of its own; `script` is the program that stands for it."""
    return subprocess.Popen(
        [sys.executable, "-c", f"if __name__ == '__main__':\n    exec({script!r})", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def runs(folder: Path) -> list[Path]:
    """The run folders below `folder`, oldest first."""
    return sorted(folder.glob("outputs/runs/*")) + sorted(folder.glob("outputs/multiruns/*/[0-9]*"))


def artifacts(folder: Path, kind: str) -> list[str]:
    """Names of the finished artifacts of a kind in the store below `folder`."""
    return sorted(p.name for p in folder.glob(f"outputs/store/{kind}/*") if not p.name.startswith("."))
