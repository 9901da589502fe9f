"""Kills and races: a command that is stopped at any moment, or meets its likes, ends in the numbers of a quiet one.

    OMP_NUM_THREADS=1 python -m tests.entry.kills --kills 40 --races 8 --sweeps 5 [--seed 0]

A small run whose two trainings go on side by side is killed (all its processes, the first one alone, one worker) or
asked to end (Ctrl-C, SIGTERM) at random moments, again and again, until the same command is let finish; in a race two
or three commands that share models begin together in one empty store. What they store and what they answer must be
what a quiet run does, but for clocks; nothing half built stays, and no worker outlives its parent by more than 2 s.
Nor do the processes of a sweep, and their workers, when its first process is killed at any moment.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.entry.command import SMALL, runs
from tests.entry.forked import Started, begin
from wm_lab.training import checkpoint

ONE = (*(word for word in SMALL if word != "exercise.clone=false"), "seeds=2", "workers=2")
SAVING = ("trainer.save_seconds=0", "bc_trainer.save_seconds=0")
PLANNING = (*ONE, *SAVING)
COMMANDS = {
    "planning": PLANNING,
    "another planner": (*PLANNING, "planner=mppi"),
    "imagination": (*(word for word in PLANNING if not word.startswith("exercise.")), "exercise=imagination"),
}
"""All of one world model, trained twice."""

SWEEP = (
    "-m",
    *PLANNING,
    "hydra/launcher=joblib",
    "hydra.launcher.n_jobs=2",
    "planner=cem,mppi",
    "trainer.steps=100000",
)

CLOCKS = {"seconds", "decision_ms", "frames_per_second", "ms_per_decision", "started", "ended", "sha256"}
LEFT = ".building-*", ".holder-*"
"""What a store holds while something is being built."""

WORKERS_STAY = 2.0  # seconds that workers may outlive their parent
SWEEP_SECONDS = 60.0  # in which it starts its processes, these their workers, and all are training
PATIENCE = 600.0
CLOCKED = ("speed/", "figure/")  # kinds that hold times, or show them
WAYS = ("all", "parent", "worker", "SIGINT", "SIGTERM")


def answers(folder: Path) -> dict[str, Any]:
    """What the runs below a folder stored and answered, without clocks: by artifact, and the last answer by command."""
    store = folder / "outputs" / "store"
    found: dict[str, Any] = {}
    for file in sorted(store.rglob("*")):
        name = str(file.relative_to(store))
        if file.is_dir() or name.startswith(CLOCKED) or file.name.startswith((".lock", ".holder")):
            continue
        if file.name == "best.pt":
            content = checkpoint.read(file)
            found[name] = {key: weight.double().sum().item() for key, weight in content["weights"].items()}
        elif file.suffix == ".json":
            found[name] = without_clocks(json.loads(file.read_text()))
        elif file.suffix == ".npy":
            found[name] = hash(file.read_bytes())
    for run in runs(folder):
        if (run / "result.json").exists():
            result = json.loads((run / "result.json").read_text())
            labels = result["labels"]
            found[f"{labels['exercise']} {labels['planner']}"] = without_clocks(result)
    return found


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in CLOCKS}
    if isinstance(value, list):
        return [without_clocks(item) for item in value]
    return repr(value)  # nan is itself here


def differences(found: Any, expected: Any, where: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            yield from differences(found.get(key), expected.get(key), f"{where}/{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{where}/{index}")
    elif found != expected:
        yield f"{where}: {str(found)[:80]} where a quiet run has {str(expected)[:80]}"


class Trial:
    """Counts and faults of a campaign, each fault told as it is found."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.draw = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.longest = 0.0
        self.seconds = PATIENCE  # of an undisturbed run: one that goes on where another was killed is shorter
        self._quiet: dict[str, Any] = {}

    def quiet(self, names: Sequence[str]) -> dict[str, Any]:
        """What these commands, undisturbed and one after another, store and answer together."""
        key = "+".join(sorted(set(names)))
        if key not in self._quiet:
            place = self.folder / f"quiet-{len(self._quiet)}"
            for name in sorted(set(names)):
                self.seconds = self.finish(begin(place, COMMANDS[name]), f"quiet {name}")
            self._quiet[key] = answers(place)
        return self._quiet[key]

    def finish(self, started: Started, what: str) -> float:
        """How many seconds it took."""
        began = time.monotonic()
        code = started.wait(PATIENCE)
        took = time.monotonic() - began
        if code is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait(PATIENCE)
        if code != 0:
            self.fault(f"{what}: exit code {code}", started)
        self.gone(started, what)
        return took

    def fault(self, words: str, started: Started | None = None) -> None:
        told = started.told.read_text(errors="replace")[-3000:] if started and started.told.exists() else ""
        self.faults.append(words)
        print(f"FAULT {words}\n{told}", flush=True)

    def gone(self, started: Started, what: str) -> float:
        """Seconds until none is left after the first process has ended."""
        lingering = started.lingering()
        self.longest = max(self.longest, lingering)
        if lingering > WORKERS_STAY:
            self.fault(f"{what}: processes lived {lingering:.1f} s longer than their parent", started)
        return lingering

    def compare(self, place: Path, names: Sequence[str], what: str) -> None:
        found, expected = answers(place), self.quiet(names)
        for difference in list(differences(found, expected))[:5]:
            self.fault(f"{what}: {difference}")
        for pattern in LEFT:
            for left in (place / "outputs" / "store").rglob(pattern):
                self.fault(f"{what}: {left} is left")
        shutil.rmtree(place)

    def kills(self, count: int) -> None:
        """Commands that are stopped up to four times before they may finish."""
        self.quiet(["planning"])
        while self.counts["kills"] < count:
            place = self.folder / f"kills-{self.counts['chains']}"
            self.counts["chains"] += 1
            ways = []
            for _ in range(min(self.draw.randint(2, 5), count - self.counts["kills"])):
                way, moment = self.draw.choice(WAYS), self.draw.uniform(0, self.seconds)
                ways.append(f"{way} after {moment:.1f} s")
                if self.stop(begin(place, PLANNING), way, moment, ways):
                    break
            self.finish(begin(place, PLANNING), f"{', '.join(ways)}, then left alone")
            self.compare(place, ["planning"], ", ".join(ways))
            print(f"{self.counts['kills']} kills, {len(self.faults)} faults: {', '.join(ways)}", flush=True)

    def stop(self, started: Started, way: str, moment: float, ways: Sequence[str]) -> bool:
        """Whether it had finished by itself by then."""
        what = ", ".join(ways)
        if started.wait(moment) is not None:
            self.gone(started, what)
            return True
        self.counts["kills"] += 1
        if way == "worker":
            workers: list[int] = []
            while not workers and started.wait(0) is None:
                workers = started.workers()
            if not workers:
                return True
            self.counts[way] += 1
            os.kill(self.draw.choice(workers), signal.SIGKILL)
            code = started.wait(PATIENCE)
            told = started.told.read_text(errors="replace")
            if code not in (0, 2) or "Traceback" in told or (code == 2) != ("wm-lab: " in told):
                self.fault(f"{what}: exit code {code}", started)
        else:
            self.counts[way] += 1
            if way == "all":
                os.killpg(started.pid, signal.SIGKILL)
            elif way == "parent":
                os.kill(started.pid, signal.SIGKILL)
            else:
                os.killpg(started.pid, signal.Signals[way])
            began = time.monotonic()
            code = started.wait(PATIENCE)
            self.counts["slow ends"] += time.monotonic() - began > 5
            told = started.told.read_text(errors="replace") if started.told.exists() else ""
            if "Traceback" in told:
                self.fault(f"{what}: a traceback, exit code {code}", started)
        self.gone(started, what)
        return False

    def races(self, count: int) -> None:
        """Two or three commands at once, the same or such as share models; now and then one of them is killed."""
        for race in range(count):
            place = self.folder / f"race-{race}"
            names = [self.draw.choice(list(COMMANDS)) for _ in range(self.draw.randint(2, 3))]
            if race % 2 == 0:
                names[1] = names[0]
            if race == 0:
                names = ["planning"] * 2
            expected = self.quiet(names)
            assert expected
            runners = []
            for name in names:
                runners.append((name, begin(place, COMMANDS[name])))
                time.sleep(self.draw.choice((0.0, 0.3, 3.0)))
            killed = self.draw.random() < 0.3
            if killed:
                time.sleep(self.draw.uniform(0, self.seconds))
                name, victim = runners.pop(self.draw.randrange(len(runners)))
                if victim.wait(0) is None:
                    os.kill(victim.pid, signal.SIGKILL)
                    victim.wait(PATIENCE)
                self.gone(victim, f"race {race}")
            for name, runner in runners:
                self.finish(runner, f"race {race} of {names}: {name}")
            if killed:
                self.finish(begin(place, COMMANDS[name := names[0]]), f"race {race}, again {name}")
                for other in set(names) - {name}:
                    self.finish(begin(place, COMMANDS[other]), f"race {race}, again {other}")
            self.compare(place, names, f"race {race} of {', '.join(names)}{' with a kill' if killed else ''}")
            self.counts["races"] += 1
            print(f"{self.counts['races']} races, {len(self.faults)} faults: {names} {killed}", flush=True)

    def sweeps(self, count: int) -> None:
        """Runs side by side that would train for long, whose first process is killed."""
        for sweep in range(count):
            place = self.folder / f"sweep-{sweep}"
            started, moment = begin(place, SWEEP), self.draw.uniform(0, SWEEP_SECONDS)
            if started.wait(moment) is not None:
                self.fault(f"sweep {sweep} ended by itself", started)
                continue
            there = len(started.processes())
            os.kill(started.pid, signal.SIGKILL)
            started.wait(PATIENCE)
            lingering = self.gone(started, f"sweep {sweep} after {moment:.1f} s")
            print(f"sweep after {moment:.1f} s: {there} processes, gone in {lingering:.2f} s", flush=True)
            self.counts["sweeps"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--races", type=int, default=8)
    parser.add_argument("--sweeps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), arguments.seed)
        if arguments.kills:
            trial.kills(arguments.kills)
        if arguments.races:
            trial.races(arguments.races)
        trial.sweeps(arguments.sweeps)
    print(f"{dict(trial.counts)}, longest stay of a worker {trial.longest:.1f} s, {len(trial.faults)} faults")
    return bool(trial.faults)


if __name__ == "__main__":
    sys.exit(main())
