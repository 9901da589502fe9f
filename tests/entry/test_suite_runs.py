"""Planning against cloning on every task of the suite, by command, as `experiment=suite scale=smoke` asks it."""

from __future__ import annotations

import json

import pytest

from tests.entry.command import QUIET, runs, wm_lab
from tests.tasks.test_suite import SUITE, task

pytestmark = pytest.mark.slow

BRIEF = (  # little to play, and a search that asks the controllers of other libraries, in Python, for few futures
    "data.episodes=12",
    "demonstrations=4",
    "exercise.episodes=2",
    "exercise.attribution=false",
    "exercise.greedy=false",
    "planner.candidates=8",
    "planner.horizon=4",
    "planner.action_block=1",
    "mpc.execute=1",
    "planner.iterations=1",
    "planner.elites=4",
    "mpc.proposals.count=2",
)


@pytest.mark.parametrize("name", SUITE)
def test_planning_on_a_task_of_the_suite_ends_in_an_answer(tmp_path, name):
    wanted = task(name).task_spec.name  # skips where its library is missing
    ended = wm_lab(tmp_path, "exercise=planning", f"task=suite/{name}", *QUIET, *BRIEF)
    assert ended.code == 0, ended.err
    (run,) = runs(tmp_path)
    result = json.loads((run / "result.json").read_text())
    assert result["task"] == wanted and result["verdict"] in ended.out
    rows = {row["arm"]: row["success"]["n"] for row in result["numbers"]["rows"]}
    assert rows == dict.fromkeys(("expert", "random", "noop", "bc", "mpc", "local", "selected", "simulator"), 2)
