"""Whether a Weights & Biases server can be used, and what its client needs here: a key, caches, a service."""

from __future__ import annotations

import json
import netrc
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from wm_lab.tracking.patience import AT_ONCE

LONGEST_ANSWER = 1_000_000  # bytes that are read of an answer
TOO_MANY = 429  # requests, says HTTP


def without_home(folder: Path) -> None:
    """Where there is no home folder to write to, wandb's caches go to the run folder; it would lose media otherwise."""
    with suppress(OSError, KeyError):
        cache = Path(os.environ["HOME"], ".cache")
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            return
    for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "XDG_CACHE_HOME"):
        os.environ.setdefault(variable, str((folder / "wandb" / "home").absolute()))


def has_key(server: str) -> bool:
    """Whether this machine is logged in: by environment, or by the netrc file that `wandb login` writes."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urllib.parse.urlsplit(server).netloc
    places = [os.environ["NETRC"]] if "NETRC" in os.environ else ["~/.netrc", "~/_netrc"]
    for place in places:
        try:
            if netrc.netrc(Path(place).expanduser()).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):  # missing or not readable: the same as not logged in
            continue
    return False


def unanswered(server: str, seconds: float) -> str | None:
    """Why nothing at this address can be W&B's server, or None where it may be; proxies are respected.

    Who is asked for nothing but its shape need not know us: a refusal is left for the client to meet.
    """
    question = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()
    request = urllib.request.Request(f"{server.rstrip('/')}/graphql", question, {"Content-Type": "application/json"})
    began = time.monotonic()
    while True:
        left = seconds - (time.monotonic() - began)
        try:
            with urllib.request.urlopen(request, timeout=max(AT_ONCE, left)) as answer:
                told = json.loads(answer.read(LONGEST_ANSWER))
            known = isinstance(told, dict) and isinstance(told.get("data"), dict)
            return None if known else "its answer is none of W&B's"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != TOO_MANY:
                return None
            problem = first_line(error)
        except ValueError:
            return "its answer is none of W&B's"
        except (OSError, HTTPException) as error:
            return first_line(error)
        if left < AT_ONCE:
            return problem
        time.sleep(0.5)  # a server that is busy now may not be in a moment


def leave_service() -> None:
    """Let go of wandb's service process, which would hold up the end of Python: it ends by itself when we have ended.

    The client has no public way to do that: its `teardown` waits for the server, and without it the next run of this
    process would wait behind this one.
    """
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib.service import service_token

    with suppress(AttributeError):  # of another version of the client: then Python waits longer
        connection: Any = wandb_setup.singleton()._connection
        connection._cleanup()  # no waiting at exit
        service_token.clear_service_in_env()
        wandb_setup._singleton = None


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
