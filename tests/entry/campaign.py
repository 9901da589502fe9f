"""Random command lines, sensible and not, composed and checked as the command does, up to where work would begin.

    OMP_NUM_THREADS=1 python -m tests.entry.campaign 2000 [--seed 0]

Each must be accepted, or refused in one sentence with exit code 2: no traceback, no more than 5 s of computing, no
memory that a machine may lack, nothing senseless accepted. Prints what was not so, and how many were accepted and
refused. Each runs in a process forked from this one; `--both` runs it in a fresh one as well, and both must say the
same.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from omegaconf import OmegaConf

from tests.entry.command import QUIET, start
from tests.entry.forked import begin
from wm_lab import __main__ as entry
from wm_lab.config import SECTIONS, composed
from wm_lab.main import CONF

SECONDS = 5.0  # of computing
GIB = 2.0
PATIENCE = 300.0  # seconds until a command hangs; others may keep the processors busy
NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e9", "1000000000", "1", "2", "0.5", "7", "1e-9", "1e400")
OTHERS = (
    "null",
    "[]",
    "[1]",
    "[nan]",
    "{}",
    "{a:1}",
    "''",
    "true",
    "x",
    "../x",
    "'~/x'",
    "???",
    "'${seed}'",
    "'${nope}'",
)
OTHERS += ("9" * 400, "x" * 3000, "[" * 30 + "]" * 30, "a b(", "é", "_", "/dev/null", "'${'", "0x10", "1_000")
GROUPS = ("exercise", "task", "model", "planner", "objective", "data", "trainer", "scale", "experiment", "policy@mpc")
GROUPS += ("policy@bc", "trainer@bc_trainer", "model@exercise.reranker", "tracking", "hydra/launcher", "hparams_search")
ODD_NAMES = (
    "1",
    "null",
    "[]",
    "[0]",
    "../model/rssm",
    "nope",
    "''",
    "/etc/passwd",
    "true",
    "{}",
    "rssm",
    "-1",
    "x/y/z",
)
FAST_TASKS = ("hand/reach", "hand/push", "gym/reacher")  # others take seconds to be made
LEFT_OUT = ("outputs", "device", "trainer.threads", "tracking.")  # of this machine, or of nobody's numbers


class Trial(NamedTuple):
    words: tuple[str, ...]
    code: int
    """ACCEPTED where work would have begun."""
    told: str
    seconds: float
    fault: str | None


ACCEPTED = 99


def up_to_the_work() -> None:
    """The command, which ends with the exit code ACCEPTED where work would begin."""
    with mock.patch("wm_lab.main.Run", side_effect=SystemExit(ACCEPTED)):
        entry.cli()


def trials(count: int, seed: int, both: bool = False) -> Iterator[Trial]:
    """both: in a fresh process as well, whose code and words must be the same."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            trial = tried(Path(folder), draw_words(draw))
            if both and (fresh := tried_afresh(Path(folder), trial.words)) != (trial.code, trial.told):
                trial = trial._replace(fault=f"{trial.code} {trial.told}\n    afresh: {fresh[0]} {fresh[1]}")
            yield trial


def draw_words(draw: random.Random) -> tuple[str, ...]:
    """Choices of groups, most of them sensible, and one to three options of them with values of any kind."""
    chosen = {"task": draw.choice(FAST_TASKS)}
    for group in draw.sample(("model", "planner", "exercise", "objective", "data"), draw.randint(0, 2)):
        chosen[group] = draw.choice([file.stem for file in sorted((CONF / group).glob("*.yaml"))])
    chosen = {group: name for group, name in chosen.items() if (group, name) != ("data", "recorded")}
    words = [f"{group}={name}" for group, name in chosen.items()]
    options = names(tuple(words))
    for _ in range(draw.randint(1, 3)):
        kind = draw.random()
        if kind < 0.1:
            words.append(f"{draw.choice(GROUPS)}={draw.choice(ODD_NAMES)}")
        elif kind < 0.2:
            words.append(f"{draw.choice(list(SECTIONS))}={draw.choice(OTHERS)}")
        else:
            words.append(f"{draw.choice(options)}={draw.choice(NUMBERS if draw.random() < 0.7 else OTHERS)}")
    return tuple(words)


def names(words: tuple[str, ...], known: dict[tuple[str, ...], list[str]] = {}) -> list[str]:  # noqa: B006
    """Every option of what these words choose."""
    if words not in known:
        plain = OmegaConf.to_container(composed(CONF, [*QUIET, *words]))
        known[words] = [name for name in _below(plain, "") if not name.startswith(LEFT_OUT)]
    return known[words]


def _below(node: object, name: str) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _below(value, f"{name}.{key}" if name else str(key))
    else:
        yield name


def tried(folder: Path, words: tuple[str, ...]) -> Trial:
    """What the command says of these words."""
    started = begin(folder, [*QUIET, *words], up_to_the_work)
    ended = started.ended(PATIENCE)
    if ended is None:
        os.killpg(started.pid, signal.SIGKILL)
        ended = started.ended(PATIENCE)
        assert ended is not None
    whole = started.told.read_text(encoding="utf-8", errors="replace")
    started.told.unlink()
    told = sentences(whole)
    fault = None
    if ended.code == ACCEPTED:
        fault = next((f"accepted {word}" for word in words if senseless(word)), None)
    elif ended.code != 2 or len(told) != 1 or "Traceback" in whole:
        fault = f"exit code {ended.code} and {len(told)} sentences\n{whole[-2000:]}"
    if ended.seconds > SECONDS:
        fault = fault or f"{ended.seconds:.1f} s of computing"
    if ended.memory > GIB:
        fault = fault or f"{ended.memory:.1f} GiB of memory"
    return Trial(words, ended.code, " / ".join(told), ended.seconds, fault)


def tried_afresh(folder: Path, words: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and sentence of the same words in a process that imports everything itself."""
    script = f"from {__spec__.name} import up_to_the_work\nup_to_the_work()"
    process = start(folder, *QUIET, *words, script=script)
    told = process.communicate(timeout=PATIENCE)
    return process.returncode, " / ".join(sentences("".join(told)))


def sentences(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("wm-lab: ")]


def senseless(word: str) -> bool:
    """Whether no option can mean this."""
    try:
        return not math.isfinite(float(word.partition("=")[2].strip("[]")))
    except ValueError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--both", action="store_true", help="in a fresh process as well")
    parser.add_argument("--show", action="store_true", help="print every sentence")
    arguments = parser.parse_args()
    ends: Counter[str] = Counter()
    seconds = 0.0
    for trial in trials(arguments.count, arguments.seed, arguments.both):
        ends["fault" if trial.fault else "accepted" if trial.code == ACCEPTED else "refused"] += 1
        seconds += trial.seconds
        if trial.fault or arguments.show:
            print(f"{' '.join(trial.words)[:300]}\n    {trial.fault or trial.told or 'accepted'}", flush=True)
    print(f"{seconds / arguments.count:.2f} s of computing each")
    print(", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    return bool(ends["fault"])


if __name__ == "__main__":
    sys.exit(main())
