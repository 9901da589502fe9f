"""A disk that is full at every stage: each time a sentence, and with room the same command goes on to the same answer.

    OMP_NUM_THREADS=1 python -m tests.entry.full_disk [--step 16] [--only planning]

Mounts a small tmpfs, for which it must be root, and calls each command on it again and again while the disk grows, by a
few kB where something failed for the first time and by twice as many each time after. Until it fits, every call must
end in one sentence (of a sweep: one a job) with exit code 2, no traceback, and leave nothing half written that the next
believes. At the end there must be what a quiet run writes: clocks aside, the same numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.entry.command import QUIET, SMALL
from tests.entry.forked import begin
from tests.entry.kills import ONE, SAVING, answers, differences
from wm_lab import __main__ as entry
from wm_lab import data_command

PATIENCE = 600.0
STORE = Path("outputs", "store")
BEGINNING = 16  # kB, in which there is room for a folder and a first file
PIXELS = (*QUIET, "exercise=collect", "task.observation=pixels", "data.episodes=2", "workers=1")


class Walk(NamedTuple):
    """One command."""

    words: tuple[str, ...]
    program: Callable[[], object] = entry.cli
    answers: Callable[[Path], Any] = answers
    kept: tuple[str, ...] = ()
    """Kinds of artifacts that are there already, so that the disk is full when they are used."""


def stored(folder: Path) -> dict[str, Any]:
    """What stands in the store: a collection's own answer is its place and how long it took."""
    return {name: content for name, content in answers(folder).items() if "/" in name}


def files(folder: Path) -> dict[str, Any]:
    """{file of the new dataset: its hash}, as far as its bytes are no clock's."""
    made = folder / "made"
    return {
        str(file.relative_to(made)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(made.rglob("*"))
        if file.is_file()
    }


PLANNING = (*(word for word in ONE if word != "workers=2"), *SAVING, "workers=1")
IMAGINATION = (*SMALL[:3], "exercise=imagination", "task.observation=pixels", "workers=1")
MADE = ("dataset", "model")

WALKS = {
    "collect": Walk(PIXELS, answers=stored),
    "planning": Walk(PLANNING),
    "playing": Walk(PLANNING, kept=MADE),
    "imagination": Walk(IMAGINATION, kept=MADE),
    "sweep": Walk(("-m", *SMALL, "workers=1", "planner=cem,mppi"), kept=MADE),
    "export": Walk(("export", "../data", "made"), data_command.cli, files),
    "import": Walk(("import", "../lerobot", "made"), data_command.cli, files),
}


@contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own at `place`; CalledProcessError where this system mounts none."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def resize(place: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", place], check=True)


def used(place: Path) -> int:
    """Kilobytes."""
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize // 1024


def walked(folder: Path, name: str, step: int) -> Iterator[str]:
    """Faults of one command on a disk that grows by `step` kB at first."""
    walk = WALKS[name]
    with disk(folder / "quiet" / "disk", 2**20) as quiet:
        code, told = called(quiet, walk)
        assert code == 0, told
        expected, needed = walk.answers(quiet), used(quiet)
        for kind in walk.kept:
            shutil.copytree(quiet / STORE / kind, folder / "kept" / STORE / kind)
    with disk(folder / name / "disk", 2**20) as place:
        if walk.kept:
            shutil.copytree(folder / "kept", place, dirs_exist_ok=True)
        resize(place, size := used(place) + BEGINNING)
        failed: Counter[str] = Counter()
        while (ended := called(place, walk))[0] != 0:
            sentences = [line for line in ended[1].splitlines() if line.startswith("wm-lab")]
            if (fault := fault_of(*ended, sentences, jobs=name == "sweep")) is not None:
                yield f"{name} with {size} kB: {fault}"
            assert size < 10 * needed + 10_000, f"{name} does not end where a quiet run needs {needed} kB"
            what = re.sub(r"[0-9a-f]{6,}|\d", "", "".join(sentences[-1:]))
            size += step * 2 ** failed[what]
            failed[what] += 1
            resize(place, size)
        for difference in list(differences(walk.answers(place), expected))[:5]:
            yield f"{name}: {difference}"
        for left in place.rglob(".building-*"):
            yield f"{name} leaves {left.relative_to(place)}"
    print(f"{name}: full {failed.total()} times, up to {size} kB, in {len(failed)} places", flush=True)
    for what in failed:
        print(f"    {failed[what]} × {what[:200]}", flush=True)


def fault_of(code: int, told: str, sentences: list[str], jobs: bool) -> str | None:
    """What is wrong with how a command on a full disk ended; `jobs`: it may say a sentence for each of several."""
    if code != 2 or "Traceback" in told or (len(sentences) != 1 and not jobs):
        return f"exit code {code}\n{told[-4000:]}"
    return None if "space" in " ".join(sentences) else f"the disk is not named: {sentences}"


def called(place: Path, walk: Walk) -> tuple[int, str]:
    """Exit code and words of the command, called on the disk; what it tells goes elsewhere."""
    started = begin(place.parent, walk.words, lambda: (os.chdir(place), walk.program()))
    code = started.wait(PATIENCE)
    assert code is not None, f"{walk.words} hangs"
    told = started.told.read_text(encoding="utf-8", errors="replace")
    return code, told


def prepare(folder: Path) -> None:
    """A dataset with images, and the same in LeRobot's format."""
    lab = Walk(PIXELS)
    (folder / "lab").mkdir()
    code, told = called(folder / "lab", lab)
    assert code == 0, told
    (made,) = (path for path in folder.glob("lab/outputs/store/dataset/*") if not path.name.startswith("."))
    for name in ("export", "import"):
        for beside in ("quiet", name):
            (folder / beside).mkdir(exist_ok=True)
            (folder / beside / "data").unlink(missing_ok=True)
            (folder / beside / "data").symlink_to(made)
            (folder / beside / "lerobot").unlink(missing_ok=True)
            (folder / beside / "lerobot").symlink_to(folder / "whole")
    code, told = called(folder, Walk(("export", str(made), str(folder / "whole")), data_command.cli))
    assert code == 0, told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=16, help="kB")
    parser.add_argument("--only", choices=list(WALKS), nargs="+", default=list(WALKS))
    arguments = parser.parse_args()
    found = 0
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            if name in ("export", "import"):
                prepare(Path(folder))
            for fault in walked(Path(folder), name, arguments.step):
                found += 1
                print(f"FAULT {fault}", flush=True)
    print(f"{found} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
