"""One training on several devices: a process for each, every one computing its share of every batch.

The process that asked leads: it starts the others, and alone validates, writes and tells. All take the same steps,
because PyTorch's DistributedDataParallel gives them the mean of their gradients. So `devices` changes how fast a
model is trained, and of what it learns only which noise was drawn.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from wm_lab.errors import UserError
from wm_lab.system.parent import die_with_parent, in_main_thread
from wm_lab.world_model import Trainable, Windows

Loss = Callable[[Windows], tuple[Tensor, dict[str, Tensor]]]

GRACE = 2.0  # seconds for a process to say why it failed, or to leave


@dataclass(frozen=True)
class Place:
    """A process's part in a training: number `rank` of `size`; 0 leads."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def share(self) -> slice:
        """Which windows of each batch are this process's."""
        return slice(self.rank, None, self.size)

    def share_gradients(self, model: Trainable) -> Loss:
        """`model.loss`, whose `backward` leaves the mean of all processes' gradients; weights become the leader's.

        A parameter that gets no gradient in a step is an error, which names it where TORCH_DISTRIBUTED_DEBUG=INFO.
        """
        if self.size == 1:
            return model.loss
        return DistributedDataParallel(_Loss(model))

    def mean(self, loss: Tensor, logs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and logs of the whole batch."""
        if self.size == 1:
            return loss, logs
        told = torch.stack([loss, *logs.values()]).float()
        distributed.all_reduce(told)
        loss, *parts = told / self.size
        return loss, dict(zip(logs, parts, strict=True))

    def seed(self, seed: int, step: int) -> None:
        """Noise of this process's own in each step. The leader's stream goes on, and is kept in its checkpoints."""
        if self.rank > 0:
            mixed = np.random.SeedSequence([seed, self.rank, step]).generate_state(1)
            torch.manual_seed(int(mixed[0]))


@contextmanager
def together(help: Callable[[Place], object], size: int, device: torch.device) -> Iterator[Place]:
    """The leader's place, beside `size - 1` new processes that call `help` with theirs; `help` must be picklable.

    Raises UserError where a process died, and RuntimeError with its last words where it failed.
    """
    if size == 1:
        yield Place(device)
        return
    with tempfile.TemporaryDirectory(prefix="wm_lab_") as folder:
        meeting = f"file://{folder}/meeting"  # no port that another training on this machine could hold
        places = [
            Place(torch.device("cuda", rank) if device.type == "cuda" else device, rank, size) for rank in range(size)
        ]
        part = pickle.dumps(help)  # multiprocessing's own pickles would share the weights' memory with the leader
        helpers = [_Helper(part, place, meeting) for place in places[1:]]
        try:
            with _group(places[0], meeting):
                try:
                    yield places[0]
                except RuntimeError as error:  # what a lost connection looks like from here
                    _blame(helpers, error)
                    raise
            for helper in helpers:
                helper.process.join(GRACE)
        finally:
            for helper in helpers:
                helper.process.kill()
                helper.process.join()


def require_devices(count: int, device: torch.device, name: str) -> None:
    """UserError where `name`, the option, asks for devices that this process cannot have."""
    if (started := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise UserError(
            f"torchrun started {started} processes of this run; start wm-lab once, and {name}={started} makes it start "
            "the other processes of a training itself"
        )
    if count == 1:
        return
    if device.type == "mps" or device.index is not None:
        raise UserError(f"{name}={count}, but device={device} is a single one; use device=cuda or cpu, or {name}=1")
    if device.type == "cuda" and count > (found := torch.cuda.device_count()):
        raise UserError(f"{name}={count} exceeds the {found} GPUs of this machine; lower it, or ask for more of them")


class _Helper:
    """The leader's end of one further process, which hears no signals: they are the leader's to answer."""

    def __init__(self, part: bytes, place: Place, meeting: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = f"process {place.rank + 1} of {place.size} of the training"
        self.words, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(
            target=_enter, args=(part, place, meeting, theirs, in_main_thread()), daemon=True
        )
        resource_tracker.ensure_running()  # multiprocessing's own helper; starting it inside would unblock SIGINT
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2})
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # now the process's death closes the pipe


def _blame(helpers: list[_Helper], error: RuntimeError) -> None:
    """Raise what ended the first process that died; nothing where none did, for then the error is the leader's own."""
    failures = []
    for pipe in wait([helper.words for helper in helpers], GRACE):
        helper = next(helper for helper in helpers if helper.words is pipe)
        try:
            failures.append((*helper.words.recv(), helper))
        except EOFError:
            helper.process.join(GRACE)
            if code := helper.process.exitcode:
                raise UserError(
                    f"{helper.name} died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'}); if "
                    "memory is short lower trainer.batch, and run again: it goes on from the last checkpoint"
                ) from error
    if failures:  # who loses the connection fails as well, but later
        _, words, helper = min(failures, key=lambda failure: failure[0])
        raise RuntimeError(f"{helper.name} failed: {words.splitlines()[-1]}\n{words}") from error


class _Loss(nn.Module):
    """A model whose call is its loss, which is what DistributedDataParallel wraps."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.model = model

    def forward(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.loss(windows)


def _enter(part: bytes, place: Place, meeting: str, words: Connection, of_main_thread: bool) -> None:
    """A helper's life, which ends when the leader's does."""
    die_with_parent(of_main_thread)
    with _group(place, meeting):
        try:
            pickle.loads(part)(place)
        except Exception:
            words.send((time.monotonic(), traceback.format_exc()))  # before the others see the connection close
            os._exit(1)


@contextmanager
def _group(place: Place, meeting: str) -> Iterator[None]:
    on_gpu = place.device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(place.device)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo", init_method=meeting, rank=place.rank, world_size=place.size
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
