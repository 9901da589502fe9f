"""A YAML that cannot be a configuration is named, and none keeps the command busy."""

from __future__ import annotations

import time

import pytest

from tests.entry.command import QUIET, wm_lab

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)

FILES = {
    "unclosed": (b"hidden: [1, 2\nfoo: 3\n", "is no YAML in line"),
    "tabs": (b"a:\n\tb: 3\n", "is no YAML in line 2"),
    "list": (b"- 1\n", "is no mapping"),
    "number": (b"3\n", "is no mapping"),
    "binary": (bytes(range(128, 256)), "is no text in UTF-8"),
    "nul": (b"\0\1", "is no YAML"),
    "recursive": (b"hidden: &a [*a]\n", "holds itself"),
    "bomb": (BOMB.encode(), "more than 100000 values"),
    "deep": (b"a: " + b"[" * 5000 + b"]" * 5000, "nested more than 50 deep"),
    "several": (b"a: 1\n---\nb: 2\n", "several documents"),
    "twice": (b"a: 1\na: 2\n", "duplicate key a"),
    "itself": (b"defaults: [itself]\n", "holds itself"),
    "tag": (b"a: !!python/name:os.system\n", "tag:yaml.org,2002:python"),
    "defaults": (b"defaults: 3\n", "defaults must be a list"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_configuration_is_told(tmp_path, name):
    content, sentence = FILES[name]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / f"{name}.yaml").write_bytes(content)
    (tmp_path / "model" / "unused.yaml").write_bytes(b"- \xff")
    began = time.monotonic()
    ended = wm_lab(tmp_path, *QUIET, f"--config-dir={tmp_path}", f"model={name}")
    assert ended.code == 2 and sentence in ended.complaint and "Traceback" not in ended.err
    assert time.monotonic() - began < 5
