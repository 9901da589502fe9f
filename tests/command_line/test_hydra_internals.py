"""What the lab takes from Hydra's private parts is in one file, and is what that file believes it to be."""

from __future__ import annotations

import ast
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.config_source import ConfigSource
from hydra.plugins.sweeper import Sweeper

from wm_lab.command_line import hydra_internals
from wm_lab.command_line.folders import CONF
from wm_lab.launchers.composition import SweepLoader

ROOT = Path(hydra_internals.__file__).parents[2]
CODE = [file for folder in ("wm_lab", "hydra_plugins", "scripts", "tests") for file in (ROOT / folder).rglob("*.py")]


def modules(file: Path) -> list[str]:
    """Dotted names that a file imports."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found


def test_no_other_file_imports_what_is_private_to_hydra():
    private = [file for file in CODE if any(name.startswith("hydra._internal") for name in modules(file))]
    assert private == [Path(hydra_internals.__file__)]


def test_a_loader_that_is_put_in_place_is_the_one_that_is_used():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = SweepLoader(GlobalHydra.instance().config_loader())
        hydra_internals.replace_config_loader(loader)
        assert GlobalHydra.instance().config_loader() is loader


def test_every_private_name_is_what_is_asked_of_it():
    sweeper, source = hydra_internals.basic_sweeper.BasicSweeper, hydra_internals.file_config_source.FileConfigSource
    parsed = OverridesParser.create().parse_overrides(["a=1,2", "b=3"])
    assert sweeper.split_arguments(parsed, None) == [[["a=1", "b=3"], ["a=2", "b=3"]]]
    assert issubclass(sweeper, Sweeper) and issubclass(source, ConfigSource)
    assert "--config-dir" in hydra_internals.get_args_parser().format_usage()
    assert source.scheme() in hydra_internals.SourcesRegistry.instance().types
