"""A sweep's loader makes of every job what Hydra's own makes of it, and reads the files once a choice of groups."""

from __future__ import annotations

import pickle
from unittest import mock

import cloudpickle
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from wm_lab.errors import UserError
from wm_lab.launchers.composition import SweepLoader
from wm_lab.launchers.sweep import jobs_of
from wm_lab.main import CONF

JOBS = {
    "values": ["seed=3", "planner.horizon=7", "trainer.steps=5"],
    "a choice": ["model=latent_mlp", "seed=3"],
    "a choice and its values": ["task=hand/push", "task.tolerance=0.01", "model.units=8", "model=latent_mlp"],
    "a group that is not there by default": ["experiment=horizon", "seed=3"],
    "a package": ["trainer@bc_trainer=default", "bc_trainer.steps=3"],
    "a mapping and a list": ["scale={episodes: 2}", "scale.counts=[1,2]"],
    "what is added": ["+task.extra=1", "++seed=4"],
    "Hydra's own": ["hydra.job.name=mine", "seed=1"],
    "a quoted word": ["tracking.name='a,b'", "tracking.group=null"],
    "what is added between values": ["seed=3", "++seed=4", "planner.horizon=7"],
}


@pytest.fixture
def loaders():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        own = GlobalHydra.instance().hydra.config_loader
        master = own.load_configuration("config", ["seed=0,1", "hydra.sweep.dir=here"], RunMode.MULTIRUN)
        yield own, SweepLoader(own), master
    GlobalHydra.instance().clear()


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_job_is_composed_as_hydra_does_it(loaders, job):
    own, sweep, master = loaders
    expected = own.load_sweep_config(master, list(job))
    for _ in range(2):  # the second is not told what happened to the first
        found = sweep.load_sweep_config(master, list(job))
        assert OmegaConf.to_container(found) == OmegaConf.to_container(expected)
        found.seed = 99
    assert OmegaConf.is_struct(found) and OmegaConf.get_type(found, "hydra") is OmegaConf.get_type(expected, "hydra")


@pytest.mark.parametrize("job", [["planner.horizn=3"], ["seed=abc"], ["seed=1,2"], ["model=rsmm"], ["nothing=1"]])
def test_what_hydra_refuses_is_refused(loaders, job):
    own, sweep, master = loaders
    with pytest.raises(HydraException) as expected:
        own.load_sweep_config(master, list(job))
    with pytest.raises(type(expected.value)) as found:
        sweep.load_sweep_config(master, list(job))
    assert str(found.value) == str(expected.value)


def test_jobs_that_differ_in_values_are_composed_once_wherever_they_run(loaders):
    own, sweep, master = loaders
    elsewhere = [pickle.loads(cloudpickle.dumps(sweep)) for _ in range(3)]  # as a launcher sends it with each job
    kind, compose_by = type(own), type(own).load_configuration
    with mock.patch.object(kind, "load_configuration", autospec=True, side_effect=compose_by) as composed:
        seeds = [loader.load_sweep_config(master, [f"seed={k}"]).seed for k, loader in enumerate(elsewhere)]
    assert seeds == [0, 1, 2] and composed.call_count == 1


@pytest.mark.parametrize(
    ("word", "first", "count"),
    [("task=glob(suite/*)", "task=suite/fetch_pick_and_place", 12), ("task=glob(hand/*)", "task=hand/all", 8)],
)
def test_a_glob_finds_the_options_of_groups_within_a_group(loaders, word, first, count):
    _, sweep, master = loaders
    master.hydra.overrides.task = ["exercise=planning", word]
    jobs = jobs_of(master, sweep)
    assert len(jobs) == count and jobs[0] == ["exercise=planning", first]


def test_a_glob_that_matches_nothing_is_refused_with_what_there_is(loaders):
    _, sweep, master = loaders
    master.hydra.overrides.task = ["task=glob(sute/*)"]
    with pytest.raises(UserError, match=r"task=glob\(sute/\*\) matches none of: .*hand/push.*suite/hand_push"):
        jobs_of(master, sweep)


@pytest.mark.parametrize("folder", ["run", "sweep"])
def test_what_begins_in_the_same_second_has_folders_of_its_own(folder):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        folders = {str(compose("config", return_hydra_config=True).hydra[folder].dir) for _ in range(3)}
    assert len(folders) == 3
