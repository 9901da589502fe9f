"""Completion offers what there is to choose and to set, in a real shell, before anybody waits."""

from __future__ import annotations

import os
import pty
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.entry.command import ROOT
from tests.entry.user_lab import write
from wm_lab.command_line.folders import CONF
from wm_lab.errors import UserError
from wm_lab.help.choices import sections
from wm_lab.help.completion import answer, complete, options_of
from wm_lab.help.options import RUN
from wm_lab.help.options import options_of as true_options

CHOICES = (
    *("model=rssm_100m", "model=video_token_latent", "model=decoder_only", "model=video_diffusion", "model=simulator"),
    *("task=gym/pusht", "task=metaworld/reach", "task=suite/hand_push", "task=point_maze", "planner=mppi"),
    *(
        "value=return",
        "behaviour=actor_critic",
        "exercise=planning_brief",
        "exercise=augmentation",
        "exercise=imagination",
        "exercise=latent",
    ),
)

NONE_BY_DEFAULT = ("value", "behaviour")
"""Sections whose usual choice is to have none, with no options."""


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("wm-lab task=hand/r", ["task=hand/reach"]),
        ("wm-lab -m planner=cem,m", ["planner=cem,mppi"]),
        ("wm-lab tracking.mode=o", ["tracking.mode=offline", "tracking.mode=online"]),
        ("wm-lab scale.by_difficulty=", ["scale.by_difficulty=false", "scale.by_difficulty=true"]),
        ("wm-lab model=video_token model.lat", ["model.latent_actions.labelled=", "model.latent_actions.levels="]),
        ("wm-lab see", ["seed=", "seeds="]),
        ("wm-lab trainer@bc_trainer=d", ["trainer@bc_trainer=default"]),
        ("wm-lab ++bc.hid", ["++bc.hidden="]),
        ("wm-lab --config-name ", ["config", "course", "scorecard"]),
        ("wm-lab --cfg j", ["job"]),
        ("wm-lab --v", ["--version"]),
        ("wm-lab task=nothing/", []),
        ("wm-lab nothing.", []),
    ],
)
def test_what_can_stand_there_is_offered(line, offered):
    assert complete(line) == offered


@pytest.mark.parametrize("choice", [*sections(CONF), "evaluation", RUN, *CHOICES])
def test_the_options_offered_are_those_that_there_are(choice):
    section, equals, _ = choice.partition("=")
    if section in ("experiment", "hparams_search"):
        pytest.skip("sets options of others, and has none of its own")
    offered = [name for name, _ in options_of("" if section == RUN else section, [choice] if equals else [])]
    there_are = sorted(o.name for o in true_options(section, choice if equals else None))
    assert sorted(offered) == there_are and (there_are or section in NONE_BY_DEFAULT)


def test_what_lies_in_a_folder_of_ones_own_is_offered(tmp_path):
    lab = write(tmp_path)
    assert complete(f"wm-lab --config-dir {lab} model=to") == ["model=toy"]
    assert complete(f"wm-lab --config-dir {lab} planner=toy planner.cour") == ["planner.courage="]


def test_a_shell_that_is_not_known_is_answered_with_those_that_are():
    with pytest.raises(UserError, match="did you mean install=bash"):
        answer(["-sc", "install=dash"])


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Path:
    """A folder for PATH that holds the command."""
    folder = tmp_path_factory.mktemp("bin")
    file = folder / "wm-lab"
    file.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m wm_lab "$@"\n')
    file.chmod(0o755)
    return folder


def with_command(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds the command, and shows no more than is typed."""
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PS1": "", "TERM": "dumb"}


def test_the_tab_key_of_bash_completes(command, tmp_path):
    keys = (
        'eval "$(wm-lab -sc install=bash)"\n',
        "wm-lab task=hand/re\t\x01echo \n",  # the tab; then to the beginning of the line, which is only printed
        "wm-lab trainer.learn\t3\x01echo \n",
    )
    shown = typed(keys, tmp_path, with_command(command))
    assert {"wm-lab task=hand/reach", "wm-lab trainer.learning_rate=3"} <= {line.strip() for line in shown}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_the_tab_key_of_zsh_completes(command, tmp_path):
    begin = ("autoload -Uz compinit && compinit -u\n", 'eval "$(wm-lab -sc install=zsh)"\n')
    shown = typed((*begin, "wm-lab task=hand/re\t\x01echo \n"), tmp_path, with_command(command), ZSH)
    assert "wm-lab task=hand/reach" in {line.strip() for line in shown}


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes(command, tmp_path):
    asked = 'wm-lab -sc install=fish | source; complete -C "wm-lab task=hand/r"'
    environment = with_command(command)
    fish = subprocess.run(
        ["fish", "-c", asked], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert fish.stdout.split() == ["task=hand/reach"]


ZSH = ("zsh", "-f", "-i")


def typed(
    keys: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    shell_command: tuple[str, ...] = ("bash", "--norc", "--noprofile", "-i"),
) -> list[str]:
    """What a real shell prints after each of these."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        shell_command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
        start_new_session=True,
    ) as shell:
        os.close(theirs)
        for line in (*keys, "exit\n"):
            for part in line.partition("\t"):
                os.write(ours, part.encode())
                time.sleep(0.1)
        shown = b""
        try:
            while more := os.read(ours, 4096):
                shown += more
        except OSError:
            pass  # the shell has gone, and its terminal
        shell.wait(60)
    os.close(ours)
    return shown.decode(errors="replace").splitlines()


def test_an_answer_takes_less_than_half_a_second_and_loads_no_pytorch(command, tmp_path):
    line = "wm-lab model=video_token model."
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [command / "wm-lab", "-sc", "query=bash"],
        env={**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "model.latent_actions.levels=" in done.stdout.split()
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "yaml" in loaded and loaded.isdisjoint({"torch", "hydra", "omegaconf", "numpy"})
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_a_command_without_a_word_asks_for_no_completion():
    assert answer([]) is None
