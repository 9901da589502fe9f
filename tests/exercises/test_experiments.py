"""Every preset of `conf/experiment` asks a question that can be asked."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from tests.exercises.hand_lab import changed, check, settings
from tests.extras import need
from wm_lab.command_line.hydra_internals import basic_sweeper
from wm_lab.main import CONF

NEEDED = dict.fromkeys(("demonstrations", "suite"), ("ogbench", "tasks")) | dict.fromkeys(
    ("online_control", "planet", "dreamer"), ("dm_control", "dmc")
)
"""Presets that another library is asked for, and the extra that brings it."""
MODELS = {"world_models": "mdn_rnn"}
"""Of presets that only their own model can go through; the others are checked with the smallest."""
PRESETS = sorted((CONF / "experiment").glob("*.yaml"))


def cells(preset) -> list[list[str]]:
    """Overrides of the jobs that a preset sweeps over; a single run where it sweeps over nothing."""
    swept = OmegaConf.select(OmegaConf.load(preset), "hydra.sweeper.params") or {}
    parsed = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in swept.items()])
    return basic_sweeper.BasicSweeper.split_arguments(parsed, None)[0]


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_the_first_and_the_last_cell_of_a_preset_pass_every_check(preset, tmp_path):
    if preset.stem in NEEDED:
        need(*NEEDED[preset.stem])
    jobs = cells(preset)
    model = MODELS.get(preset.stem, "latent_mlp")
    for job in (jobs[0], jobs[-1]):
        check(changed(settings(f"experiment={preset.stem}", f"model={model}", *job), tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_mixture_of_one_behaviour_holds_no_other():
    one = cells(CONF / "experiment" / "data_mixture.yaml")[0]
    mixture = settings("experiment=data_mixture", *one).data["mixture"]
    assert [name for name, share in mixture.items() if share] == ["noisy_expert"]


@pytest.mark.parametrize(
    ("overrides", "episodes"),
    [
        (("data=online", "task=hand/reach"), 5),
        (("data=online", "task=gym/half_cheetah"), 5),
        (("data=online", "task=dmc/reacher_easy"), 80),
        (("data=online", "task=dmc/reacher_easy", "data.episodes=7"), 7),
        (("experiment=planet", "task=dmc/reacher_easy"), 5),
        (("experiment=dreamer", "task=dmc/reacher_easy"), 5),
    ],
)
def test_rounds_begin_with_more_random_episodes_where_the_task_says_so(overrides, episodes):
    assert settings(*overrides).data["episodes"] == episodes
