"""`wm-lab play` as it is typed."""

from __future__ import annotations

import signal
import socket
import threading
from typing import ClassVar

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


class Table:
    """Notes who asks what of it."""

    threads: ClassVar[list[int]] = []

    def __init__(self, *_):
        Table.threads = [threading.get_ident()]

    def close(self):
        Table.threads.append(threading.get_ident())
        return "what was played is kept"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_however_it_ends_the_thread_that_made_the_session_closes_it(tmp_path, monkeypatch, number):
    """A context of OpenGL is the thread's that drew first; a terminal may be closed."""
    need("uvicorn", "play")

    class Served:
        def __init__(self, _table, _token, _port, thread):
            Table.threads.append(thread.submit(threading.get_ident).result())

        def run(self, sockets):
            signal.raise_signal(number)

    monkeypatch.setattr("wm_lab.play.table.PlayTable", Table)
    monkeypatch.setattr("wm_lab.play.server.build_server", Served)
    ended = wm_lab(tmp_path, *TYPED)
    assert ended.code == 0 and "what was played is kept" in ended.out
    assert len(Table.threads) == 3 and len(set(Table.threads)) == 1 and Table.threads[0] != threading.get_ident()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "NEEDED", ("starlette", "no_such_module"))
    ended = wm_lab(tmp_path, *TYPED)
    assert ended.code == 2 and "pip install 'wm_lab[play]'" in ended.err


def test_help_is_answered(tmp_path, capsys):
    ended = wm_lab(tmp_path, "play", "--help")
    assert ended.code == 0 and "--save" in ended.out
