"""Whether the experts of the suite can do their own tasks, on held-out seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydra import compose, initialize_config_dir
from measure import Row, size
from omegaconf import OmegaConf

from wm_lab import config as schema
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import SPLITS
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import build
from wm_lab.tasks.task import Task

CONF = Path(__file__).resolve().parents[2] / "conf"
EPISODES = 50
KNOWN = {  # episodes of 50 held-out ones that such experts solved when the suite was put together; 50 where not named
    "hand_push": 48,
    "hand_stack": 48,
    "fetch_push": 48,
    "point_maze_large": 48,
    "metaworld_peg_insert_side": 47,
}
TASKS = ("*.yaml", "hand_reach.yaml")  # of the suite; the last where everything is small
SLACK = 0.03  # of the rate, for starts that are not the same


def run() -> list[Row]:
    rows = []
    count = size(EPISODES, 2)
    seeds = list(SPLITS["test"][:count])
    schema.register()
    for file in sorted((CONF / "task" / "suite").glob(TASKS[size(0, 1)])):
        name = file.stem
        with initialize_config_dir(str(CONF), version_base="1.3"):
            section = OmegaConf.to_container(compose("config", overrides=[f"task=suite/{name}"]).task, resolve=True)
        try:
            build(Task, section, "task")
        except UserError as missing:  # a library that is not installed
            print(f"  {name}: {missing}")
            continue
        config = PlayConfig(stop_after_success=0, group=5)
        episodes = play(partial(build, Task, section, "task"), ExpertPolicy, seeds, config, workers=None)
        solved = sum(episode.solved for episode in episodes) / len(episodes)
        steps = sum(episode.first_success or 0 for episode in episodes) / max(1, sum(e.solved for e in episodes))
        least = KNOWN.get(name, EPISODES) / EPISODES - SLACK
        rows.append(Row(f"expert of suite/{name}, {count} seeds, {steps:.0f} steps", solved, "", least, least=True))
    return rows
