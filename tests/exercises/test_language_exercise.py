"""Does it read the sentence? Answered for a policy that does, one that does not, and through the command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.exercises.language.answer import Row, language_answer
from wm_lab.policies.retold import Retold, Tellable
from wm_lab.policies.scripted import DoNothing
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.table import TableConfig, TableTask

EPISODES = 40
SPEC = TableTask(TableConfig(observation="scene")).task_spec
KINDS = np.array(["reach", "push"] * (EPISODES // 2))


def row(rate: float, first: int = 0) -> Row:
    """Successes are the first episodes, counted from one on."""
    success = (np.arange(EPISODES) - first) % EPISODES < rate * EPISODES
    zeros = np.zeros(EPISODES)
    steps = np.where(success, 5.0, np.nan)
    manifest = freeze(SPEC, EPISODES)
    played = Outcomes("bc", manifest, success, success, steps, zeros, zeros, zeros * np.nan, zeros * np.nan)
    return Row(KINDS, [played])


def answered(another: float, as_asked: float, right: float = 0.9):
    rows = {"right": row(right), "another": row(another), "held-out phrasing": row(0.9), "nothing": row(0.2)}
    return language_answer({**rows, "another, as asked": row(as_asked)}, ("reach", "push"), "hand/table")


def test_who_does_the_other_command_and_leaves_the_own_reads():
    answer = answered(another=0.0, as_asked=0.9)
    assert "It reads: told another command" in answer.verdicts[0]
    assert answer.numbers["against_right"].keys() == {"another", "held-out phrasing", "nothing", "another, as asked"}
    assert answer.numbers["success"]["right"]["all"]["value"] == pytest.approx(0.9)
    assert answer.tables[0].rows[0][0] == "right" and len(answer.tables[0].rows) == 5
    assert "does as well, within" not in answer.verdicts[1], "40 alike episodes do not show that nothing changes"


@pytest.mark.parametrize(("another", "as_asked"), [(0.9, 0.2), (0.05, 0.5), (0.5, 0.9)])
def test_who_does_what_was_asked_whatever_is_told_does_not_read(another, as_asked):
    assert "does not read well enough" in answered(another, as_asked).verdicts[0]


@pytest.mark.parametrize(("another", "as_asked"), [(0.1, 0.9), (0.0, 0.8)])
def test_what_few_episodes_leave_open_is_called_open(another, as_asked):
    """Both are as the bars demand; the intervals reach beyond them."""
    assert "Cannot tell whether it reads" in answered(another, as_asked).verdicts[0]


def test_each_verb_is_judged_by_its_own_episodes():
    reach, push = KINDS == "reach", KINDS == "push"
    rows = {name: row(0.0) for name in ("right", "contrast", "contrast, as asked")}
    for name, solved in {"right": reach | push, "contrast": push, "contrast, as asked": reach}.items():
        played = rows[name].outcomes[0]
        steps = np.where(solved, 5.0, np.nan)
        rows[name] = Row(KINDS, [replace(played, success=solved, success_at_end=solved, steps_to_success=steps)])
    said = language_answer(rows, ("reach", "push"), "hand/table").verdicts
    assert any("reach: It reads" in line or "reach: Cannot tell" in line for line in said)
    assert any("push: It does not read well enough" in line for line in said)


def test_another_command_is_asked_of_the_same_start():
    tasks = [TableTask(TableConfig(observation="scene", ask=ask)) for ask in ("own", "other", "contrast")]
    for seed in range(20):
        seen = [task.reset(seed=seed)[0]["scene"] for task in tasks]
        np.testing.assert_array_equal(seen[0], seen[1])
        np.testing.assert_array_equal(seen[0], seen[2])


def test_of_who_never_does_what_it_is_told_nobody_can_tell_whether_it_reads():
    told = answered(another=0.0, as_asked=0.0, right=0.0).verdicts[0]
    assert "Whether it reads cannot be told" in told and "nan" not in told


def test_a_retold_episode_is_told_otherwise_and_asked_the_same():
    task = TableTask(TableConfig(observation="scene"))
    task.reset(seed=3)
    right, asked = task.instruction, task.asked
    policy = Retold(DoNothing(), "contrast")
    policy.start(1)
    policy.reset(0, task, 3)
    assert task.instruction != right and task.asked == asked and task.kind in task.kinds


def test_only_a_task_with_several_commands_is_tellable():
    assert isinstance(TableTask(TableConfig()), Tellable) and not isinstance(HandTask(HandConfig()), Tellable)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=hand/reach"], "choose task=hand/table"),
        (["task=hand/all"], "set exercise.numbers=false"),
        (["task=hand/reach", "task.observation=pixels"], "choose task=hand/table"),
        (["task.observation=state"], "set task.observation=scene"),
        (["policy@bc=bc"], "needs a clone that is told"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(overrides, message, tmp_path):
    from wm_lab import ask

    with pytest.raises(UserError, match=message):
        ask("experiment=language", "scale=smoke", f"outputs={tmp_path}", "tracking=disabled", *overrides)


@pytest.mark.slow
def test_the_whole_exercise_runs_in_smoke_and_plays_all_rows_of_all_trainings_side_by_side(tmp_path, capfd):
    from wm_lab import ask

    quick = "seeds=2", "workers=2", "bc_trainer.steps=4"
    answer = ask("experiment=language", "scale=smoke", f"outputs={tmp_path}", "tracking=disabled", *quick)
    said = capfd.readouterr().err
    assert "play 20 side by side (right, another, contrast" in said
    assert said.count("train 2 side by side (bc), %: done") == 2, "told sentences, and numbers"
    told = [cells[0] for cells in answer.tables[0].rows]
    assert told[0] == "right" and {"nothing", "unseen combination", "number, no sentence"} <= set(told)
