from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.data.crew import Adder
from wm_lab.data.workers import Workers
from wm_lab.errors import UserError


@pytest.fixture(scope="module")
def pool():
    with Workers(partial(Adder, 100), 2) as workers:
        workers.map([0, 1])
        yield workers


def test_results_come_in_order_from_processes_that_stay(pool):
    first, second = pool.map(list(range(10))), pool.map(list(range(10)))
    assert [value for value, _, _ in first] == list(range(100, 110))
    assert {pid for _, pid, _ in first} == {pid for _, pid, _ in second}
    assert os.getpid() not in {pid for _, pid, _ in first}
    assert max(calls for _, _, calls in second) > 5, "tools are built once and kept"


def test_workers_compute_on_one_thread(pool):
    assert pool.map(["threads"]) == [1]


def test_one_worker_stays_in_this_process_on_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    done = []
    with Workers(partial(Adder, 5), 1) as workers:
        results = workers.map([1, 2, "threads"], done=done.append)
    assert results == [(6, os.getpid(), 1), (7, os.getpid(), 2), 1]
    assert done == results
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_an_error_crosses_the_process_border_with_its_type_and_the_item(pool):
    with pytest.raises(UserError, match="the dial is broken") as caught:
        pool.map([1, "fail", 2], name=lambda item: f"item <{item}>")
    assert "item <fail>" in caught.value.__notes__[0]
    assert "crew.py" in str(caught.value.__cause__), "the worker's own traceback is the cause"


def test_a_worker_that_dies_is_named_with_what_it_was_doing():
    with Workers(partial(Adder, 0), 2) as workers, pytest.raises(UserError, match=r"SIGKILL.*busy with item <die>"):
        workers.map(["die"], name=lambda item: f"item <{item}>")


INTERRUPTED = """
import sys
from functools import partial
from tests.data.crew import Adder
from wm_lab.data.workers import Workers
if __name__ == "__main__":
    try:
        with Workers(partial(Adder, 0), 2) as workers:
            print("children", *[pid for _, pid, _ in workers.map([1, 2])], flush=True)
            workers.map([sys.argv[1], sys.argv[1]])
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize(("kind", "item"), [(signal.SIGINT, "slow"), (signal.SIGKILL, "short")])
def test_children_die_quietly_with_their_parent(tmp_path, kind, item):
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED)
    here = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, script, item],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
        start_new_session=True,  # so that the signal reaches the whole group, as Ctrl-C on a terminal does
    )
    children = [int(pid) for pid in parent.stdout.readline().split()[1:]]
    time.sleep(0.2)
    if kind == signal.SIGINT:
        os.killpg(parent.pid, kind)
    else:
        parent.kill()  # nobody can tell the children: they notice when they want to answer
    out, err = parent.communicate(timeout=20)
    assert "Traceback" not in err
    assert ("interrupted" in out) == (kind == signal.SIGINT)
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in children):
        assert time.monotonic() < deadline, "children outlive their parent"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
