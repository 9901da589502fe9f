"""A configuration is shown without PyTorch, and to the letter as with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import OmegaConf

from wm_lab import config as schema
from wm_lab.command_line.show_config import HEAVY, is_asked

ALONE = """
import sys
from wm_lab.command_line.show_config import HEAVY
from wm_lab.system.stand_ins import standing_in
with standing_in(HEAVY):
    from tests.command_line.test_show_config import schemas
    print(*schemas(), sep="\\n")
"""


def schemas() -> Iterator[str]:
    """Every dataclass that configurations are checked by, with types and defaults."""
    schema.register()

    def within(place: str, found: dict[str, object]) -> Iterator[str]:
        for name, each in sorted(found.items()):
            if isinstance(each, ConfigNode):
                types = [f"{key}: {each.node._get_node(key)._metadata.ref_type}" for key in each.node]
                yield f"{place}{name} {OmegaConf.get_type(each.node)} {types} {OmegaConf.to_yaml(each.node)}"
            elif isinstance(each, dict):
                yield from within(f"{place}{name}/", each)

    repo = ConfigStore.instance().repo
    yield from within("", {name: repo[name] for name in ("root_schema.yaml", "schema")})


def test_stand_ins_change_no_schema():
    told = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, cwd=Path.cwd())
    assert told.returncode == 0, told.stderr
    expected = "\n".join(schemas())
    assert told.stdout.rstrip("\n") == expected.rstrip("\n") and "units" in expected


def command(folder, *words, whole):
    program = "from wm_lab.__main__ import whole; whole()" if whole else "from wm_lab.__main__ import cli; cli()"
    return subprocess.run([sys.executable, "-c", program, *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--cfg", "job", "--resolve", "task=hand/push", "model=video_token", "exercise=latent"], 0),
        (["-c", "job", "planner.horizn=3"], 2),
        (["model.sampl=1", "--cfg=job", "model=rssm"], 2),
    ],
)
def test_what_is_shown_or_refused_is_as_with_all_loaded(tmp_path, words, code):
    quick, slow = (command(tmp_path, *words, whole=whole) for whole in (False, True))
    assert quick.returncode == slow.returncode == code, quick.stderr
    assert quick.stdout == slow.stdout and quick.stderr == slow.stderr
    assert bool(quick.stdout) == (code == 0)


def test_pytorch_is_not_loaded_for_it(tmp_path):
    program = (
        "import sys; from wm_lab.__main__ import cli; cli(); sys.stderr.write(type(sys.modules['torch']).__name__)"
    )
    told = subprocess.run([sys.executable, "-c", program, "--cfg", "job"], cwd=tmp_path, capture_output=True, text=True)
    assert told.stderr == "_StandIn" and "horizon" in told.stdout


def test_others_code_and_loaded_packages_are_left_alone(monkeypatch):
    for name in HEAVY:
        for module in [each for each in sys.modules if each.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
    assert is_asked(["seed=1", "--cfg", "job"]) and is_asked(["--cfg=job"])
    assert not is_asked(["seed=1"]) and not is_asked(["--cfg", "hydra"])
    assert not is_asked(["--cfg", "job", "--config-dir=mine"])
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert not is_asked(["--cfg", "job"])
