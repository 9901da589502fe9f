"""What is taken from the private parts of Hydra and OmegaConf says what their public parts say."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf, base

from wm_lab.command_line.folders import CONF
from wm_lab.command_line.hydra_internals import remember_references, yaml_of
from wm_lab.config import register
from wm_lab.settings import plain_values


def test_resolved_values_are_written_as_omegaconf_writes_the_configuration():
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["tracking.name='on: yes'", "task=hand/push"])
    GlobalHydra.instance().clear()
    assert yaml_of(plain_values(config, resolve=True)) == OmegaConf.to_yaml(config, resolve=True)


def test_a_reference_within_a_reference_is_followed_each_time_anew():
    remember_references()
    parse = base.__dict__["parse"]
    remember_references()
    assert base.__dict__["parse"] is parse
    config = OmegaConf.create({"a": 1, "b": 2, "at": "a", "found": "${${at}}", "told": "<${found}> ${oc.env:NONE,x}"})
    assert (config.found, config.told) == (1, "<1> x")
    config.at, config.b = "b", 5
    assert (config.found, config.told) == (5, "<5> x")
