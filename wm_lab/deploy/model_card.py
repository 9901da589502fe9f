"""The README of an export: what was trained on what, how well it did, and how to load it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wm_lab import __version__
from wm_lab.deploy.loaded_run import LoadedRun
from wm_lab.policies.behaviour_cloning import BehaviourCloningConfig
from wm_lab.reports.words import TERMS

CARD = """---
library_name: wm_lab
pipeline_tag: robotics
license: other
tags: [robotics, world-model, wm_lab]
---

# {model} on {task}

{verdict}

| what | |
|---|---|
| task | {task}: {instruction} |
| success | {success} |
| observations | {observations} |
| actions | {actions} numbers in [-1, 1]; {hz} |
| physics | {physics} |
| data | {data} |
| trained by | wm_lab {version}, `{command}` |

## Results

{results}

Intervals of 95 % over n episodes (and training seeds, where there are several). Success is the first time that the test
holds; the episodes are frozen, and no model was trained or chosen on them.{terms}

## Files

{files}

## How to load it

{loading}

Observations come as the data hold them, in the task's own units: every network brings its own normalisation. Actions
lie in [-1, 1]; `Task.command` of the lab turns them into the robot's.

## Limits

It was trained and judged on this task and physics alone. On a robot, bound its actions by a safety layer of your own.

## Licence

The code of wm_lab is MIT. The weights have no licence until whoever publishes them names one: replace `license: other`
above.
"""

BY_LAB = """With the lab (`pip install` its repository):

```python
from wm_lab.deploy.export import load_exported

model = load_exported("."{which})
```"""
BY_ONNX = """The cloned policy with onnxruntime alone:

```python
import onnxruntime

# {{key: [B, history, ...]}}, oldest first -> [B, chunk, A]; execute the first {execute} of each chunk, then ask anew
actions = onnxruntime.InferenceSession("clone.onnx").run(None, observations)[0]
```"""
BY_TORCH = """One imagined step with PyTorch alone; a first belief comes from the lab's `model.encode`:

```python
import torch

# (*belief, action [B, A]) -> (*belief, features [B, F], reward [B], probability of going on [B])
step = torch.export.load("transition.pt2").module()
```"""
FILES = {
    "world_model.safetensors": "weights of the world model",
    "world_model.json": "its class, options and statistics of the data",
    "clone.safetensors": "weights of the cloned policy",
    "clone.json": "its class, options and statistics of the data",
    "clone.onnx": "the cloned policy for onnxruntime",
    "transition.pt2": "one imagined step for PyTorch",
    "config.yaml": "what was asked of the run",
}


def model_card(run: LoadedRun, files: Sequence[str]) -> str:
    """Markdown with the front matter that model hubs read."""
    spec, labels = run.task_spec, run.result["labels"]
    seen = ", ".join(f"{key} {list(shape)}" for key, shape in spec.observation.items())
    data = ", ".join(f"{each.what} ({each.place})" for each in run.used if each.what in DATA)
    return CARD.format(
        model=labels.get("model", "a model"),
        task=spec.name,
        verdict=run.result["verdict"][:1].upper() + run.result["verdict"][1:],
        instruction=spec.instruction,
        success=spec.success_test or "rewards alone",
        observations=seen,
        actions=spec.action_size,
        hz="no rate is known" if spec.control_hz is None else f"{spec.control_hz:g} a second",
        physics=spec.physics,
        data=data or "none",
        version=__version__,
        command=run.record.command,
        results=_results(run.folder / "tables" / "success.csv"),
        terms=_arms(run.folder / "tables" / "success.csv"),
        files="\n".join(f"- `{name}`: {FILES[name]}" for name in files),
        loading="\n\n".join(_loading(run, files)),
    )


def _loading(run: LoadedRun, files: Sequence[str]) -> Iterator[str]:
    """A way for each kind of file that there is."""
    if "world_model.json" not in files:
        yield BY_LAB.format(which=', "clone"')
    else:
        yield BY_LAB.format(which="")
        if "clone.json" in files:
            yield '`load_exported(".", "clone")` is the cloned policy.'
    if "clone.onnx" in files:
        yield BY_ONNX.format(execute=BehaviourCloningConfig.played(run.settings.bc).execute)
    if "transition.pt2" in files:
        yield BY_TORCH


DATA = ("collection", "demonstrations", "recording")


def _results(table: Path) -> str:
    """Success of every arm with its interval, as the run's table has it."""
    if not table.is_file():
        return "This run has played no episodes."
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        f"| {row['arm']} | {_interval(row, 'success')} | {_interval(row, 'still_there')} | {_n(row)} |" for row in rows
    ]
    return "\n".join(["| arm | success | still there at the end | n |", "|---|---|---|---|", *lines])


def _arms(table: Path) -> str:
    """What the arms of the table are, for whoever has not run the lab."""
    if not table.is_file():
        return ""
    with table.open(encoding="utf-8", newline="") as file:
        arms = {row["arm"] for row in csv.DictReader(file)}
    return "\n\n" + "\n".join(f"- `{name}`: {meaning}" for name, meaning in TERMS.items() if name in arms)


def _interval(row: Mapping[str, str], name: str) -> str:
    found = [row.get(f"{name}{part}") or "" for part in ("", "_low", "_high")]
    return "–" if "" in found else "{:.2f} [{:.2f}, {:.2f}]".format(*map(float, found))


def _n(row: Mapping[str, str]) -> str:
    seeds = row.get("n_seeds", "1")
    return row["n"] if seeds in ("", "0", "1") else f"{row['n']} × {seeds}"
