from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.data.adder import Adder
from wm_lab.data.worker import Worker
from wm_lab.data.workers import Workers, pool_of
from wm_lab.errors import UserError

ADD = partial(Adder, 100)


@pytest.fixture(scope="module")
def pool():
    with Workers(2) as workers:
        workers.map(ADD, [0, 1])
        yield workers


def pids(results) -> set[int]:
    return {pid for _, pid, _ in results}


def test_results_come_in_order_from_processes_that_stay(pool):
    first, second = pool.map(ADD, list(range(10))), pool.map(ADD, list(range(10)))
    assert [value for value, _, _ in first] == list(range(100, 110))
    assert pids(first) == pids(second)
    assert os.getpid() not in pids(first)
    assert max(calls for _, _, calls in second) > 5, "tools are built once and kept"


def test_one_pool_takes_up_other_tools_without_starting_anew(pool):
    before = pool.map(ADD, [1, 2])
    other = pool.map(partial(Adder, 200), [1, 2])
    assert [value for value, _, _ in other] == [201, 202]
    assert [calls for _, _, calls in other] == [1, 1], "each worker has made its new tools"
    again = pool.map(ADD, [1, 2])
    assert [calls for _, _, calls in again] == [1, 1], "and its old ones anew"
    assert pids(before) == pids(other) == pids(again)


def test_equal_builds_share_their_tools(pool):
    calls = [pool.map(partial(Adder, base), [1, 2])[0][2] for base in (300, 300, 300)]
    assert calls == [1, 2, 3]


def test_a_single_item_starts_no_process():
    with Workers(2) as workers:
        assert workers.map(ADD, [1]) == [(101, os.getpid(), 1)]
        assert workers.map(partial(Adder, 100), [2]) == [(102, os.getpid(), 2)], "tools are kept here too"
        assert workers.map(partial(Adder, 5), [2]) == [(7, os.getpid(), 1)]
        assert workers.map(ADD, []) == []


def test_workers_compute_on_one_thread(pool):
    assert pool.map(ADD, ["threads", "threads"]) == [1, 1]


def test_a_worker_never_looks_for_garbage_in_what_it_has_loaded(pool):
    assert all(objects > 1000 for objects in pool.map(ADD, ["frozen", "frozen"]))


def test_one_worker_stays_in_this_process_on_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    done = []
    with Workers(1) as workers:
        results = workers.map(partial(Adder, 5), [1, 2, "threads"], done=done.append)
    assert results == [(6, os.getpid(), 1), (7, os.getpid(), 2), 1]
    assert done == results
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_one_worker_takes_what_cannot_be_pickled():
    assert Workers(1).map(lambda: lambda item: 2 * item, [3, 4]) == [6, 8]


def test_an_error_crosses_the_process_border_with_its_type_and_the_item(pool):
    with pytest.raises(UserError, match="the dial is broken") as caught:
        pool.map(ADD, [1, "fail", 2], name=lambda item: f"item <{item}>")
    assert "item <fail>" in caught.value.__notes__[0]
    assert "adder.py" in str(caught.value.__cause__), "the worker's own traceback is the cause"


def test_a_worker_that_dies_is_named_with_what_it_was_doing_and_replaced(pool):
    with pytest.raises(UserError, match=r"SIGKILL.*busy with item <die>"):
        pool.map(ADD, [1, "die"], name=lambda item: f"item <{item}>")
    assert [value for value, _, _ in pool.map(ADD, [1, 2])] == [101, 102]


def test_a_worker_that_dies_in_the_middle_of_an_answer_is_named_too(pool):
    with pytest.raises(UserError, match=r"SIGKILL.*busy with item <die answering>"):
        pool.map(ADD, [1, "die answering"], name=lambda item: f"item <{item}>")


def test_a_worker_that_was_killed_while_idle_is_replaced_without_a_word(pool):
    victim = pool.map(ADD, [1, 2])[0][1]
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(victim):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    results = pool.map(ADD, [1, 2])
    assert [value for value, _, _ in results] == [101, 102] and victim not in pids(results)


def test_a_worker_that_dies_between_two_uses_and_is_not_yet_gone_is_replaced_too(pool, monkeypatch):
    before = pids(pool.map(ADD, [1, 2]))
    monkeypatch.setattr(Worker, "alive", True)  # as of a process whose threads are not all gone
    for process in before:
        os.kill(process, signal.SIGKILL)
    results = pool.map(ADD, [1, 2])
    assert [value for value, _, _ in results] == [101, 102] and not before & pids(results)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR2])
def test_what_a_cluster_signals_to_all_processes_is_left_to_the_parent(pool, sent):
    before = pids(pool.map(ADD, [1, 2]))
    for process in before:
        os.kill(process, sent)
    assert pids(pool.map(ADD, [1, 2])) == before


def test_a_pool_that_nobody_sent_home_does_not_keep_its_parent_from_leaving(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(FORGETFUL)
    here = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(here)}
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, env=environment)
    assert (ended.returncode, ended.stdout) == (0, "2\n"), ended.stderr


FORGETFUL = """
from functools import partial
from tests.data.adder import Adder
from wm_lab.data.workers import Workers
if __name__ == "__main__":
    pool = Workers(2)
    print(len(pool.map(partial(Adder, 1), [1, 2])))
"""


def test_a_pool_that_was_handed_in_stays_and_one_of_its_own_goes(pool):
    with pool_of(pool) as hands:
        mine = pids(hands.map(ADD, [1, 2]))
    assert hands is pool and all(alive(pid) for pid in mine)
    with pool_of(2) as hands:
        theirs = pids(hands.map(ADD, [1, 2]))
    assert not any(alive(pid) for pid in theirs)


def test_a_negative_count_is_refused():
    with pytest.raises(UserError, match="workers=-1 is negative"):
        Workers(-1)


INTERRUPTED = """
import sys
from functools import partial
from tests.data.adder import Adder
from wm_lab.data.workers import Workers
if __name__ == "__main__":
    try:
        with Workers(2) as workers:
            build = partial(Adder, 0)
            print("children", *[pid for _, pid, _ in workers.map(build, [1, 2])], flush=True)
            workers.map(build, [sys.argv[1], sys.argv[1]])
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_children_die_quietly_with_their_parent_in_the_middle_of_their_work(tmp_path, kind):
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED)
    here = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, script, "slow"],
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
        parent.kill()  # nobody can tell the children
    out, err = parent.communicate(timeout=20)
    assert "Traceback" not in err
    assert ("interrupted" in out) == (kind == signal.SIGINT)
    deadline = time.monotonic() + 2
    while any(alive(pid) for pid in children):
        assert time.monotonic() < deadline, "children outlive their parent"
        time.sleep(0.05)


def test_a_worker_imports_nothing_of_the_command_that_its_parent_was_started_by():
    """Loading torch takes seconds, in which a worker would outlive a parent that is killed."""
    here = Path(__file__).parents[2]
    script = tomllib.loads((here / "pyproject.toml").read_text())["project"]["scripts"]["wm-lab"]
    assert script == "wm_lab.__main__:cli"
    loaded = "import sys, wm_lab.__main__, wm_lab.data.worker; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True, env={**os.environ, "PYTHONPATH": str(here)})


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
