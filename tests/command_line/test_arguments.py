"""What is typed in another order, with `~`, or beside Hydra's grammar is understood or answered."""

from __future__ import annotations

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from wm_lab.command_line.arguments import understood
from wm_lab.errors import UserError
from wm_lab.main import CONF


def test_options_may_stand_between_overrides():
    assert understood(["seed=0,1", "-m", "model=rssm"], CONF) == ["-m", "seed=0,1", "model=rssm"]
    between = ["seed=1", "--config-dir", "/tmp", "model=rssm", "--config-name=course"]
    assert understood(between, CONF) == ["--config-dir", "/tmp", "--config-name=course", "seed=1", "model=rssm"]


def test_the_home_folder_is_written_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/some one")
    typed = ["--config-dir=~/lab", "outputs=~/runs", "data.path=~"]
    assert understood(typed, CONF) == [
        "--config-dir=/home/some one/lab",
        "outputs=/home/some one/runs",
        "data.path=/home/some one",
    ]
    monkeypatch.setenv("HOME", "/home/a(b)")
    (word,) = understood(["outputs=~/runs"], CONF)
    assert OverridesParser.create().parse_override(word).value() == "/home/a(b)/runs"


@pytest.mark.parametrize("value", ["/data/a b(c).d", "it's", 'a:b{c"d', "C:\\x (1)\\", "[", "a=b,{", "\\\"'"])
def test_what_cannot_be_read_is_answered_with_quotes_that_keep_it(value):
    with pytest.raises(UserError, match="quote it: ") as refused:
        understood([f"tracking.name={value}"], CONF)
    (word,) = shlex.split(str(refused.value).partition("quote it: ")[2])
    assert OverridesParser.create().parse_override(word).value() == value


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["help"], "'help' is no option.*--help"),
        (["list"], "'list' is no option.*--help"),
        (["=3"], "names no option"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--config-path=/tmp"], "--config-dir adds a folder"),
        (["--experimental-rerun=nothing.pickle"], "type the command again"),
        (["--resolve"], "--cfg job --resolve"),
        (["--cfg", "job", "-m"], "only one of"),
        (["seed=" + "9" * 5000], r"99….*\(5005 characters\) cannot be read"),
    ],
)
def test_what_hydra_would_trip_over_is_a_sentence(words, sentence):
    with pytest.raises(UserError, match=sentence):
        understood(words, CONF)


@pytest.mark.parametrize(
    "word",
    [
        *("planner=1", "task=null", "model=null", "exercise=../model/rssm", "trainer=[0]", "task=hand/reach,1"),
        *("experiment=[latent,2]", "trainer@bc_trainer=null", "model@exercise.reranker=3", "planner=/etc/passwd"),
    ],
)
def test_a_group_that_is_given_no_name_tells_its_names(word):
    group = word.partition("=")[0].partition("@")[0]
    with pytest.raises(UserError, match=f"{group} is chosen by name; leave it out, or name one of: .*"):
        understood(["-m", word], CONF)


def test_names_lists_of_names_globs_and_sections_pass():
    words = [
        "planner='cem'",
        "experiment=[latent,horizon]",
        "task=glob(hand/*)",
        "seed=range(3)",
        "task={goal:push}",
        "~planner",
    ]
    assert understood(["-m", *words], CONF) == ["-m", *words]
