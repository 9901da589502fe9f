"""What is evolved comes to where the optimum is known to be, and a controller to what pays most."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cmaes import CMA, SepCMA

from tests.behaviours.test_learning import TRAINER
from tests.behaviours.worlds import BEST, Bandit, SteppedLinear, spec_of, windows_of
from tests.exercises.point_world import PointExperiment, settings
from tests.models.worlds import make_informed, noise_windows
from tests.policies.linear_world import optimal_cost
from wm_lab.behaviours import cma_es
from wm_lab.behaviours.behaviour import Behaviour, feature_size, with_features
from wm_lab.behaviours.cma_es import CMAESConfig, Controller, Evolution
from wm_lab.errors import UserError
from wm_lab.exercises.planning.exercise import PlanningConfig, PlanningExercise
from wm_lab.settings import complete
from wm_lab.training.checkpoint import load_model

TARGET = "wm_lab.behaviours.cma_es.Controller"
ONLY = {"episodes": 8, "oracle_episodes": 0, "attribution": False, "clone": False, "local": False, "advised": False}
SMALL = {"population": 16, "rollouts": 4}


def evolve(evolution: Evolution, cost, generations: int) -> None:
    for _ in range(generations):
        candidates = evolution.ask()
        evolution.tell(candidates, np.array([cost(x) for x in candidates]))


@pytest.mark.parametrize("full", [True, False])
def test_the_minimum_of_a_stretched_quadratic_is_found(full, monkeypatch):
    monkeypatch.setattr(cma_es, "FULL", 300 if full else 0)
    torch.manual_seed(0)
    axes, best = np.logspace(0, 2, 6), np.linspace(-2, 3, 6)
    evolution = Evolution(6, population=16, sigma=0.5)
    evolve(evolution, lambda x: float((axes * (x - best) ** 2).sum()), generations=150)
    np.testing.assert_allclose(evolution.mean, best, atol=1e-5)
    assert evolution.covariance.ndim == (2 if full else 1) and int(evolution.generation) == 150


@pytest.mark.parametrize(("full", "kind"), [(True, CMA), (False, SepCMA)])
def test_between_generations_nothing_of_the_package_s_state_is_lost(full, kind, monkeypatch):
    monkeypatch.setattr(cma_es, "FULL", 300 if full else 0)
    evolution, whole = Evolution(4, population=8, sigma=0.5), kind(mean=np.zeros(4), sigma=0.5, population_size=8)
    for _ in range(12):
        candidates = evolution.ask()
        cost = (candidates**2 @ np.arange(1, 5)) + candidates.sum(1)
        whole.tell(list(zip(candidates, cost.tolist(), strict=True)))
        evolution.tell(candidates, cost)
    np.testing.assert_allclose(evolution.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(float(evolution.sigma), whole._sigma, rtol=1e-12)


def test_evolution_stays_where_float64_is_whatever_device_dreams():
    moved = controller(torch.ones(2, 1), Bandit()).to("meta")
    assert moved.weight.device.type == "meta"
    assert moved.evolution.mean.device.type == "cpu" and moved.evolution.mean.dtype == torch.float64


def test_a_cost_that_is_no_number_is_the_worst():
    torch.manual_seed(0)
    evolution = Evolution(2, population=8, sigma=0.5)
    evolve(evolution, lambda x: float("nan") if x[0] < 0.1 else float(((x - 1) ** 2).sum()), generations=80)
    np.testing.assert_allclose(evolution.mean, [1, 1], atol=1e-3)


def controller(features: torch.Tensor, world, action_size: int = 1, **options) -> Controller:
    spec = spec_of(features, action_size, 1.0)
    return Controller(CMAESConfig(**{**SMALL, "horizon": 1, **options}), spec).learn_in(world).train()


def test_a_bandit_s_controller_plays_what_pays_most():
    torch.manual_seed(0)
    player = controller(torch.ones(2, 1), Bandit(), sigma=0.3)
    for _ in range(40):
        loss, logs = player.loss(windows_of(torch.ones(2, 2, 1)))
    assert abs(float(player.act(torch.ones(1, 1))) - BEST) < 1e-3
    assert float(loss) == pytest.approx(-float(logs["return"])) and float(logs["best"]) <= 0


def test_a_linear_system_is_controlled_within_five_percent_of_the_optimum():
    torch.manual_seed(0)
    starts, world = 0.4 * torch.rand(4096, 2) - 0.2, SteppedLinear()
    player = controller(starts, world, horizon=30, population=32, rollouts=32)
    for _ in range(60):
        player.loss(windows_of(starts[torch.randint(len(starts), (32, 2))]))
    with torch.inference_mode():
        now = world.observe(windows_of(starts[:100, None]))[0]
        cost = torch.zeros(100)
        for _ in range(60):
            now, seen = world.step(now, player.act(now.x))
            cost -= seen.reward[:, 0, 0]
    best = sum(optimal_cost(start.numpy(), 60) for start in starts[:100])
    assert best < float(cost.sum()) < 1.05 * best


def test_every_controller_of_a_population_dreams_as_it_would_alone():
    world = make_informed("mdn_rnn").eval()
    spec = with_features(world.spec, torch.randn(9, feature_size(world)))
    player = Controller(CMAESConfig(population=4, rollouts=3, horizon=5), spec).learn_in(world)
    weights, data = torch.randn(4, *player.weight.shape), noise_windows(b=1, steps=2)
    data.valid[:, 1:] = False  # one beginning, whatever is drawn
    with torch.inference_mode():
        together = player._earned(data, weights)
        alone = [player._earned(data, weight[None]).item() for weight in weights]
    assert together.tolist() == pytest.approx(alone, rel=1e-4)
    assert len(set(alone)) == 4


def test_a_warm_dream_is_another_and_the_model_s_own_stays_calm():
    world = make_informed("mdn_rnn").eval()
    spec = with_features(world.spec, torch.randn(9, feature_size(world)))
    player = Controller(CMAESConfig(**SMALL, horizon=5, temperature=1.3), spec).learn_in(world).eval()
    torch.manual_seed(0)
    earned = {float(player.loss(noise_windows())[0]) for _ in range(3)}
    assert len(earned) == 3 and player.dream_world.temperature == 1.3 and player.world.temperature is None


def asked(store, behaviour: dict | None = None, trainer: dict | None = None, **changes):
    options = {**SMALL, "horizon": 5, "validation_episodes": 4, "sigma": 0.3, **(behaviour or {})}
    return settings(
        store,
        behaviour=complete({"_target_": TARGET, **options}, "behaviour"),
        behaviour_trainer={**TRAINER, "steps": 30, **(trainer or {})},
        mpc={"execute": 1, "proposals": {"count": 4}},
        **changes,
    )


@pytest.mark.parametrize("trained_in", ["dream", "task"])
def test_the_controller_learns_to_move_the_point(tmp_path, trained_in):
    exercise = PlanningExercise(PlanningConfig(**ONLY, greedy=False))
    with PointExperiment(asked(tmp_path, {"trained_in": trained_in})) as experiment:
        exercise.check(experiment)
        answer = exercise.run(experiment)
    earned = {arm: outcomes[0].episode_return.mean() for arm, outcomes in answer.outcomes.items()}
    assert earned["actor"] > (earned["noop"] + earned["expert"]) / 2
    assert [sentence for sentence in answer.verdicts if "imagined − realised" in sentence]


def test_a_killed_evolution_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    def weights(store, killed_at: int | None) -> dict:
        trainer = {"steps": 6, "validate": 3, "save_seconds": 0.0}
        with PointExperiment(asked(store, trainer=trainer)) as experiment:
            if killed_at is not None:
                loss, calls = Controller.loss, iter(range(99))

                def until(self, windows):
                    if next(calls) == killed_at:
                        raise KeyboardInterrupt
                    return loss(self, windows)

                with monkeypatch.context() as patched:
                    patched.setattr(Controller, "loss", until)
                    with pytest.raises(KeyboardInterrupt):
                        experiment.models.behaviour()
            return load_model(experiment.models.behaviour(), Behaviour).state_dict()

    whole, resumed = weights(tmp_path / "a", None), weights(tmp_path / "b", 4)
    assert whole["weight"].any()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"behaviour": {"temperature": 1.15}}, r"temperature=1.15 draws dreams from a mixture, and PointWorld only"),
        ({"trainer": {"devices": 2}}, "behaviour_trainer.devices=2 share gradients, and behaviour=.* without any"),
        (
            {"model": {"_target_": "wm_lab.tasks.simulator.Simulator"}},
            "learns inside a learned model, and model=simulator is none",
        ),
    ],
)
def test_what_cannot_go_together_is_refused_before_any_work(tmp_path, changes, sentence):
    exercise = PlanningExercise(PlanningConfig(**{**ONLY, "oracle_episodes": 2}, greedy=False))
    with PointExperiment(asked(tmp_path, **changes)) as experiment, pytest.raises(UserError, match=sentence):
        exercise.check(experiment)
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"trained_in": "sleep"}, "behaviour.trained_in='sleep' is not known; choose dream or task"),
        ({"trained_in": "task", "temperature": 1.0}, "temperature=1 is of dreams, and behaviour.trained_in=task has"),
    ],
)
def test_options_without_sense_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        CMAESConfig(**options)


def test_a_controller_of_another_latent_size_is_refused():
    player = Controller(CMAESConfig(**SMALL), spec_of(torch.randn(9, 7), 1, 1.0))
    with pytest.raises(UserError, match="reads 7 features and Bandit has 1; use the model that it was trained in"):
        player.learn_in(Bandit())
