"""A stand-in for the Weights & Biases server on the loopback: runs, their history and their ends, nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

KEY = "0" * 40
"""An API key, as long as the client wants them."""

STREAM = re.compile(r"/files/[^/]+/[^/]+/(?P<run>[^/]+)/file_stream")


@dataclass
class ServedRun:
    """One run as the server has it."""

    fields: dict[str, Any] = field(default_factory=dict)
    """What the client sent: groupName, jobType, tags, displayName, …"""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


class WandbServer:
    """Serves while it is entered; `url` is its address and `runs` what arrived, by run id."""

    def __init__(self) -> None:
        self.runs: dict[str, ServedRun] = {}
        self.uploads: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """The JSON answer to one request."""
        with self._lock:
            if path == "/graphql":
                return self._graphql(json.loads(body))
            if stream := STREAM.fullmatch(path):
                return self._stream(self.runs.setdefault(stream["run"], ServedRun()), json.loads(body))
            if method == "PUT":
                self.uploads[path.removeprefix("/upload/")] = body
            return {}

    def _graphql(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request.get("operationName") or re.findall(r"(?:query|mutation)\s+(\w+)", request["query"])[0]
        known = self.operations()
        if operation not in known:
            return {"data": None, "errors": [{"message": f"{operation} is not in the stand-in"}]}
        variables = request.get("variables") or {}
        variables = variables["input"] if set(variables) == {"input"} else variables  # both forms are in use
        return {"data": known[operation](variables)}

    def operations(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """What is answered, by the name of the GraphQL operation."""
        return {
            "Viewer": lambda _: {"viewer": _VIEWER},
            "ServerFeaturesQuery": lambda _: {"serverInfo": {"features": []}},
            "UpsertBucket": self._upsert,
            "RunResumeStatus": self._resume,
            "RunStoppedStatus": lambda _: {"project": {"run": {"stopped": False}}},
            "CreateRunFiles": self._upload_places,
        }

    def _upsert(self, sent: dict[str, Any]) -> dict[str, Any]:
        name = sent.get("name") or base64.b64decode(sent["id"]).decode()
        new = name not in self.runs
        run = self.runs.setdefault(name, ServedRun())
        if sent.get("config"):
            run.config = json.loads(sent["config"])
        run.fields |= {key: value for key, value in sent.items() if value is not None}
        return {"upsertBucket": {"bucket": self._bucket(name, run), "inserted": new}}

    def _resume(self, sent: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(sent["name"])
        return {"model": {**project_of(sent), "bucket": self._bucket(sent["name"], run) if run else None}}

    def _upload_places(self, sent: dict[str, Any]) -> dict[str, Any]:
        files = [
            {"name": name, "uploadUrl": f"{self.url}/upload/{sent['run']}/{quote(name)}"} for name in sent["files"]
        ]
        return {"createRunFiles": {"runID": sent["run"], "uploadHeaders": [], "files": files}}

    def _stream(self, run: ServedRun, sent: dict[str, Any]) -> dict[str, Any]:
        files = sent.get("files") or {}
        if history := files.get("wandb-history.jsonl"):
            run.history[history["offset"] :] = [json.loads(row) for row in history["content"]]
        if summary := files.get("wandb-summary.json"):
            run.summary = json.loads(summary["content"][-1])
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]
        return {"exitcode": None, "limits": {}}

    def _bucket(self, name: str, run: ServedRun) -> dict[str, Any]:
        """A run in the words of the server's schema; every field that the client asks for must be there."""
        return {
            "__typename": "Run",
            "id": base64.b64encode(name.encode()).decode(),
            "name": name,
            "displayName": run.fields.get("displayName") or name,
            "description": None,
            "notes": None,
            "config": json.dumps(run.config),
            "wandbConfig": json.dumps({"t": 1}),
            "sweepName": None,
            "project": project_of(run.fields),
            "state": "running" if run.exit_code is None else "finished",
            "tags": run.fields.get("tags") or [],
            "group": run.fields.get("groupName"),
            "jobType": run.fields.get("jobType"),
            "summaryMetrics": json.dumps(run.summary),
            "historyLineCount": len(run.history),
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsTail": "[]",
        }


_VIEWER = {
    "id": "u1",
    "entity": "local",
    "username": "local",
    "email": "local@localhost",
    "flags": "{}",
    "teams": {"edges": [{"node": {"name": "local"}}]},
}


def project_of(sent: dict[str, Any]) -> dict[str, Any]:
    return {"id": "p1", "name": sent.get("project") or "wm_lab", "entity": {"id": "e1", "name": "local"}}


def _handler(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            answer = json.dumps(server.answer(self.command, unquote(self.path), self._body())).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = respond

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

        def _chunk(self) -> bytes:
            chunk = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return chunk

        def log_message(self, format: str, *arguments: object) -> None:
            """Silence: the tests read `runs`, not a log."""

    return Handler
