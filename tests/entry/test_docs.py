"""What the pages tell a reader to type is understood."""

from __future__ import annotations

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.entry.command import ROOT
from tests.extras import need
from wm_lab.command_line.hydra_internals import basic_sweeper
from wm_lab.launchers.composition import SweepLoader
from wm_lab.main import CONF

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
SHELL = ("", "bash", "sh", "console")  # languages of a block that is typed
CODE = re.compile(r"`(wm-lab\s[^`]+)`")
PLUGINS = {
    "hparams_search=optuna": ("hydra_plugins.hydra_optuna_sweeper", "optuna"),
    "hydra/launcher=slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
}
COMMAND = re.compile(r"(?:^|\s)(?:wm-lab|python3 scripts/run\.py)\s((?:(?!\swm-lab\s).)*)")


def commands(text: str) -> list[str]:
    """Arguments of every `wm-lab …` in a page, be it on a line of a block or inside a sentence."""
    blocks = [block for language, block in FENCE.findall(text) if language in SHELL]
    lines = [line.partition(" #")[0] for block in blocks for line in block.splitlines()]
    sentences = [" ".join(code.split()) for code in CODE.findall(FENCE.sub("", text))]
    return [found.strip() for line in lines + sentences for found in COMMAND.findall(line) if found.strip()]


ALL = [(page.name, arguments) for page in PAGES for arguments in commands(page.read_text())]


def test_the_pages_hold_commands():
    assert len(ALL) >= 20


@pytest.fixture(autouse=True)
def clean():
    yield
    GlobalHydra.instance().clear()


@pytest.mark.parametrize(
    ("page", "arguments"),
    [
        pytest.param(page, arguments, id=f"{page}: {arguments}", marks=() if page == "README.md" else pytest.mark.slow)
        for page, arguments in ALL
    ],
)
def test_a_command_of_the_pages_is_understood(page, arguments):
    words = shlex.split(arguments)
    if "--config-dir" in words or any(word.startswith("sweep.resume=") for word in words):
        pytest.skip("with a folder of the reader's own; test_plugins.py and test_resume.py do it")
    if page == "first_change.md" and "model.smooth_scale" in arguments:
        pytest.skip("an option that the page adds; test_first_change.py does it")
    if "-sc" in words:
        pytest.skip("no run; test_completion.py does it")
    for said, (plugin, extra) in PLUGINS.items():
        if said in arguments:
            need(plugin, extra)
    name = words[words.index("--config-name") + 1] if "--config-name" in words else "config"
    overrides = [word for word in words if "=" in word]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = SweepLoader(GlobalHydra.instance().config_loader())
        jobs = basic_sweeper.BasicSweeper.split_arguments(
            OverridesParser.create(loader).parse_overrides(overrides), None
        )[0]
        for job in (jobs[0], jobs[-1]):
            assert compose(name, overrides=job).task
