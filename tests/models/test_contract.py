"""What every latent world model promises to whoever filters, plans or looks with it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import torch

from tests.models.worlds import ACTION, KINDS, LATENT, SIGHT, SPEC, STATE, looking, make, make_informed, noise_windows
from wm_lab.objectives import ObjectiveConfig, build_objective, model_score
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

pytestmark = pytest.mark.parametrize("kind", KINDS)
EXACT = {"rtol": 1e-5, "atol": 1e-5}


def actions(*lead: int) -> torch.Tensor:
    return torch.rand(*lead, ACTION, generator=torch.Generator().manual_seed(3)) * 2 - 1


def assert_same(a: State | Imagination, b: State | Imagination) -> None:
    names = a._fields if isinstance(a, tuple) else [f.name for f in fields(a)]
    for name in names:
        mine, theirs = getattr(a, name), getattr(b, name)
        if isinstance(mine, State):
            assert_same(mine, theirs)
        else:
            torch.testing.assert_close(mine, theirs, **EXACT, msg=lambda m, name=name: f"{name}: {m}")


def joined(a: Windows, b: Windows) -> Windows:
    """b after a in the same rows, each beginning an episode."""
    pairs = {key: torch.cat([a.observation[key], b.observation[key]], 1) for key in a.observation}
    rest = {
        name: torch.cat([getattr(a, name), getattr(b, name)], 1)
        for name in ("action", "reward", "first", "terminal", "valid")
    }
    return Windows(observation=pairs, **rest)


@pytest.fixture
def model(kind: str) -> WorldModel:
    return make_informed(kind, ensemble=3).eval()


def test_a_reset_in_mid_sequence_equals_a_fresh_sequence(model):
    before, after = noise_windows(seed=1), noise_windows(seed=2)
    after.action[:, 0] = 0.7  # whatever stands there, no action led to an episode's first step
    belief, seen = model.observe(joined(before, after))
    fresh_belief, fresh = model.observe(after)
    assert_same(belief, fresh_belief)
    steps = before.shape[1]
    assert_same(Imagination(*(v if v is None else v[:, :, steps:] for v in seen)), fresh)


def test_a_reset_of_one_row_leaves_the_others_alone(model):
    history, now = noise_windows(seed=1), noise_windows(seed=2)[:, :1]
    now.first[:] = torch.tensor([[False], [True], [False]])
    belief = model.encode(history)
    mixed = model.encode(now, belief)
    now.first[:] = False
    going_on = model.encode(now, belief)
    now.first[:] = True
    begun = model.encode(now)
    assert_same(mixed[[0, 2]], going_on[[0, 2]])
    assert_same(mixed[[1]], begun[[1]])


def test_filtering_step_by_step_equals_the_batched_pass(model):
    data = joined(noise_windows(seed=1), noise_windows(seed=2))
    belief, seen = model.observe(data)
    state, parts = None, []
    for t in range(data.shape[1]):
        state, part = model.observe(data[:, t : t + 1], state)
        parts.append(part)
    assert_same(state, belief)
    for name in ("features", "reward", "continue_probability"):
        stepwise = torch.cat([getattr(part, name) for part in parts], 2)
        torch.testing.assert_close(stepwise, getattr(seen, name), **EXACT)


def test_n_candidates_are_imagined_as_each_one_alone(model):
    belief, plans = model.encode(noise_windows()), actions(3, 4, 5)
    together = model.imagine(belief, plans)
    assert together.features.shape[:3] == (3, 4, 5)
    for b in range(3):
        for n in range(4):
            alone = model.imagine(belief[[b]], plans[b : b + 1, n : n + 1])
            assert_same(alone, Imagination(*(v[b : b + 1, n : n + 1] for v in together)))


def test_what_comes_later_never_changes_what_was_imagined_before(model):
    belief, plans = model.encode(noise_windows()), actions(3, 2, 6)
    whole = model.imagine(belief, plans)
    part = model.imagine(belief, plans[:, :, :4])
    assert_same(part, Imagination(*(v[:, :, :4] for v in whole)))


def test_actions_matter_to_every_step_that_follows_them(model):
    belief, plans = model.encode(noise_windows()), actions(3, 2, 6)
    changed = plans.clone()
    changed[:, :, 2] += 0.5
    moved = (model.imagine(belief, plans).features - model.imagine(belief, changed).features).abs().amax(-1)
    assert (moved[:, :, :2] == 0).all() and (moved[:, :, 2:] > 0).all()


def test_imagining_never_decodes_and_decoding_needs_no_state(model):
    belief = model.encode(noise_windows())

    def refuse(*_: object) -> None:
        raise AssertionError("the decoder was called")

    decoder = model.heads.decoder.forward
    model.heads.decoder.forward = refuse
    future = model.imagine(belief, actions(3, 2, 5))
    model.heads.decoder.forward = decoder
    assert model.decode(future)["state"].shape == (3, 2, 5, STATE)


def test_a_search_by_how_near_the_goal_looks_asks_no_head_for_rewards_and_scores_the_same(model):
    data, plans = noise_windows(), actions(3, 2, 5)
    belief = model.encode(data)
    objective = build_objective(ObjectiveConfig(reward=0.0, goal_distance=1.0), model)
    objective.goal.features = model.encode_goal({"state": data.observation["state"][:, 0]})
    scores = objective(model.imagine(belief, plans), plans)

    def refuse(*_: object) -> None:
        raise AssertionError("a head was asked that nobody reads")

    rewarding, doubting = model.heads.reward.forward, model.heads.ensemble.forward
    model.heads.reward.forward = model.heads.ensemble.forward = refuse
    assert torch.equal(model_score(model, objective, belief)(plans), scores)
    model.heads.reward.forward, model.heads.ensemble.forward = rewarding, doubting
    assert model.imagine(belief, plans).reward.any()  # whoever asks for all is told all


@pytest.mark.parametrize("seen", ["state", "pixels"])
def test_what_is_seen_of_a_goal_has_no_history_and_looks_like_itself_alone(kind, seen):
    model = make_informed(kind, SPEC if seen == "state" else SIGHT).eval()
    data = noise_windows() if seen == "state" else looking()
    goals = model.encode_goal({seen: data.observation[seen][:, 0]})
    model.observe(data)
    assert torch.equal(goals, model.encode_goal({seen: data.observation[seen][:, 0]}))
    began = model.appearance(model.observe(data)[1].features[:, 0, 0])
    torch.testing.assert_close(model.appearance(goals), began, **EXACT)
    assert (model.appearance(goals)[0] != model.appearance(goals)[1]).any()
    assert torch.isfinite(model.appearance(model.imagine(model.encode(data), actions(3, 2, 4)).features)).all()


def test_eval_repeats_itself_and_training_draws_samples(kind):
    model, data, plans = make_informed(kind), noise_windows(), actions(3, 2, 5)
    model.eval()
    assert_same(model.observe(data)[1], model.observe(data)[1])
    belief = model.encode(data)
    assert_same(model.imagine(belief, plans), model.imagine(belief, plans))
    model.train()
    if kind in LATENT:
        assert (model.observe(data)[1].features != model.observe(data)[1].features).any()
    if kind not in ("decoder_only", "jepa", "jepa_block"):  # they guess, and draw nothing
        assert (model.imagine(belief, plans).features != model.imagine(belief, plans).features).any()


def test_two_steps_of_training_from_one_seed_are_the_same(kind):
    results = []
    for _ in range(2):
        model = make(kind, ensemble=2)
        torch.manual_seed(5)
        for _ in range(2):
            total, _ = model.loss(noise_windows())
            total.backward()
        results.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.equal(*results)


def test_every_weight_has_a_part_in_the_loss(kind):
    model = make_informed(kind, ensemble=2)
    model.loss(noise_windows(b=16))[0].backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


def test_the_loss_is_the_sum_of_the_terms_it_logs(kind):
    model = make_informed(kind, ensemble=2)
    total, logs = model.loss(noise_windows())
    terms = {name: value for name, value in logs.items() if name not in ("kl", "codes_used")}
    assert set(terms) >= {"reward", "continue", "ensemble", "open_loop"}
    if kind in LATENT:
        assert set(terms) == {"decoder", "reward", "continue", "ensemble", "dynamics", "representation", "open_loop"}
    assert total.item() == pytest.approx(sum(float(value) for value in terms.values()), rel=1e-5)
    assert total.requires_grad and not any(value.requires_grad for value in logs.values())


def test_padding_never_enters_the_loss(kind):
    model, data = make_informed(kind, ensemble=2), noise_windows()
    data.valid[:, 5:] = False
    losses = []
    for rubbish in (0.0, 50.0):
        data.observation["state"][:, 5:] = rubbish
        data.action[:, 5:] = rubbish / 50
        data.reward[:, 5:] = rubbish
        torch.manual_seed(4)
        losses.append(model.loss(data)[0].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_heads_speak_in_the_units_of_the_task(kind):
    model = make(kind, ensemble=3).eval()
    _, seen = model.observe(noise_windows())
    torch.testing.assert_close(seen.reward, torch.full_like(seen.reward, -0.3))  # two-hot starts at the mean reward
    future = model.imagine(model.encode(noise_windows()), actions(3, 2, 5))
    assert (future.continue_probability > 0).all() and (future.continue_probability < 1).all()
    assert future.uncertainty.shape == (3, 2, 5) and (future.uncertainty >= 0).all()


def test_where_no_episode_ended_none_is_imagined_to_end(kind):
    model = make_informed(kind, replace(SPEC, ends=False)).eval()
    future = model.imagine(model.encode(noise_windows()), actions(3, 2, 5))
    assert (future.continue_probability == 1).all()


def test_without_an_ensemble_there_is_no_uncertainty(kind):
    model = make(kind, ensemble=0).eval()
    assert model.imagine(model.encode(noise_windows()), actions(3, 2, 5)).uncertainty is None


def test_a_gaussian_model_starts_out_saying_that_nothing_moves(kind):
    if kind in ("rssm-categorical", "jepa", "jepa_block"):
        pytest.skip("a latent that does not hold the observation has nowhere to start from")
    model, data = make(kind).eval(), noise_windows()
    last = data.observation["state"][:, -1]
    future = model.decode(model.imagine(model.encode(data), actions(3, 2, 5)))["state"]
    torch.testing.assert_close(future, last[:, None, None].expand_as(future), **EXACT)


def test_weights_and_a_spec_that_travelled_as_json_make_the_same_model(model, kind):
    twin = type(model)(model.config, DataSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))))
    twin.load_state_dict(model.state_dict())
    assert_same(twin.eval().observe(noise_windows())[1], model.observe(noise_windows())[1])


def test_what_is_padded_is_no_part_of_the_loss(kind):
    """Of an episode of two steps in a window of more."""
    model, padded = make(kind, ensemble=2), noise_windows()
    padded.valid[:, 2:] = False
    other = padded.map(torch.clone)
    other.observation["state"][:, 2:] = 3.0
    other.reward[:, 2:], other.action[:, 2:] = 5.0, 0.9
    losses = []
    for windows in (padded, other):
        torch.manual_seed(1)
        losses.append(model.loss(windows)[0])
    assert torch.isfinite(losses[0])
    torch.testing.assert_close(*losses)
