"""Servers that answer, but never as Weights & Biases would: each fails in its own way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.tracking.wandb_server import WandbServer

Answer = Callable[[socket.socket, bytes], None]
"""What is done to a connection once a request has come; it is closed afterwards."""


def says(status: str, body: bytes = b"{}", *headers: str, length: int | None = None) -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    text = "\r\n".join([*lines, "Content-Type: application/json", *headers]).encode() + b"\r\n\r\n" + body

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(text)

    return answer


def hangs(connection: socket.socket, _: bytes) -> None:
    time.sleep(30)


def drips(connection: socket.socket, _: bytes) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" * 20:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def resets(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def welcomes_and(then: Answer) -> Answer:
    """Answers a look at its front page, which is how it is asked whether it is there; then does as told."""
    welcome = says("200 OK")

    def answer(connection: socket.socket, request: bytes) -> None:
        (welcome if request.startswith(b"GET / ") else then)(connection, request)

    return answer


REFUSED = b'{"errors": [{"message": "project name is not allowed"}]}'
BAD: dict[str, Answer] = {
    "500": says("500 Internal Server Error"),
    "503": says("503 Service Unavailable", b"", "Retry-After: 3600"),
    "429": says("429 Too Many Requests"),
    "401, an expired key": says("401 Unauthorized", b'{"errors": [{"message": "API key expired"}]}'),
    "403": says("403 Forbidden"),
    "404": says("404 Not Found"),
    "a redirect to itself": says("307 Temporary Redirect", b"", "Location: /graphql"),
    "a page": says("200 OK", b"<html>Sign in to the hotel's network</html>"),
    "null": says("200 OK", b"null"),
    "nothing": says("200 OK", b""),
    "a refusal in GraphQL": says("200 OK", REFUSED),
    "less than was promised": says("200 OK", b'{"data"', length=4000),
    "hangs": welcomes_and(hangs),
    "drips": welcomes_and(drips),
    "resets": welcomes_and(resets),
}


@contextmanager
def bad_server(answer: Answer) -> Iterator[str]:
    """Its address, while it stands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, answer), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _serve(listener: socket.socket, answer: Answer) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_meet, args=(connection, answer), daemon=True).start()


def _meet(connection: socket.socket, answer: Answer) -> None:
    with connection, suppress(OSError):
        if request := connection.recv(65536):
            answer(connection, request)


class Dying(WandbServer):
    """Serves so many GraphQL requests, then is gone."""

    def __init__(self, requests: int) -> None:
        super().__init__()
        self.requests = requests

    def answer(self, method: str, path: str, body: bytes) -> object:
        if path == "/graphql":
            self.requests -= 1
        if self.requests < 0:
            raise ConnectionAbortedError
        return super().answer(method, path, body)
