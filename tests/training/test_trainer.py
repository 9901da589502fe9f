"""The training loop does what its settings say, stops where it must, and goes on exactly where it was."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from tests.training.examples import OneNumber, OneNumberConfig, point_data, small, trainer
from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import newest_weights
from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.training import trainer as module
from wm_lab.training.checkpoint import load_model, read
from wm_lab.training.config import TrainerConfig, learning_rate
from wm_lab.training.trainer import BEST, LAST, REPORT, train


class Killed(BaseException):
    """As sudden as SIGKILL: nothing in the loop may expect it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    return point_data(tmp_path_factory.mktemp("data") / "points")


def kill_at(step: int):
    def log(now: int, scalars) -> None:
        if now == step:
            raise Killed

    return log


@pytest.mark.parametrize(
    ("kind", "precision"),
    [("rssm", "float32"), ("latent_mlp", "float32"), ("rssm", "bfloat16")],
)
def test_a_killed_training_ends_with_the_same_bits_as_one_that_was_left_alone(tmp_path, data, kind, precision):
    config = trainer(save_seconds=0.0, precision=precision)
    told: dict[str, list] = {"whole": [], "resumed": []}
    for name in told:
        (tmp_path / name).mkdir()
    train(small(kind, data.spec), data, config, tmp_path / "whole", 3, log=lambda *entry: told["whole"].append(entry))
    with pytest.raises(Killed):
        train(small(kind, data.spec), data, config, tmp_path / "resumed", 3, log=kill_at(30))
    assert read(tmp_path / "resumed" / LAST)["step"] == 29
    torch.rand(5)  # whatever else the new process does with the global generator
    other = small(kind, data.spec)
    torch.nn.init.zeros_(next(other.parameters()))  # the new process's own weights must not matter
    train(other, data, config, tmp_path / "resumed", 3, log=lambda *entry: told["resumed"].append(entry))

    whole, resumed = (read(tmp_path / name / LAST) for name in told)
    assert whole["step"] == resumed["step"] == 40
    for part in ("model", "average"):
        assert whole[part].keys() == resumed[part].keys()
        assert all(torch.equal(whole[part][key], resumed[part][key]) for key in whole[part]), part
    best = [read(tmp_path / name / BEST) for name in told]
    assert all(torch.equal(best[0]["weights"][key], best[1]["weights"][key]) for key in best[0]["weights"])
    assert best[0]["facts"] == best[1]["facts"]
    assert told["resumed"] == [entry for entry in told["whole"] if entry[0] >= 30]


def test_a_training_whose_model_was_changed_half_way_is_told_so_in_one_line(tmp_path, data):
    with pytest.raises(Killed):
        train(small("rssm", data.spec), data, trainer(save_seconds=0.0), tmp_path, 0, log=kill_at(30))
    changed = small("rssm", data.spec)
    changed.heads.reward_norm.mean = torch.zeros(2)
    words = r"last\.pt does not fit RSSM as it is now \(size mismatch.*; delete it"
    with pytest.raises(UserError, match=words) as error:
        train(changed, data, trainer(), tmp_path, 0)
    assert "\n" not in str(error.value)


def test_a_finished_training_is_not_trained_again(tmp_path, data):
    config = trainer()
    train(small("latent_mlp", data.spec), data, config, tmp_path, 0)
    before = (tmp_path / BEST).read_bytes()
    steps: list[int] = []
    train(small("latent_mlp", data.spec), data, config, tmp_path, 0, log=lambda step, scalars: steps.append(step))
    assert not steps and (tmp_path / BEST).read_bytes() == before


