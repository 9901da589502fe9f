"""A behaviour is trained by the one loop, tried in the task, and plays in the planning exercise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.toy import SPEED
from tests.exercises.point_world import PointExperiment, settings
from tests.models.worlds import KINDS, make_informed, noise_windows
from wm_lab.behaviours.actor_critic import ActorCritic, ActorCriticConfig
from wm_lab.behaviours.behaviour import Behaviour, feature_size, with_features
from wm_lab.behaviours.dreaming import believe
from wm_lab.errors import UserError
from wm_lab.exercises.planning.exercise import PlanningConfig, PlanningExercise
from wm_lab.experiment.arms import BehaviourArm
from wm_lab.experiment.validation import (
    VALIDATION,
    Tried,
    ValidationTrial,
    validation_numbers,
    validation_verdict,
)
from wm_lab.settings import complete
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

TARGET = "wm_lab.behaviours.actor_critic.ActorCritic"
ONLY = {"episodes": 8, "oracle_episodes": 0, "attribution": False, "clone": False, "local": False, "advised": False}
TRAINER = {"steps": 150, "batch": 8, "length": 6, "validate": 3, "warmup": 5, "learning_rate": 3e-3, "ema": 0.9}


def asked(store: Path, trainer: dict | None = None, behaviour: dict | None = None, **changes):
    options = {"units": 32, "layers": 2, "horizon": 5, "validation_episodes": 4, **(behaviour or {})}
    return settings(
        store,
        behaviour=complete({"_target_": TARGET, **options}, "behaviour"),
        behaviour_trainer={**TRAINER, **(trainer or {})},
        mpc={"execute": 1, "proposals": {"count": 4}},
        **changes,
    )


def test_the_actor_learns_to_move_the_point_and_planning_takes_its_advice(tmp_path):
    exercise = PlanningExercise(PlanningConfig(**ONLY, greedy=False))
    with PointExperiment(asked(tmp_path)) as experiment:
        exercise.check(experiment)
        answer = exercise.run(experiment)
    earned = {arm: outcomes[0].episode_return.mean() for arm, outcomes in answer.outcomes.items()}
    assert earned["actor"] > (earned["noop"] + earned["expert"]) / 2
    assert answer.outcomes["mpc_actor"][0].success.all()
    told = answer.numbers["behaviour"]
    _, dreamt = answer.figures["behaviour"].axes
    assert {line.get_label() for line in dreamt.lines} >= {"imagined", "realised"}
    assert [len(training) for training in told["trials"]] == [3] and len(told["trials"][0][0]["returns"]) == 4
    (verdict,) = [sentence for sentence in answer.verdicts if "imagined − realised" in sentence]
    assert verdict.startswith("cannot tell that the actor exploits its model"), "its model is the truth"
    assert len([told for told in answer.verdicts if "the actor" in told and "planning" in told]) == 1, "who is better"


def test_a_model_that_promises_too_much_is_found_out(tmp_path):
    model = {"_target_": "tests.exercises.point_world.PointWorld", "optimism": 0.2}
    with PointExperiment(asked(tmp_path, {"steps": 4, "validate": 2}, model=model)) as experiment:
        (training,) = [Tried.read(experiment.models.behaviour().parent)]
    gaps = [a - b for a, b in zip(training[0].imagined, training[0].realised, strict=True)]
    np.testing.assert_allclose(gaps, 5 * 0.2, atol=1e-4)
    assert "the actor exploits its model: imagined − realised return is 1.0" in validation_verdict([training])


def test_a_training_that_exploits_its_model_says_so_and_keeps_the_actor_that_did_best(tmp_path):
    mirrored = {"_target_": "tests.exercises.point_world.PointWorld", "speed": -SPEED}
    with PointExperiment(asked(tmp_path, {"steps": 90}, model=mirrored)) as experiment:
        checkpoint, tools = experiment.models.behaviour(), experiment.tools
        training = Tried.read(checkpoint.parent)
        world = load_model(experiment.models.world_model(), WorldModel)
        starts = experiment.data.validation_manifest(4)
    first, last = np.mean(training[0].returns), np.mean(training[-1].returns)
    assert last < first - 1, "what is learned in a mirror leads away from the goal"
    kept = load_model(checkpoint, Behaviour).learn_in(world)
    again = ValidationTrial(tools.make_task, starts, tmp_path)(kept, 0)
    assert again["returns"] == pytest.approx(max(np.mean(tried.returns) for tried in training), abs=1e-3)
    verdict = validation_verdict([training])
    assert "the actor exploits its model: imagined − realised return is" in verdict
    assert verdict.endswith(f"{last:.3g} at the end of training.")


def test_the_actor_that_earned_most_is_kept_and_not_the_last():
    def tried(step: int, earned: float) -> Tried:
        return Tried(step, [earned, earned], [0.0, 1.0], [0.0, 0.5])

    training = [tried(10, -3.0), tried(20, -1.0), tried(30, -2.0)]
    assert validation_numbers([training])["kept"] == [20]
    assert validation_verdict([training]).endswith(
        "kept after 20 steps with a validation return of -1, -2 at the end of training."
    )


def test_what_one_training_of_three_promises_too_much_is_not_told_of_all_trainings():
    starts = np.linspace(-0.1, 0.1, 16)
    trainings = [[Tried(10, [-1.0] * 16, (gap + starts).tolist(), [0.0] * 16)] for gap in (0.0, 0.0, 3.0)]
    verdict = validation_verdict(trainings)
    assert verdict.startswith("cannot tell that the actor exploits its model: imagined − realised return is 1.0 [")
    assert verdict.count("n=16") == 1, "starts are counted, not starts times trainings"
    assert "the actor exploits its model" in validation_verdict(trainings[2:])
    modest = [Tried(10, [-1.0] * 16, (starts - 3).tolist(), [0.0] * 16)]
    assert "the actor earns more awake than in its dreams: imagined − realised return is -3" in validation_verdict(
        [modest]
    )


def test_the_checkpoint_is_the_one_that_earned_most(tmp_path):
    with PointExperiment(asked(tmp_path, {"steps": 6, "validate": 3})) as experiment:
        checkpoint = experiment.models.behaviour()
        trials = json.loads((checkpoint.parent / VALIDATION).read_text())["trials"]
    best = max(trials, key=lambda each: np.mean(each["returns"]))
    kept = torch.load(checkpoint, weights_only=True)["facts"]
    assert kept["step"] == best["step"]
    assert kept["validation_loss"] == pytest.approx(-np.mean(best["returns"]))


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    def weights(store: Path, killed_at: int | None) -> dict:
        with PointExperiment(asked(store, {"steps": 6, "validate": 3, "save_seconds": 0.0})) as experiment:
            if killed_at is not None:
                loss, calls = ActorCritic.loss, iter(range(99))

                def until(self, windows):
                    if next(calls) == killed_at:
                        raise KeyboardInterrupt
                    return loss(self, windows)

                with monkeypatch.context() as patched:
                    patched.setattr(ActorCritic, "loss", until)
                    with pytest.raises(KeyboardInterrupt):
                        experiment.models.behaviour()
            return load_model(experiment.models.behaviour(), Behaviour).state_dict()

    whole, resumed = weights(tmp_path / "a", None), weights(tmp_path / "b", 4)
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("gradient", ["reinforce", "backprop"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_family_can_be_learned_in(kind, gradient):
    world = make_informed(kind, ensemble=2)
    spec = with_features(world.spec, torch.randn(9, feature_size(world)))
    options = {"gradient": gradient, "horizon": 3, "units": 16, "layers": 1, "disagreement": 1.0}
    actor = ActorCritic(ActorCriticConfig(**options), spec).learn_in(world).train()
    loss, logs = actor.loss(noise_windows(b=2, steps=4))
    loss.backward()
    assert all(value.isfinite() for value in logs.values())
    assert actor.actor[-1].bias.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in world.parameters()), "the world model stays as it is"


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_belief_along_the_way_is_the_one_that_was_held_then(kind):
    world, data = make_informed(kind).eval(), noise_windows(b=2, steps=4)
    states, features = believe(world, data)
    plans = torch.rand(8, 1, 2, 2)
    whole = world.imagine(states, plans).features
    early = world.imagine(world.encode(data[:, :2]), plans[[1, 5]]).features
    torch.testing.assert_close(whole[[1, 5]], early, atol=1e-5, rtol=1e-4)
    seen = world.observe(data)[1].features[:, 0]
    torch.testing.assert_close(features, seen, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"behaviour": {"horizon": 21}}, "behaviour.horizon=21 exceeds the 20 steps of toy/point; lower it"),
        ({"trainer": {"length": 22}}, "behaviour_trainer.length=22 is longer than the episodes of toy/point"),
        ({"trainer": {"init_from": "best.pt"}}, "a behaviour begins anew in its model; set it to null"),
        ({"behaviour": {"disagreement": 1.0}}, "behaviour.disagreement needs a model that knows its own uncertainty"),
        (
            {"model": {"_target_": "wm_lab.tasks.simulator.Simulator"}},
            "learns inside a learned model, and model=simulator is none",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_before_any_work(tmp_path, changes, sentence):
    exercise = PlanningExercise(PlanningConfig(**{**ONLY, "oracle_episodes": 2}, greedy=False))
    with PointExperiment(asked(tmp_path, **changes)) as experiment, pytest.raises(UserError, match=sentence):
        exercise.check(experiment)
    assert not list(tmp_path.rglob("*.pt"))


def test_a_behaviour_of_another_model_is_refused(tmp_path):
    with PointExperiment(asked(tmp_path, {"steps": 2, "validate": 1})) as experiment:
        checkpoint = experiment.models.behaviour()
        other = make_informed("latent_mlp", load_model(checkpoint, Behaviour).spec)
        with pytest.raises(UserError, match=r"this behaviour reads 5 features and LatentMLP has \d+"):
            load_model(checkpoint, Behaviour).learn_in(other)
        arm = BehaviourArm("actor", experiment.settings, checkpoint, experiment.models.world_model())
        assert arm.recipe()["world"] == experiment.models.world_model().parent.name


def test_data_without_rewards_teach_nothing_which_is_said_before_a_model_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.data.toy.PointTask.step", _unpaid())
    sentence = "a behaviour learns from rewards, and all in the data of toy/point are 0; give it more or other data"
    exercise = PlanningExercise(PlanningConfig(**ONLY, greedy=False))
    with PointExperiment(asked(tmp_path)) as experiment, pytest.raises(UserError, match=sentence):
        exercise.run(experiment)
    assert not list(tmp_path.rglob("*.pt"))
    with PointExperiment(asked(tmp_path)) as experiment, pytest.raises(UserError, match=sentence):
        experiment.models.behaviour()


def _unpaid():
    from tests.data.toy import PointTask

    step = PointTask.step

    def unpaid(self, action):
        seen, _, *rest = step(self, action)
        return seen, 0.0, *rest

    return unpaid
