"""The command `wm-lab play`: a scene, a page of it, and the address to open.

wm-lab play task=hand/push model=rssm [--clone] [--port N] [--save FOLDER]
"""

from __future__ import annotations

import argparse
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from wm_lab.command_line.arguments import understood
from wm_lab.command_line.folders import CONF, share_user_code
from wm_lab.command_line.mistakes import explain
from wm_lab.errors import MISTAKE, UserError, complain
from wm_lab.play.scene import Choices, trained

PROGRAM = "wm-lab play"
NEEDED = ("starlette", "uvicorn", "websockets")


def cli(words: Sequence[str]) -> int:
    """Play until interrupted; returns the exit code."""
    try:
        return _play(_parser().parse_intermixed_args(list(words)))
    except KeyboardInterrupt:
        return 0
    except Exception as error:
        told = explain(error, [CONF])
        if told is None:
            raise
        complain(told, PROGRAM)
        return MISTAKE


def _play(arguments: argparse.Namespace) -> int:
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UserError(f"{', '.join(missing)} is not installed; pip install 'wm_lab[play]'")
    from wm_lab.play.server import HOST, bind, build_server
    from wm_lab.play.table import PlayTable

    overrides = _overrides(arguments)
    bound = bind(arguments.port)
    scene = trained(overrides, arguments.clone)
    spec = scene.session.task.task_spec
    folder = arguments.save or _folder(scene.settings.store.parent, spec.name)
    thread = ThreadPoolExecutor(1, "play")
    choices = Choices(overrides, scene.settings.store)
    table = thread.submit(PlayTable, scene, choices, folder.absolute()).result()
    token = secrets.token_urlsafe(16)
    print(f"{spec.name} beside what {scene.label} imagines. Open this address in a browser on this machine:\n")
    print(f"    http://{HOST}:{bound.getsockname()[1]}/{token}/\n\nCtrl-C ends it.", flush=True)
    try:
        with _ended_alike():
            build_server(table, token, bound.getsockname()[1], thread).run(sockets=[bound])
    except KeyboardInterrupt:
        pass
    finally:
        if (told := thread.submit(table.close).result()) is not None:
            print(f"\n{told}", flush=True)
    return 0


@contextmanager
def _ended_alike() -> Iterator[None]:
    """A terminal that is closed, or a system that shuts down, ends it as Ctrl-C does: what was played is kept."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _overrides(arguments: argparse.Namespace) -> list[str]:
    words = understood(arguments.overrides, CONF)
    if arguments.config_dir is None:
        return words
    folder = arguments.config_dir.expanduser().absolute()
    share_user_code([folder])
    return [f"hydra.searchpath=[{folder}]", *words]


def _folder(outputs: Path, task: str) -> Path:
    """Where episodes of this session go."""
    return outputs / "played" / f"{task.replace('/', '-')}-{time.strftime('%Y-%m-%d_%H-%M-%S')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Drive the simulator in a browser beside what a world model imagines."
    )
    parser.add_argument("overrides", nargs="*", metavar="GROUP=CHOICE", help="as of wm-lab: task=hand/push model=rssm")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="of the page (default: a free one)")
    parser.add_argument("--clone", action="store_true", help="train a clone of the expert too")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="the dataset that saved episodes are added to")
    parser.add_argument("--config-dir", type=Path, metavar="FOLDER", help="your own YAML and Python")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number up to 65535")
    return int(text)