def test_seeds_decide_what_is_learnt_and_the_callers_random_stream_is_left_alone(tmp_path, data):
    weights = []
    for run, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(run)
        folder.mkdir()
        torch.manual_seed(run)
        model = small("rssm", data.spec)
        before = torch.get_rng_state()
        train(model, data, trainer(steps=5), folder, seed)
        assert torch.equal(torch.get_rng_state(), before)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_nan_stops_the_training_and_names_its_term(tmp_path, data):
    model = OneNumber(OneNumberConfig(), data.spec)
    model.broken_at = 7
    with pytest.raises(FloatingPointError, match=r"step 7, in friction;.*trainer\.learning_rate"):
        train(model, data, trainer(save_seconds=0.0), tmp_path, 0)
    kept = read(tmp_path / LAST)
    assert kept["step"] == 7 and torch.isfinite(kept["model"]["weight"]), "what is kept is from before"


def test_a_gradient_that_overflows_skips_its_step(tmp_path, data):
    class Overflowing(OneNumber):
        def loss(self, windows):
            total, logs = super().loss(windows)
            if len(self.seen) == 3 and torch.is_grad_enabled():
                total = total + 0 * (self.weight * 0).sqrt()  # finite, but its slope is not
            return total, logs

    model, weights = Overflowing(OneNumberConfig(), data.spec), []
    train(
        model,
        data,
        trainer(steps=6, validate=6),
        tmp_path,
        0,
        log=lambda step, scalars: weights.append(model.weight.item()),
    )
    changes = [b - a for a, b in pairwise(weights)]
    assert changes[1] == 0 and all(change < 0 for change in changes[:1] + changes[2:])


def test_the_gradient_is_clipped_to_its_largest_norm(tmp_path, data, monkeypatch):
    norms = []

    class Watching(torch.optim.AdamW):
        def step(self, closure=None):
            norms.append(torch.cat([p.grad.flatten() for p in self.param_groups[0]["params"]]).norm().item())
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Watching)
    train(OneNumber(OneNumberConfig(start=50.0), data.spec), data, trainer(steps=3, clip=0.5), tmp_path, 0)
    assert norms == pytest.approx([0.5] * 3, rel=1e-3)


def test_the_kept_weights_are_the_exponential_average(tmp_path, data):
    model, weights = OneNumber(OneNumberConfig(start=3.0, target=-1.0), data.spec), [3.0]
    config = trainer(steps=30, validate=30, ema=0.6, learning_rate=0.1)
    train(model, data, config, tmp_path, 0, log=lambda step, scalars: weights.append(model.weight.item()))
    average = weights[0]
    for step, weight in enumerate(weights[1:], 1):
        keep = min(0.6, step / (step + 10))
        average = keep * average + (1 - keep) * weight
    assert read(tmp_path / LAST)["average"]["weight"].item() == pytest.approx(average, rel=1e-5)
    assert load_model(tmp_path / BEST, OneNumber).weight.item() == pytest.approx(average, rel=1e-5)
    assert model.weight.item() == pytest.approx(weights[-1]), "validation gives the trained weights back"


def test_best_is_the_lowest_validation_loss_and_last_the_last(tmp_path, data):
    model = OneNumber(OneNumberConfig(), data.spec)
    model.validation = [3.0, 1.0, 2.0, 1.5]

    def next_one(step: int, scalars) -> None:
        assert scalars["validation/loss"] == pytest.approx(model.validation.pop(0))
        model.validation = model.validation or [9.0]

    best = train(model, data, trainer(steps=40, validate=4), tmp_path, 0, log=next_one)
    assert read(best)["facts"] == {"step": 20, "validation_loss": 1.0}
    assert read(tmp_path / LAST)["step"] == 40


def test_training_without_one_finite_validation_loss_has_no_best_model(tmp_path, data):
    model = OneNumber(OneNumberConfig(), data.spec)
    model.validation = [math.nan]
    with pytest.raises(FloatingPointError, match="no validation loss was finite"):
        train(model, data, trainer(), tmp_path, 0)


def test_validation_sees_held_out_episodes_only(tmp_path, data):
    goals = {tuple(data.episode(int(i)).state[0, 2:4]) for i in data.episodes("validation")}
    assert goals

    class Looking(OneNumber):
        def loss(self, windows):
            looked[torch.is_grad_enabled()].update(map(tuple, windows.observation["state"][:, 0, 2:4].numpy()))
            return super().loss(windows)

    looked: dict[bool, set] = {True: set(), False: set()}
    train(Looking(OneNumberConfig(), data.spec), data, trainer(), tmp_path, 0)
    assert looked[False] <= goals and not looked[True] & goals


