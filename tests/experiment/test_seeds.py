"""Several training seeds in one run: the single runs of these seeds on the same data, whatever trains beside what."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.exercises.hand_lab import changed, check
from tests.exercises.hand_lab import settings as hand_settings
from tests.exercises.point_world import settings
from wm_lab.data.worker import tell
from wm_lab.data.workers import Workers
from wm_lab.errors import UserError
from wm_lab.evaluation.outcomes import ARRAYS
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.imagination.config import ImaginationConfig
from wm_lab.exercises.imagination.exercise import ImaginationExercise
from wm_lab.exercises.planning import PlanningConfig, PlanningExercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.reports.metric import metrics_of

CONFIG = PlanningConfig(4, oracle_episodes=2, attribution=False, validation_episodes=3)

TIMED = {"decision_ms"}


def learning(store, **changes: Any) -> Settings:
    """A run on the point mass whose model and clone take a few steps of training."""
    trainer = {"steps": 6, "batch": 8, "length": 8, "warmup": 1, "validate": 2}
    return settings(
        store,
        model={"_target_": "wm_lab.models.latent_mlp.LatentMLP", "transition_units": 16, "units": 16},
        bc={"_target_": "wm_lab.policies.behaviour_cloning.BehaviourCloning", "hidden": 16},
        trainer=trainer,
        bc_trainer=trainer,
        mpc={"execute": 1, "proposals": {"count": 4, "noise": 0.3}},
        **changes,
    )


def asked(wanted: Settings) -> tuple[Answer, set[str]]:
    """The answer of the planning exercise, and what was trained for it."""
    with Experiment(wanted) as experiment:
        return PlanningExercise(CONFIG).run(experiment), {
            name for name in experiment.tools.seconds if name.startswith("train ")
        }


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def two(store) -> Answer:
    return asked(learning(store, seeds=2))[0]


def same(a: Answer, b: Answer, *, but: frozenset[str] = frozenset()) -> bool:
    """Whether the same arms did the same in every training, the wall clock aside."""
    assert a.outcomes.keys() == b.outcomes.keys()
    pairs = [
        (mine, other)
        for name in a.outcomes.keys() - but
        for mine, other in zip(a.outcomes[name], b.outcomes[name], strict=True)
    ]
    return all(
        np.array_equal(getattr(mine, name), getattr(other, name), equal_nan=True)
        for mine, other in pairs
        for name in set(ARRAYS) - TIMED
    )


@pytest.mark.slow
def test_two_training_seeds_are_the_two_single_runs_on_the_same_data(two, tmp_path):
    alone = [asked(learning(tmp_path, seed=seed))[0] for seed in (0, 1)]
    for name in ("mpc", "bc", "selected", "local", "greedy"):
        for mine, single in zip(two.outcomes[name], alone, strict=True):
            (other,) = single.outcomes[name]
            assert mine.seed == other.seed
            np.testing.assert_array_equal(mine.episode_return, other.episode_return)
            np.testing.assert_array_equal(mine.predicted, other.predicted)
    assert not np.array_equal(*(run.episode_return for run in two.outcomes["mpc"])), "each trained a model of its own"
    assert [len(two.outcomes[name]) for name in ("expert", "random", "noop", "simulator")] == [1, 1, 1, 1]
    assert [told["seed"] for told in two.numbers["policy_selection"]] == [0, 1]


@pytest.mark.slow
def test_what_trains_side_by_side_ends_as_what_trains_in_turn(two, tmp_path):
    beside, trained = asked(learning(tmp_path, seeds=2, workers=2))
    assert same(two, beside)
    assert trained == {"train model", "train bc"}


def test_models_that_a_single_run_left_are_found(two, tmp_path):
    asked(learning(tmp_path))
    folders = {path.name for path in (tmp_path / "model").iterdir() if not path.name.startswith(".")}
    again, trained = asked(learning(tmp_path, seeds=2))
    assert same(two, again)
    assert trained == {"train model", "train bc"}
    more = {path.name for path in (tmp_path / "model").iterdir() if not path.name.startswith(".")}
    assert folders < more and len(more) == 4, "of the second seed alone"


def test_a_run_that_lost_a_training_half_way_goes_on_to_the_same_numbers(two, store, tmp_path):
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    for kind in ("outcomes", "speed"):
        shutil.rmtree(tmp_path / kind)
    killed = sorted(path for path in (tmp_path / "model").glob("[!.]*"))[1]
    digest = killed.name.rpartition("-")[2]
    killed.rename(killed.with_name(f".building-{digest}"))  # last.pt of a finished training, and no plain name
    again, trained = asked(learning(tmp_path, seeds=2, workers=2))
    assert same(two, again) and len(trained) == 1


def test_rows_and_metric_are_over_seeds_and_episodes(two):
    (row,) = [row for row in two.numbers["rows"] if row["arm"] == "mpc"]
    returns = np.array([run.episode_return for run in two.outcomes["mpc"]])
    assert row["seeds"] == 2 and row["episode_return"]["value"] == pytest.approx(returns.mean())
    by_arm = {row[1]: row[-1] for row in two.tables[0].rows}
    assert (by_arm["expert"], by_arm["mpc"], by_arm["bc"]) == ("4", "4 × 2", "4 × 2")
    told = metrics_of("success", two.numbers, two.outcomes)
    assert told["success"] == np.mean([run.success.mean() for run in two.outcomes["mpc"]])


@pytest.mark.slow
def test_each_round_of_a_training_is_collected_with_its_own_model(tmp_path):
    data = {"episodes": 40, "validation_fraction": 0.25, "rounds": 1, "round_episodes": 4}
    trainer = {"round_steps": 4, **learning(tmp_path).trainer}
    wanted = replace(learning(tmp_path, seeds=2, workers=2), data=data, trainer=trainer)
    config = replace(CONFIG, validation_episodes=0, advised=False, clone=False, greedy=False, oracle_episodes=0)
    with Experiment(wanted) as experiment:
        answer = PlanningExercise(config).run(experiment)
        first, second = (each.data.dataset() for each in experiment.trainings)
    assert first.shards[0].folder == second.shards[0].folder
    assert first.shards[1].folder != second.shards[1].folder
    assert len(answer.outcomes["mpc"]) == len(answer.outcomes["mpc_offline"]) == 2


class Curves:
    """Stands in for the record of a run."""

    rerun = False

    def __init__(self) -> None:
        self.names: set[str] = set()

    def log(self, step: int, **scalars: float) -> None:
        self.names |= {name for name in scalars if name.endswith("/loss") and "validation" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_curves_of_every_training_are_kept_under_names_of_their_own(tmp_path, workers):
    with Experiment(learning(tmp_path, seeds=2, workers=workers)) as experiment:
        experiment.tools.run = curves = Curves()  # type: ignore[assignment]
        PlanningExercise(replace(CONFIG, validation_episodes=0)).run(experiment)
    assert curves.names == {"train/loss", "bc/loss", "train_seed1/loss", "bc_seed1/loss"}


def test_other_frozen_starts_have_a_manifest_of_their_own(tmp_path):
    with Experiment(settings(tmp_path)) as experiment, Experiment(settings(tmp_path, evaluation=offset(5))) as other:
        first, second = experiment.data.manifest(10), other.data.manifest(10)
        assert second.seeds[:5] == first.seeds[5:] and first.hash != second.hash
        assert min(second.seeds) > max(experiment.data.config.seeds())
        assert experiment.data.validation_manifest(3) == other.data.validation_manifest(3)


def offset(starts: int) -> dict[str, Any]:
    return {"variation": "none", "offset": starts}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"evaluation": {"offset": -1}}, "evaluation.offset=-1 must be"),
        ({"evaluation": {"offset": 2**29}}, "evaluation.offset=536870912 must be"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(hand_settings(), tmp_path, **changes))
    assert not list(tmp_path.iterdir())


def _counting():
    def count(item: int) -> int:
        for number in range(item):
            tell(number)
        return item

    return count


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_news_of_an_item_are_heard_before_its_result(workers):
    heard: list[tuple[int, int]] = []
    with Workers(workers) as pool:
        done = pool.map(_counting, [2, 3], hear=lambda item, news: heard.append((item, news)))
    assert done == [2, 3]
    assert sorted(heard) == [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]


def test_imagination_is_judged_over_trainings_on_the_same_windows(store, two):
    config = ImaginationConfig(horizon=6, context=3, windows=24, planned_windows=6, resamples=100)
    with Experiment(learning(store, seeds=2)) as experiment:
        both = ImaginationExercise(config).run(experiment)
        assert not any(name.startswith("train ") for name in experiment.tools.seconds), "all were planned with"
    alone = []
    for seed in (0, 1):
        with Experiment(learning(store, seed=seed)) as experiment:
            alone.append(ImaginationExercise(config).run(experiment))

    def error(answer: Answer) -> float:
        return answer.numbers["held_out"]["all"]["variables"]["position"]["median"][5]["value"]

    assert error(both) == pytest.approx(np.mean([error(one) for one in alone]))
    assert error(alone[0]) != error(alone[1])
    assert all(row[-1].endswith(" × 2") for row in both.tables[0].rows) and "training seeds" in both.tables[0].caption
