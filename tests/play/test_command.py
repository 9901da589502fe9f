"""`wm-lab play` as it is typed."""

from __future__ import annotations

import socket

import pytest

from tests.entry.command import wm_lab
from tests.extras import need
from wm_lab.play import command

TYPED = ("play", "task=hand/reach", "model=simulator", "scale=smoke")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("task=hand/pusch",), "hand/push"),
        (("evaluation.variation=physics",), "leave it out to play"),
        (("model.layers=3",), "model.layers"),
        (("nonsense",), "NAME=VALUE"),
    ],
)
def test_a_mistake_ends_in_a_sentence(tmp_path, words, told):
    need("uvicorn", "play")
    ended = wm_lab(tmp_path, *TYPED, *words)
    assert ended.code == 2 and told in ended.err and ended.err.startswith("wm-lab play: ")


def test_a_port_in_use_is_told_before_anything_is_trained(tmp_path):
    need("uvicorn", "play")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = wm_lab(tmp_path, *TYPED, "--port", str(taken.getsockname()[1]))
    assert ended.code == 2 and "choose another with --port" in ended.err
    assert not (tmp_path / "outputs").exists()


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "NEEDED", ("starlette", "no_such_module"))
    ended = wm_lab(tmp_path, *TYPED)
    assert ended.code == 2 and "pip install 'wm_lab[play]'" in ended.err


def test_help_is_answered(tmp_path, capsys):
    ended = wm_lab(tmp_path, "play", "--help")
    assert ended.code == 0 and "--save" in ended.out
