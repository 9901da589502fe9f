"""The page and its web socket, on this machine alone: every address holds a token, and nothing comes from the net.

One thread plays, steps and draws; the event loop only passes messages. Of two windows one plays; the session stays
where it is when its window is closed, and goes on with the next.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from wm_lab.errors import UserError
from wm_lab.play.table import PlayTable

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
LARGEST = 1 << 16
"""Bytes of a message; a longer one closes the connection."""

AHEAD = 2
"""Pictures on their way that the page has not drawn yet, at most."""

PATIENCE = 2.0
"""Seconds after which a page that says nothing is sent the next picture all the same."""

FILES = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
WRONG = "This address lacks the token of the session: open the one that wm-lab play printed when it started."
BUSY = "This session is open in another window. Close it there, or take over here."
TAKEN = "Another window has taken over. The session goes on there."


class Server:
    """Serves one table to one window at a time.

    thread: the one that touches the session, and that made it: what draws by OpenGL stays with its thread
    """

    def __init__(self, table: PlayTable, token: str, port: int, thread: ThreadPoolExecutor) -> None:
        self._table, self._token = table, token
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._work = thread
        self._window: BrowserWindow | None = None

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{token}/{name:path}", self._file),
                WebSocketRoute("/{token}/socket", self._socket),
                Route("/{rest:path}", self._wrong),
            ]
        )

    async def _file(self, request: Request) -> Response:
        if not self._admits(request):
            return await self._wrong(request)
        asked = request.path_params["name"]
        if (clip := self._table.clips.get(asked)) is not None:
            return FileResponse(clip, headers=HEADERS)
        if (found := FILES.get(asked)) is None:
            return PlainTextResponse("There is no such page here.", 404, HEADERS)
        name, kind = found
        content = resources.files("wm_lab.play").joinpath(name).read_bytes()
        return Response(content, headers=HEADERS, media_type=kind)

    async def _wrong(self, _: Request) -> Response:
        return PlainTextResponse(WRONG, 403, HEADERS)

    def _admits(self, request: Request | WebSocket) -> bool:
        """Whether it names the token and comes from a page of this server, not from one of another site."""
        origin = request.headers.get("origin")
        own = origin is None or origin.partition("://")[2] in self._hosts
        return own and request.headers.get("host") in self._hosts and self._knows(request.path_params["token"])

    def _knows(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())

    async def _socket(self, socket: WebSocket) -> None:
        if not self._admits(socket):
            await socket.close()  # before it was accepted: HTTP 403
            return
        await socket.accept()
        if self._window is not None and not await self._takes_over(socket):
            return
        window = self._window = BrowserWindow(socket, self._table, self._do)
        try:
            await window.run()
        finally:
            if self._window is window:
                self._window = None

    async def _takes_over(self, socket: WebSocket) -> bool:
        """Say that another window plays; whether this one is to play instead."""
        try:
            await socket.send_json({"busy": BUSY})
            while self._window is not None:
                if _read(await socket.receive_text()).get("do") == "take over":
                    await self._window.leave(TAKEN)
                    return True
            return True
        except (WebSocketDisconnect, UserError, KeyError):
            return False

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._work, work, *arguments)


class BrowserWindow:
    """One page: receives what is pressed, sends what is seen."""

    def __init__(self, socket: WebSocket, table: PlayTable, do: Callable[..., Awaitable[Any]]) -> None:
        self._socket, self._table, self._do = socket, table, do
        self._sent = self._drawn = 0
        self._heard = asyncio.Event()
        self._sending = asyncio.Lock()
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """Until the page goes."""
        await self._tell(await self._do(self._table.hello))
        await self._show(await self._do(self._table.look))
        tasks = [asyncio.create_task(part()) for part in (self._listen, self._play, self._gone.wait)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None and not isinstance(error, WebSocketDisconnect):
                    log.warning("a window was lost: %r", error)
        finally:
            for task in tasks:
                task.cancel()
            self._table.rest()

    async def leave(self, sentence: str) -> None:
        """Another window plays from now on."""
        await self._tell({"left": sentence})
        await self._socket.close()
        self._gone.set()

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            try:
                message = _read(text)
                if message["do"] == "drawn":
                    self._drawn = max(self._drawn, _whole(message.get("number")))
                    self._heard.set()
                    continue
                for answer in await self._do(self._table.hear, message):
                    await (self._show(answer) if isinstance(answer, tuple) else self._tell(answer))
            except UserError as error:
                await self._tell({"say": str(error)})

    async def _play(self) -> None:
        due = time.perf_counter()
        while True:
            due = max(due + self._table.seconds, time.perf_counter())
            await self._until_drawn()
            for answer in await self._do(self._table.tick):
                await (self._show(answer) if isinstance(answer, tuple) else self._tell(answer))
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _until_drawn(self) -> None:
        try:
            while self._sent - self._drawn >= AHEAD:
                self._heard.clear()
                await asyncio.wait_for(self._heard.wait(), PATIENCE)
        except TimeoutError:
            self._drawn = self._sent

    async def _tell(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps(message))

    async def _show(self, frame: tuple[dict[str, Any], bytes, bytes]) -> None:
        """One binary message: three lengths, what is told of the moment (JSON), both pictures (JPEG)."""
        self._sent += 1
        told, left, right = frame
        head = json.dumps(told | {"frame": self._sent}).encode()
        async with self._sending:
            await self._socket.send_bytes(struct.pack("<III", len(head), len(left), len(right)) + head + left + right)


def build_server(table: PlayTable, token: str, port: int, thread: ThreadPoolExecutor) -> uvicorn.Server:
    """A server of one table, to be run with the socket that is bound to the port; thread: see `Server`."""
    config = uvicorn.Config(
        Server(table, token, port, thread).app,
        log_level="error",
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,  # pictures are compressed already
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return uvicorn.Server(config)


def bind(port: int) -> socket.socket:
    """A socket on this machine's own address; 0 takes a free port. UserError where the port is taken."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen()
    except OSError as error:
        bound.close()
        raise UserError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port, or leave it out for a free one"
        ) from error
    return bound


def _read(text: str) -> dict[str, Any]:
    """What a page sends; UserError where it is no message."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("do"), str):
        raise UserError("a message that is not understood was left out")
    return message


def _whole(value: Any) -> int:
    """UserError where a page counts in something else."""
    if not isinstance(value, int):
        raise UserError("a message that is not understood was left out")
    return value
