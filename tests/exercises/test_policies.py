"""Can the model rank policies? With the truth as the model it can, and with one whose mistakes are chosen it cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

from tests.data.toy import SPEED, ConstantPolicy, PointTask
from tests.exercises.hand_lab import changed, check, settings
from tests.exercises.point_world import PointWorld, PointWorldConfig
from wm_lab.data.rollout import PlayConfig, Player, play
from wm_lab.errors import UserError
from wm_lab.exercises.exercise import Exercise
from wm_lab.exercises.policies import PoliciesConfig, PoliciesExercise
from wm_lab.exercises.policies.answer import (
    JudgedWorld,
    apart,
    control_verdict,
    from_few,
    policies_verdicts,
    policy_table,
)
from wm_lab.exercises.policies.dream_player import DreamPlayer
from wm_lab.exercises.policies.linear_world import LinearWorld, LinearWorldConfig
from wm_lab.experiment.dry_run import blank_spec
from wm_lab.experiment.experiment import Experiment
from wm_lab.policies.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import build
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.table import TableConfig, TableTask
from wm_lab.tasks.two_room import TwoRoomConfig, TwoRoomTask
from wm_lab.training.checkpoint import save_model
from wm_lab.world_model import DataSpec, Windows

POLICIES = "exercise=policies"
SEEDS = range(2**30 + 2**29, 2**30 + 2**29 + 12)
REACH = partial(HandTask, HandConfig(episode_steps=30))


class GoalPoint(PointTask):
    """Tells of a state whether it is solved, and goes back to what a state says."""

    def solved(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(states[..., :2] - states[..., 2:4], axis=-1) < self.config.tolerance)

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        return np.asarray(state, np.float64)


@dataclass
class Seer(ConstantPolicy):
    """Goes at the goal that it sees, at a share of the full speed."""

    share: float = 1.0

    def act(self, moment):
        state = moment.observation["state"]
        return (self.share * np.clip((state[:, 2:4] - state[:, :2]) / SPEED, -1, 1)).astype(np.float32)


def dreamt(policy, model, follows=False, task=GoalPoint, config=None):
    return DreamPlayer(task, policy, config or PlayConfig(stop_after_success=3), model, follows)(SEEDS)


def point_world(speed=SPEED):
    return PointWorld(PointWorldConfig(speed=speed), blank_spec(GoalPoint()))


@pytest.mark.parametrize("share", [1.0, 0.3, 0.1])
def test_a_policy_does_in_a_right_model_what_it_does_in_truth(share):
    true = play(GoalPoint, lambda: Seer(share=share), SEEDS, PlayConfig(stop_after_success=3))
    for real, imagined in zip(true, dreamt(Seer(share=share), point_world()), strict=True):
        assert real.first_success == imagined.first_success
        np.testing.assert_allclose(real.state[:, :2], imagined.state[:, :2], atol=1e-5)


def test_in_a_model_that_moves_too_fast_the_slow_policy_is_overrated():
    true = play(GoalPoint, lambda: Seer(share=0.3), SEEDS)
    assert sum(e.solved for e in dreamt(Seer(share=0.3), point_world(3 * SPEED))) > sum(e.solved for e in true)


def test_a_privileged_policy_sees_where_the_dream_is():
    assert all(e.solved for e in dreamt(ExpertPolicy(), point_world(0.5 * SPEED), follows=True))
    assert all(e.steps > 5 for e in dreamt(ExpertPolicy(), point_world(0.5 * SPEED), follows=True))


def test_the_simulator_imagines_the_very_episodes_that_are_played():
    config = PlayConfig(stop_after_success=3)
    true = Player(REACH, ExpertPolicy(), config)(SEEDS)
    simulator = Simulator(SimulatorConfig(), REACH())
    for real, imagined in zip(true, dreamt(ExpertPolicy(), simulator, True, REACH, config), strict=True):
        np.testing.assert_array_equal(real.state, imagined.state)
        np.testing.assert_array_equal(real.success, imagined.success)


@pytest.mark.parametrize(
    "make", [REACH, partial(TableTask, TableConfig(episode_steps=60)), partial(TwoRoomTask, TwoRoomConfig())]
)
def test_a_task_says_of_its_states_what_it_says_when_it_is_played(make):
    played = Player(make, ExpertPolicy(), PlayConfig(steps=60))(SEEDS)
    assert any(episode.solved for episode in played)
    for episode in played:
        np.testing.assert_array_equal(make().solved(episode.state), episode.success)
    assert not make().solved(np.full(make().state().shape, np.nan))


def test_the_linear_world_does_what_its_fit_says_and_never_leaves_for_infinity():
    weights = np.zeros((4, 1))
    weights[1] = 0.5  # of the first action
    spec = DataSpec({"state": (1,)}, 2, {"state": [0.0]}, {"state": [1.0]}, linear={"state": weights.tolist()})
    world = LinearWorld(LinearWorldConfig(), spec)
    state = world.observe(_seen(torch.ones(1, 1, 1)))[0]
    actions = torch.ones(1, 1, 200, 2)
    assert world.imagine(state, actions).features[0, 0, :2, 0].tolist() == [1.5, 2.0]
    assert world.imagine(state, actions).features.max() <= 20


def test_the_truth_as_the_model_ranks_perfectly(tmp_path):
    words = ("exercise.clones=[]", "exercise.episodes=6", "exercise.noise=[0.3,1.5]", "media=false")
    wanted = changed(settings(POLICIES, "model=simulator", *words), tmp_path)
    with Experiment(wanted) as experiment:
        exercise = build(Exercise, wanted.exercise, "exercise")
        exercise.check(experiment)
        answer = exercise.run(experiment)
    found = answer.numbers["ranking"]["model"]
    assert found["spearman"]["value"] == found["pearson"]["value"] == found["agreement"]["low"] == 1
    assert found["mmrv"]["high"] == 0
    assert "places all 4 policies where they belong" in answer.verdicts[3]
    assert set(answer.outcomes) == {"expert_noise0.3", "expert_noise1.5", "random", "noop"}


def test_a_learned_model_is_ranked_beside_its_controls_and_an_estimate_is_found_again(tmp_path):
    words = ("exercise.clones=[2]", "exercise.early=[]", "exercise.noise=[0.5]", "exercise.planning=false")
    wanted = changed(settings(POLICIES, "media=false", "model.ensemble=3", *words), tmp_path)
    found = []
    for _ in range(2):
        with Experiment(wanted) as experiment:
            exercise = build(Exercise, wanted.exercise, "exercise")
            exercise.check(experiment)
            found.append(exercise.run(experiment))
            seconds = {name for name in experiment.tools.seconds if name.startswith(("imagine", "play", "train"))}
    assert list(found[0].numbers["ranking"]) == ["model", "linear", "untrained", "simulator"]
    assert found[0].numbers["ranking"]["simulator"]["agreement"]["low"] == 1
    assert found[0].numbers == found[1].numbers and not seconds
    assert any("doubt" in sentence for sentence in found[0].verdicts) == (found[0].numbers["doubt"] is not None)


def test_where_all_policies_truly_succeed_alike_nothing_is_said_of_their_order():
    judged = JudgedWorld("model", [*"abc"], np.zeros((3, 20), bool), np.eye(3, 20, dtype=bool)[None])
    told = policies_verdicts([judged], {"model": judged.ranking()}, None, 1)
    assert told[0].startswith("cannot tell whether the model ranks 3 policies, which in truth all succeed in 0.00")
    assert len(told) == 2


def test_a_simulator_that_does_not_agree_with_itself_is_told():
    true = np.arange(10) < np.array([[1], [5], [9]])
    for flags, sentence in ((true, "the simulator ranks them with"), (true[:, ::-1], "episodes here do not repeat")):
        judged = JudgedWorld("simulator", [*"abc"], true, flags[None])
        assert sentence in control_verdict(judged, judged.ranking(), None, 1)


def test_every_sentence_about_a_trained_model_says_how_many_trainings_it_is_of():
    true = np.arange(60) < np.array([[6], [18], [30], [42], [54]])
    model, linear = (
        JudgedWorld(name, [*"abcde"], true, flags[None]) for name, flags in (("model", true), ("linear", ~true))
    )
    rankings = {each.world: each.ranking() for each in (model, linear)}
    told = policies_verdicts([model, linear], rankings, from_few(model, 10), 1)
    assert all("in this training, " in sentence or "cannot tell" in sentence for sentence in told)
    assert "the linear model ranks them" in told[-1] and "in this training, the model ranks better" in told[-1]


def test_estimates_from_few_episodes_stand_beside_those_of_the_few_alone():
    random = np.random.default_rng(0)
    true = random.random((3, 60)) < np.array([[0.2], [0.5], [0.8]])
    judged = JudgedWorld("model", [*"abc"], true, (true ^ (random.random((3, 60)) < 0.05))[None])
    few = from_few(judged, 10)
    assert few.width < few.width_alone and few.held > 0.9
    assert from_few(judged, 40) is None
    table = policy_table(judged, 10)
    assert table.columns[-2:] == ("10 true", "10 true + imagined") and table.rows[0][0] == "c"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("task.observation=pixels",), "tests success on decoded states, and hand/reach shows pixels"),
        (("exercise.clones=[]", "exercise.noise=[]", "exercise.planning=false"), r"2 policies \(random, noop\) cannot"),
        (("exercise.true_episodes=2",), "exercise.true_episodes=2 is too few; use at least 3, or 0"),
        (("evaluation.variation=physics",), "exercise=policies looks at"),
        (("exercise.checkpoints=[nowhere]",), "exercise.checkpoints=nowhere is neither a checkpoint nor"),
    ],
)
def test_what_cannot_be_ranked_is_refused_before_any_work(tmp_path, words, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(POLICIES, *words), tmp_path))
    assert not list(tmp_path.iterdir())


def cloned(folder, goal: str) -> str:
    """The checkpoint of a clone of this goal, which learned nothing."""
    net = BehaviourCloning(BehaviourCloningConfig(), blank_spec(HandTask(HandConfig(goal=goal))))
    folder.mkdir()
    save_model(folder / "best.pt", net, net.state_dict())
    return str(folder)


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [("place", "was trained to 'Pick up the red block .*hand/push asks to 'Push"), ("reach", "is of another task")],
)
def test_policies_of_another_task_are_refused_before_any_work(tmp_path, goal, sentence):
    asked = f"exercise.checkpoints=[{cloned(tmp_path / goal, goal)}]"
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(POLICIES, "task=hand/push", asked), tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_a_clone_of_ones_own_is_ranked_with_the_others(tmp_path):
    asked = f"exercise.checkpoints=[{cloned(tmp_path / 'mine', 'reach')}]"
    wanted = changed(settings(POLICIES, "model=simulator", "exercise.clones=[]", asked), tmp_path / "store")
    check(wanted)
    with Experiment(wanted) as experiment:
        policies = build(Exercise, wanted.exercise, "exercise").roster(experiment).assembled(experiment)
    assert [who.arm.name for who in policies][-3:] == ["own1", "random", "noop"]
    assert "sha256" in policies[-3].arm.recipe()


def test_a_model_that_decodes_no_states_is_refused_before_any_work(tmp_path):
    blind = {"_target_": "tests.exercises.point_world.PointWorld", "decodes": []}
    wanted = replace(changed(settings(POLICIES), tmp_path), model=blind)
    with pytest.raises(UserError, match="model=latent_mlp decodes none"):
        PoliciesExercise(PoliciesConfig()).check(Experiment(wanted))


def _seen(x):
    flags = torch.zeros(x.shape[:2], dtype=torch.bool)
    return Windows({"state": x}, torch.zeros(*x.shape[:2], 2), torch.zeros(x.shape[:2]), ~flags, flags, ~flags)


def test_kinds_of_episodes_are_ranked_apart_and_a_correlation_that_is_of_one_of_them_is_told():
    """Of 40 episodes the first half is imagined as it is, and of the others nobody succeeds in any."""
    kinds = np.repeat(["reach", "push"], 20)
    true = np.tile(np.arange(20) < np.array([[2], [8], [14], [19]]), 2)
    judged = JudgedWorld("model", [*"abcd"], true, (true & (kinds == "reach"))[None])
    few = JudgedWorld("simulator", [*"abcd"], true[:, :21], true[None, :, :21])
    found = apart([judged, few], kinds)
    assert [world.world for world in found["push"]] == ["model"], "the simulator had one push, which ranks nothing"
    reach, push = (found[kind][0].ranking() for kind in ("reach", "push"))
    assert judged.ranking().spearman.value == 1 and reach.spearman.value == 1 and np.isnan(push.spearman.value)
    assert reach.agreement.value == 1 and push.bias.value == pytest.approx(-true[:, 20:].mean())