def test_the_learning_rate_rises_stays_and_falls():
    config = TrainerConfig(steps=1000, learning_rate=2.0, warmup=100, hold=0.3, final_rate=0.1)
    rate = [learning_rate(config, step) for step in range(1001)]
    assert rate[0] == pytest.approx(0.02) and rate[49] == pytest.approx(1.0) and rate[99:300] == [2.0] * 201
    assert rate[650] == pytest.approx(2.0 * 0.55)  # half-way down the cosine
    assert rate[1000] == pytest.approx(0.2)
    assert all(a >= b for a, b in pairwise(rate[300:]))


def test_a_round_starts_from_the_trained_weights_at_its_own_rate_and_prefers_new_data(tmp_path, data):
    first = tmp_path / "first"
    first.mkdir()
    config = trainer(learning_rate=0.4, round_steps=6, round_rate=0.25)
    best = train(OneNumber(OneNumberConfig(), data.spec), data, config, first, 0)
    again = config.for_round()
    assert (again.steps, again.learning_rate) == (6, pytest.approx(0.1))

    more = Dataset([*data.shards, *point_data(tmp_path / "more", 12, start=1000).shards], data.split_config)
    model = load_model(best, OneNumber)
    begun = model.weight.item()
    second = tmp_path / "second"
    second.mkdir()
    train(model, more, again, second, 0, shard_weights=newest_weights(more, 0.75))
    assert read(second / LAST)["step"] == 6
    assert 0 < abs(model.weight.item() - begun) <= 6 * 0.1
    new_goals = {tuple(more.episode(i).state[0, 2:4]) for i in range(len(more)) if more.table.shard[i] == 1}
    share = [sum(tuple(goal) in new_goals for goal in w.observation["state"][:, 0, 2:4].numpy()) for w in model.seen]
    assert share == [3] * 6, "three of four windows"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, r"trainer\.steps=0"),
        ({"length": 1}, r"trainer\.length=1"),
        ({"precision": "half"}, r"trainer\.precision='half'.*bfloat16"),
        ({"ema": 1.0}, r"trainer\.ema=1\.0"),
        ({"learning_rate": 0.0}, r"trainer\.learning_rate=0\.0"),
        ({"clip": -1.0}, r"trainer\.clip=-1\.0"),
        ({"hold": 1.5}, r"trainer\.hold=1\.5"),
        ({"round_steps": 0}, r"trainer\.round_steps=0"),
    ],
)
def test_impossible_settings_are_refused_with_the_number_found(options, words):
    with pytest.raises(UserError, match=words):
        read_config(TrainerConfig, options, "trainer")


def test_what_is_silent_never_changes_the_weights(tmp_path, data, monkeypatch):
    threads = torch.get_num_threads()
    weights = []
    for run, options in enumerate(({}, {"save_seconds": 0.0, "threads": 2})):
        folder = tmp_path / str(run)
        folder.mkdir()
        train(OneNumber(OneNumberConfig(), data.spec), data, trainer(**options), folder, 0)
        weights.append(read(folder / LAST)["model"]["weight"])
    torch.set_num_threads(threads)
    assert torch.equal(*weights)
    assert set(TrainerConfig.SILENT) <= set(TrainerConfig.__dataclass_fields__)


def test_last_is_written_as_often_as_asked(tmp_path, data, monkeypatch):
    times = iter(range(0, 10_000, 3))
    written = []
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(times)))
    monkeypatch.setattr(module, "write", lambda path, content: written.append(content["step"]))
    train(OneNumber(OneNumberConfig(), data.spec), data, trainer(steps=20, save_seconds=1e6), tmp_path, 0)
    assert written == [20]
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, REPORT]
