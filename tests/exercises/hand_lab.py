"""Settings as the command line makes them, for tests that ask the planning exercise without the command."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from wm_lab.config import SECTIONS
from wm_lab.exercises.exercise import Exercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.main import CONF, read
from wm_lab.settings import build, complete


@cache
def settings(*overrides: str) -> Settings:
    """Of a smoke run on hand/reach with the smallest model."""
    GlobalHydra.instance().clear()
    before = HydraConfig.instance().cfg
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            chosen = ["scale=smoke", "model=latent_mlp", "device=cpu", "workers=1", *overrides]
            config = compose("config", chosen, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        return read(config)[0]
    finally:
        HydraConfig.instance().cfg = before


def changed(wanted: Settings, store: Path, **changes: dict[str, Any] | int) -> Settings:
    """The same with options of some sections (or whole values) changed, and a store of one's own."""
    values = {}
    for name, change in changes.items():
        if isinstance(change, dict):
            change = complete({**getattr(wanted, name), **change}, name, SECTIONS[name])
        values[name] = change
    return replace(wanted, store=store, **values)


def check(wanted: Settings) -> None:
    """What happens before any work."""
    experiment = Experiment(wanted)
    exercise = build(Exercise, wanted.exercise, "exercise")
    experiment.check()
    exercise.check(experiment)
