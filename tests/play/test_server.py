"""The page's server: who is let in, and what happens to those who misbehave."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from tests.extras import need
from tests.play.scenes import table
from wm_lab.errors import UserError

need("starlette", "play")
need("uvicorn", "play")
client = need("websockets.sync.client", "play")
exceptions = need("websockets.exceptions", "play")
from wm_lab.play.server import HOST, LARGEST, bind, build_server  # noqa: E402

TOKEN = "a-token"


@contextmanager
def serving(at) -> Iterator[int]:
    """A server of the table; yields its port."""
    bound = bind(0)
    server = build_server(at, TOKEN, bound.getsockname()[1], ThreadPoolExecutor(1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def at(tmp_path):
    return table(tmp_path)


@pytest.fixture
def port(at) -> Iterator[int]:
    with serving(at) as port:
        yield port


def get(port, path, **headers):
    connection = HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def connect(port, token=TOKEN, **more):
    return client.connect(f"ws://{HOST}:{port}/{token}/socket", open_timeout=10, **more)


def hear(window, wanted):
    """The next message that has this key, or the next pictures for "frame"."""
    while True:
        data = window.recv(timeout=20)
        if isinstance(data, bytes):
            size, left, right = struct.unpack_from("<III", data)
            assert len(data) == 12 + size + left + right and data[12 + size :][:2] == b"\xff\xd8"
            message = json.loads(data[12 : 12 + size])
            window.send(json.dumps({"do": "drawn", "number": message["frame"]}))
        else:
            message = json.loads(data)
        if wanted in message:
            return message


def do(window, what, **more):
    window.send(json.dumps({"do": what, **more}))


def test_the_page_is_whole_and_asks_the_net_for_nothing(port):
    for path, kind in (("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")):
        status, text, headers = get(port, f"/{TOKEN}/{path}")
        assert (
            status == 200
            and headers["content-type"].startswith(kind)
            and "default-src 'none'" in headers["content-security-policy"]
        )
        assert "http://" not in text and "https://" not in text


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/page.js", "/a-tokenx/"])
def test_without_the_token_there_is_a_sentence_and_no_page(port, path):
    status, text, _ = get(port, path)
    assert status == 403 and "token" in text


def test_a_page_of_another_site_is_not_let_in(port):
    assert get(port, f"/{TOKEN}/", Host="evil.example")[0] == 403
    with pytest.raises(exceptions.InvalidStatus):
        connect(port, origin="http://evil.example")
    with pytest.raises(exceptions.InvalidStatus):
        connect(port, token="wrong")


def test_what_is_pressed_is_seen(port):
    with connect(port) as window:
        assert hear(window, "hello")["hello"]["task"] == "hand/reach"
        do(window, "act", action=[1, 0, 0, 0, 0, 0, 0], stamp=17)
        do(window, "pause", on=False)
        while True:
            frame = hear(window, "frame")
            if frame["stamp"] == 17 and frame["number"] > 2:
                break
        assert frame["action"][0] == 1 and frame["error"] == 0


def test_a_window_that_goes_leaves_the_session_to_the_next(port, at):
    with connect(port) as window:
        hear(window, "hello")
        do(window, "pause", on=False)
        while hear(window, "frame")["number"] < 3:
            pass
    with connect(port) as window:
        hello = hear(window, "hello")
        assert len(hello["history"]) >= 3 and hello["state"]["paused"]


def test_of_two_windows_one_plays_and_the_other_may_take_over(port):
    with connect(port) as first:
        hear(first, "hello")  # else the second may come first
        with connect(port) as second:
            assert "another window" in hear(second, "busy")["busy"]
            do(second, "take over")
            hear(second, "hello")
            assert "taken over" in hear(first, "left")["left"]
            do(second, "step")
            assert hear(second, "number")["frame"] >= 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"do": 1}', "null", '{"do": "drawn"}', '{"do": "drawn", "number": "x"}']
)
def test_a_message_that_is_none_is_answered_and_the_window_stays(port, text):
    with connect(port) as window:
        hear(window, "hello")
        window.send(text)
        assert "understood" in hear(window, "say")["say"]
        do(window, "step")
        assert hear(window, "frame")


def test_a_huge_message_closes_its_window_and_the_session_stays(port):
    with connect(port) as window:
        hear(window, "hello")
        do(window, "step")
        hear(window, "action")
        window.send("x" * (LARGEST + 1))
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            hear(window, "never")
        assert closed.value.rcvd.code == 1009
    with connect(port) as window:
        assert len(hear(window, "hello")["history"]) == 1


def test_a_port_in_use_is_refused_in_a_sentence(port):
    with pytest.raises(UserError, match=f"port {port} cannot be used .*choose another with --port"):
        bind(port)
