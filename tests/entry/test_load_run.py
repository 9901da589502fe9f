"""What was trained acts in three lines, as it did in the run; what cannot be loaded says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.entry.command import QUIET, runs, wm_lab
from wm_lab import UserError, load_run
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import IN_VALIDATION

CANDIDATE = f"outcomes of wide{IN_VALIDATION}"
"""Who plays to be chosen among, and is no arm of the run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run with a clone and planning in a learned model."""
    place = tmp_path_factory.mktemp("run")
    ended = wm_lab(
        place, *QUIET, "model=latent_mlp", "exercise=planning_brief", "seeds=2", "cloning.validation_episodes=0"
    )
    assert ended.code == 0, ended.err
    return runs(place)[0]


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """The run and its store, to be harmed."""
    outputs = folder.parent.parent
    shutil.copytree(outputs, tmp_path / "outputs", ignore=shutil.ignore_patterns("multiruns"))
    return tmp_path / "outputs" / "runs" / folder.name


@pytest.mark.parametrize(("arm", "training"), [("mpc", 0), ("bc", 0), ("local", 0), ("mpc", 1)])
def test_a_policy_plays_an_episode_as_it_did_in_the_run(folder, arm, training):
    run = load_run(folder)
    told = Outcomes.load(run.artifact(f"outcomes of {arm}", training) / "outcomes.json")
    policy, task, seed = run.policy(arm, seed=training), run.task, told.manifest.seeds[0]
    observation, _ = task.reset(seed=seed)
    policy.reset(seed)
    earned, solved, left = 0.0, False, None
    for _ in range(told.manifest.step_budget):
        observation, reward, *_, info = task.step(policy.act(observation))
        earned += reward
        if info["success"] and left is None:
            left = run.settings.exercise["play_on"]
        elif left is not None:
            left -= 1
        solved |= info["success"]
        if left == 0:
            break
    assert solved == told.success[0]
    assert earned == pytest.approx(told.episode_return[0], rel=1e-5)


def test_actions_come_in_the_robots_own_units_on_request(folder):
    run = load_run(folder)
    observation, _ = run.task.reset(seed=1)
    plain, own = run.policy("mpc"), run.policy("mpc", own_units=True)
    action = plain.act(observation)
    assert action.shape == (7,) and action.dtype == np.float32
    assert own.act(observation) == pytest.approx(run.task.command(action), rel=1e-5)
    assert np.abs(own.act(observation)[:3]).max() <= 0.6 + 1e-6, "metres a second"


def test_the_model_encodes_imagines_and_decodes_arrays(folder):
    model, task = load_run(folder).model, load_run(folder).task
    first, _ = task.reset(seed=1)
    actions = np.zeros((3, 7), np.float32)
    seen = [first["state"], *(task.step(action)[0]["state"] for action in actions)]
    belief = model.encode({"state": np.stack(seen)}, actions)
    many = model.imagine(belief, np.zeros((5, 4, 7)))
    one = model.imagine(belief, np.zeros((4, 7)))
    assert many.reward.shape == (5, 4) and one.reward == pytest.approx(many.reward[0], abs=1e-5)
    assert model.decode(many)["state"].shape == (5, 4, 28)
    assert model.decode(one)["state"] == pytest.approx(model.decode(many)["state"][0], abs=1e-4)
    with pytest.raises(UserError, match="2 actions lie between 3 observations, and there are 4 of state"):
        model.encode({"state": np.stack(seen)}, actions[:2])


def test_tables_are_frames_with_a_value_a_column(folder):
    pytest.importorskip("pandas")
    run = load_run(folder)
    table = run.table("Success")
    assert {"arm", "success", "success_low", "success_high", "n"} <= set(table.columns)
    assert table.n.dtype.kind == "i" and not table.task.isna().any()
    with pytest.raises(UserError, match=r"unknown table of .* 'succes'; did you mean success"):
        run.table("succes")


def test_without_pandas_a_sentence_says_where_the_numbers_are(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install pandas, or read the same numbers from .*tables"):
        load_run(folder).table("success")


def test_a_pruned_artifact_is_named_with_the_command_that_makes_it_again(copy):
    place = load_run(copy).artifact("world model")
    shutil.rmtree(place)
    with pytest.raises(
        UserError, match=rf"{place.name} is no longer in the store .*make it again: wm-lab .*scale=smoke"
    ):
        load_run(copy).policy("mpc")


def test_a_run_without_an_answer_says_how_it_stands(copy):
    (copy / "result.json").unlink()
    status = json.loads((copy / "status.json").read_text()) | {"result": None}
    for state, said in (
        ("failed", r"no result \(failed: it broke\); run it again: wm-lab"),
        ("running", "still going"),
    ):
        (copy / "status.json").write_text(json.dumps({**status, "state": state, "reason": "it broke", "host": "else"}))
        with pytest.raises(UserError, match=said):
            load_run(copy)


def test_a_run_of_before_results_named_what_they_used_is_run_again(copy):
    result = json.loads((copy / "result.json").read_text())
    del result["used"]
    (copy / "result.json").write_text(json.dumps(result))
    (copy / "status.json").write_text(json.dumps(json.loads((copy / "status.json").read_text()) | {"result": None}))
    with pytest.raises(UserError, match="does not say what it used"):
        load_run(copy)


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(UserError, match="there is no run in"):
        load_run(tmp_path)


def test_what_is_shown_wrongly_is_said_and_asked_for_wrongly_too(folder):
    run = load_run(folder)
    run.used.append(next(each for each in run.used if each.what == "outcomes of mpc")._replace(what=CANDIDATE))
    assert "mpc" in run.policies and CANDIDATE.removeprefix("outcomes of ") not in run.policies
    with pytest.raises(UserError, match=r"unknown policy of .* 'mcp'; did you mean mpc"):
        run.policy("mcp")
    with pytest.raises(UserError, match=r"has no training of seed 7; it has 0, 1"):
        run.policy("mpc", seed=7)
    observation, _ = run.task.reset(seed=1)
    with pytest.raises(UserError, match="in the units of the data"):
        run.policy("bc").act({"state": 1000 * observation["state"]})
