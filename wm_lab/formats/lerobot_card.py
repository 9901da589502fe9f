"""The README of a LeRobot dataset: what was recorded, in the words that dataset hubs read."""

from __future__ import annotations

from wm_lab.formats.source import Source

CARD = """---
license: other
task_categories: [robotics]
tags: [LeRobot, wm_lab]
configs:
- config_name: default
  data_files: data/*/*.parquet
---

# {task}

{instruction}

| what | |
|---|---|
| episodes | {episodes} |
| frames | {frames}, {fps:g} a second |
| observations | {observations} |
| actions | {actions} numbers |
| success test | {success} |
| physics | {physics} |
| format | LeRobotDataset {version}, written by wm_lab |

An episode of L actions has L + 1 frames: the last one shows what the last action led to, and its own action is 0. Read
again by `wm-lab-data import`, all numbers are the same to the bit.

The recording has no licence until whoever publishes it names one: replace `license: other` above.
"""


def dataset_card(source: Source, frames: int, version: str) -> str:
    """Markdown with the front matter of a hub."""
    spec = source.task_spec
    seen = ", ".join(f"{key} {list(shape)}" for key, shape in spec.observation.items())
    return CARD.format(
        task=spec.name,
        instruction=spec.instruction,
        episodes=len(source),
        frames=frames,
        fps=spec.control_hz,
        observations=seen,
        actions=spec.action_size,
        success=spec.success_test or "none",
        physics=spec.physics,
        version=version,
    )
