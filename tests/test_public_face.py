"""`wm_lab` itself offers what a script needs, and is imported at no cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wm_lab
from tests.entry.command import ROOT
from tests.entry.user_lab import files

LIGHT = """
import sys
before = set(sys.modules)
import wm_lab
assert "ask" in dir(wm_lab)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def promised() -> dict[str, str]:
    """{name: module} of what type checkers see in `wm_lab`."""
    (told,) = [node for node in ast.parse(Path(wm_lab.__file__).read_text()).body if isinstance(node, ast.If)]
    imports = [node for node in told.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_importing_the_lab_loads_nothing():
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["wm_lab"]


def test_what_type_checkers_see_is_what_a_script_gets():
    assert promised() == wm_lab._HOME
    for name in promised():
        assert getattr(wm_lab, name).__name__ == name and name in dir(wm_lab)


def test_a_name_that_is_not_offered_is_no_attribute():
    with pytest.raises(AttributeError, match="'wm_lab' has no attribute 'Modle'"):
        _ = wm_lab.Modle


def test_every_name_is_explained():
    assert all(getattr(wm_lab, name).__doc__ for name in promised())
    page = (ROOT / "docs" / "api.md").read_text()
    table = page.partition("## What `wm_lab` offers")[2].partition("\n## ")[0]
    told = [name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(promised())


def test_the_examples_of_ones_own_parts_import_nothing_else_of_the_lab():
    code = [text for name, text in files("extending").items() if name.endswith(".py")]
    assert len(code) == 4
    modules = {found for text in code for found in re.findall(r"^(?:from|import) (wm_lab[\w.]*)", text, re.M)}
    assert modules == {"wm_lab"}


def test_the_code_of_the_page_runs():
    code = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.S | re.M)
    (alone,) = [block for block in code if "CEMConfig" in block]
    done = subprocess.run([sys.executable, "-c", alone], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "torch.Size([1, 10, 7])\n"
