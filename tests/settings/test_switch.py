"""An option that is true or false takes no other number, from wherever it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import BooleanNode, DictConfig, OmegaConf
from omegaconf.errors import ValidationError

from wm_lab import config as schema
from wm_lab.command_line.folders import CONF
from wm_lab.command_line.mistakes import explain
from wm_lab.config import composed
from wm_lab.errors import UserError
from wm_lab.policies.behaviour_cloning import BehaviourCloningConfig
from wm_lab.settings import read_config


def switches() -> Iterator[tuple[DictConfig, str]]:
    """(schema, name) of every option that is true or false and that the command line can set."""
    schema.register()

    def within(node: DictConfig) -> Iterator[tuple[DictConfig, str]]:
        for name in node:
            inner = node._get_node(name)
            if isinstance(inner, DictConfig) and not inner._is_none() and not inner._is_missing():
                yield from within(inner)
            elif isinstance(inner, BooleanNode):
                yield node, str(name)

    def below(part: Any) -> Iterator[tuple[DictConfig, str]]:
        if isinstance(part, dict):
            for each in part.values():
                yield from below(each)
        else:
            yield from within(part.node)

    for name in ("schema", "root_schema.yaml"):
        yield from below(ConfigStore.instance().repo[name])


SWITCHES = list(switches())


def test_every_switch_is_true_or_false_and_nothing_else():
    assert len(SWITCHES) > 12
    for at, name in SWITCHES:
        for value, meant in ((True, True), (False, False), (1, True), (0, False), ("yes", True), ("off", False)):
            assert OmegaConf.merge(at, {name: value})[name] is meant, name
        for value in (999, -1, 2, 10**30, "999", 0.5, "perhaps"):
            with pytest.raises(ValidationError):
                OmegaConf.merge(at, {name: value})


@pytest.mark.parametrize("word", ["exercise.clone=999", "scale.by_difficulty=-3", "bc.fine=2"])
def test_a_number_in_the_place_of_a_switch_is_told_by_its_name(word):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        composed(CONF, [word])
    name, _, value = word.partition("=")
    assert explain(raised.value) == f"{name}: {value} is neither true nor false"


def test_from_python_too():
    with pytest.raises(UserError, match=r"bc.fine: 3 is neither true nor false"):
        read_config(BehaviourCloningConfig, {"fine": 3}, "bc")
