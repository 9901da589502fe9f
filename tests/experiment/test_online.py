"""Rounds from nothing but random data: seeds, statistics that follow the data, and who explores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.exercises.point_world import PointExperiment, settings
from wm_lab.behaviours.actor_critic import ActorCritic
from wm_lab.behaviours.behaviour import feature_spec, rewards_differ
from wm_lab.data.config import FEW, LAST_ROOM, MOST_ROUNDS, DataConfig
from wm_lab.errors import UserError
from wm_lab.experiment.arms import PlanningArm
from wm_lab.experiment.checks import check_collector, check_exploration
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.restandardised import restandardised
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.settings import build
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import DataSpec, WorldModel

ROUNDS = {"episodes": 12, "validation_fraction": 0.25, "rounds": 3, "round_episodes": 2, "newest_fraction": None}
LATENT = {"_target_": "wm_lab.models.latent_mlp.LatentMLP", "units": 8, "transition_units": 8, "open_loop": 2}
TRAINER = {"steps": 2, "round_steps": 2, "batch": 4, "length": 4, "validate": 1}


def learning(store, **changes):
    """An experiment whose model is trained in earnest, a little."""
    data = {**ROUNDS, "mixture": {"random": 1.0}, "restandardise": True} | changes.pop("data", {})
    return settings(store, **{"model": LATENT, "data": data, "trainer": TRAINER, **changes})


def test_no_two_of_many_rounds_share_an_episode_and_old_rounds_keep_theirs():
    config = DataConfig(episodes=5, rounds=MOST_ROUNDS, round_episodes=FEW)
    seeds = [seed for number in range(MOST_ROUNDS + 1) for seed in config.seeds(number)]
    assert len(set(seeds)) == len(seeds) and max(seeds) < min(DataConfig(seed=1, episodes=5).seeds())
    assert config.seeds(LAST_ROOM)[0] == 50_000 * LAST_ROOM
    with pytest.raises(UserError, match=rf"data.rounds=16 leaves room for {FEW} episodes a round"):
        DataConfig(rounds=16, round_episodes=FEW + 1)


def test_statistics_follow_the_data_and_weights_stay():
    def spec(scale: float) -> DataSpec:
        return DataSpec(
            {"state": (2,)},
            1,
            mean={"state": [0.0, scale], "reward": [scale]},
            std={"state": [1.0, scale], "reward": [scale]},
        )

    def make(data: DataSpec) -> WorldModel:
        return LatentMLP(LatentMLPConfig(units=8, transition_units=8), data)

    earlier = make(spec(1.0))
    with torch.no_grad():
        for weight in earlier.parameters():
            weight.normal_()
    before = torch.get_rng_state()
    after = restandardised(earlier, make, spec(3.0))
    assert torch.equal(before, torch.get_rng_state()), "chance goes on as if nothing had been built"
    for name, weight in earlier.named_parameters():
        assert torch.equal(weight, after.get_parameter(name))
    assert after.heads.reward_norm.std.item() == after.heads.reward_norm.mean.item() == 3.0
    assert after.spec.mean["reward"] == [3.0] and earlier.heads.reward_norm.std.item() == 1.0


def test_a_model_goes_on_from_its_last_weights_and_sees_by_all_data_so_far(tmp_path):
    with Experiment(learning(tmp_path)) as experiment:
        experiment.data.dataset()
        places = [experiment.models.world_model(number) for number in range(4)]
        training = experiment.models.model_training(3)
        assert training.recipe["continues"] == places[2].parent.name and training.recipe["restandardised"]
        model, earlier = training.make(), build(WorldModel, LATENT, "model", experiment.data.dataset(0).spec)
        assert model.spec.mean == experiment.data.dataset(3).spec.mean != earlier.spec.mean
        assert len(set(experiment.data.dataset().table.seed.tolist())) == 12 + 3 * 2
    with Experiment(learning(tmp_path)) as again:
        again.models.world_model()
        assert not again.tools.seconds, "nothing is collected or trained twice"


def test_fifteen_rounds_ask_for_each_model_once(tmp_path):
    with PointExperiment(settings(tmp_path, data={**ROUNDS, "rounds": 15})) as experiment:
        asked = []
        collector = experiment.collector
        experiment.data._collector = lambda number: (asked.append(number), collector(number))[1]
        experiment.data.dataset()
        experiment.data.dataset(7)
    assert asked == list(range(1, 16))


def test_only_who_collects_rounds_explores_and_names_in_the_store_stay(tmp_path):
    plain, explores = ({"reward": 1.0, "final_weight": 0.0, "exploration": weight} for weight in (0.0, 2.0))
    with (
        PointExperiment(settings(tmp_path, objective=plain, data=ROUNDS)) as experiment,
        PointExperiment(settings(tmp_path, objective=explores, data=ROUNDS)) as explorer,
    ):
        collectors = [each.collector(1).recipe()["objective"] for each in (experiment, explorer)]
        assert collectors == [{"reward": 1.0, "final_weight": 0.0}, explores]
        arms = [PlanningArm("mpc", each.settings, "simulator").recipe() for each in (experiment, explorer)]
        assert arms[0] == arms[1] and "exploration" not in arms[0]["objective"]
        assert explorer.trainings[0].explores


def test_exploring_without_an_ensemble_or_rounds_is_refused_before_any_work(tmp_path):
    objective = {"exploration": 1.0}

    def complaint(**changes) -> str:
        with Experiment(learning(tmp_path, objective=objective, **changes)) as experiment:
            with pytest.raises(UserError) as refused:
                check_exploration(experiment.dry_run, experiment.tools.settings, experiment.data.config)
            assert not experiment.tools.seconds
        return str(refused.value)

    assert "objective.exploration needs a model that knows its own uncertainty" in complaint()
    seen = {"model": {**LATENT, "ensemble": 3}}
    assert "objective.exploration=1.0 is for rounds of data" in complaint(data={"rounds": 0}, **seen)
    with Experiment(replace(learning(tmp_path, objective=objective), **seen)) as fine:
        check_exploration(fine.dry_run, fine.tools.settings, fine.data.config)


ACTOR_CRITIC = {"_target_": "wm_lab.behaviours.actor_critic.ActorCritic", "validation_episodes": 0, "horizon": 2}


@pytest.mark.parametrize("who", ["actor", "mpc_actor"])
def test_an_actor_collects_rounds_and_goes_on_from_its_last_weights(tmp_path, who):
    data, mpc = {"rounds": 2, "collector": who}, {"execute": 1, "proposals": {"count": 4, "noise": 0.3}}
    with Experiment(
        learning(tmp_path, data=data, mpc=mpc, behaviour=ACTOR_CRITIC, behaviour_trainer=TRAINER)
    ) as experiment:
        places = [experiment.models.behaviour(number) for number in range(3)]
        training = experiment.models.behaviour_training(2)
        assert training.recipe["continues"] == places[1].parent.name
        assert training.recipe["world"] == experiment.models.world_model(2).parent.name
        arm = experiment.collector(2)
        assert arm.name == "collector" and arm.recipe()["policy"] == ("behaviour" if who == "actor" else "mpc")
    with Experiment(learning(tmp_path, behaviour=ACTOR_CRITIC, behaviour_trainer=TRAINER)) as planned:
        assert "continues" not in planned.models.behaviour_training(0).recipe


def test_how_the_last_actor_is_validated_names_no_round_before_it(tmp_path):
    def keys(episodes: int) -> list[str]:
        behaviour = {**ACTOR_CRITIC, "validation_episodes": episodes}
        data = {"rounds": 1, "collector": "actor"}
        with Experiment(learning(tmp_path, data=data, behaviour=behaviour, behaviour_trainer=TRAINER)) as experiment:
            trainings = [experiment.models.behaviour_training(number) for number in range(2)]
            return [experiment.tools.store.key("model", training.recipe) for training in trainings]

    few, many = keys(2), keys(3)
    assert few[0] == many[0] and few[1] != many[1]


def test_an_actor_that_goes_on_counts_rewards_and_features_by_all_data_so_far(tmp_path, monkeypatch):
    data = {"rounds": 1, "collector": "actor"}
    with Experiment(learning(tmp_path, data=data, behaviour=ACTOR_CRITIC, behaviour_trainer=TRAINER)) as experiment:
        training = experiment.models.behaviour_training(1)
        heard = []
        monkeypatch.setattr(ActorCritic, "go_on_with", lambda self, spec: (heard.append(spec), self)[1])
        training.make()
        world = load_model(experiment.models.world_model(1), WorldModel)
        assert heard == [feature_spec(world, experiment.data.dataset(1))]


def test_who_collects_must_be_there(tmp_path):
    with pytest.raises(UserError, match=r"did you mean mpc_actor"):
        DataConfig(collector="mpc_acto")
    with Experiment(learning(tmp_path, data={"collector": "actor"})) as experiment:
        config = experiment.data.config
        with pytest.raises(
            UserError, match=r"data.collector=actor is a behaviour learned in dreams, and behaviour=beha"
        ):
            check_collector(experiment.settings, config)
        with pytest.raises(UserError, match=r"pays a planner, and data.collector=actor has none"):
            check_exploration(experiment.dry_run, experiment.settings.with_objective({"exploration": 1.0}), config)


def test_an_actor_begins_anew_until_something_is_paid_and_only_the_last_round_is_refused(tmp_path, monkeypatch):
    data = {"rounds": 2, "collector": "actor"}
    with Experiment(learning(tmp_path, data=data, behaviour=ACTOR_CRITIC, behaviour_trainer=TRAINER)) as experiment:
        found = rewards_differ  # of data that hold some
        monkeypatch.setattr(
            "wm_lab.experiment.models.rewards_differ", lambda held: found(held) and len(held.table.seed) > 12
        )
        assert "continues" not in experiment.models.behaviour_training(1).recipe, "the first collection taught nothing"
        last = experiment.models.behaviour_training(2)
        assert last.recipe["continues"] == experiment.models.behaviour(1).parent.name
        monkeypatch.setattr("wm_lab.behaviours.behaviour.rewards_differ", lambda held: False)
        experiment.models.behaviour_training(1).make()
        assert last.make(), "it goes on from one that was paid"
        monkeypatch.setattr("wm_lab.experiment.models.rewards_differ", lambda held: False)
        with pytest.raises(UserError, match="a behaviour learns from rewards"):
            experiment.models.behaviour_training(2).make()
