"""The open-loop loss sees what it should of an imagined stretch, and nothing beyond an episode's end."""

from __future__ import annotations

import pytest
import torch

from tests.models.worlds import KINDS, LATENT, make, make_informed, noise_windows
from wm_lab.world_model import Windows

STEPS = 8

pytestmark = pytest.mark.parametrize("kind", KINDS)


def open_loop(model, data: Windows) -> float:
    """With a horizon of all later steps, every stretch begins at step 0; `eval()` leaves nothing to chance."""
    with torch.no_grad():
        return model.loss(data)[1]["open_loop"].item()


def changed(data: Windows, step: int) -> Windows:
    copy = data.map(torch.clone)
    copy.observation["state"][:, step] += 3.0
    copy.reward[:, step] -= 2.0
    return copy


@pytest.mark.parametrize("ending", ["boundary", "padding"])
def test_a_stretch_ends_with_its_episode(kind, ending):
    model, data = make_informed(kind, open_loop=STEPS - 1).eval(), noise_windows(steps=STEPS)
    if ending == "boundary":
        data.first[:, 5] = True
    else:
        data.valid[:, 5:] = False
    base = open_loop(model, data)
    for step in range(1, STEPS):
        same = open_loop(model, changed(data, step)) == base
        assert same == (step >= 5), step


def test_a_change_of_later_actions_does_not_reach_earlier_errors(kind):
    model, data = make_informed(kind, open_loop=STEPS - 1).eval(), noise_windows(steps=STEPS)
    data.valid[:, 4:] = False
    base = open_loop(model, data)
    data.action[:, 4:] = 1.0
    assert open_loop(model, data) == base
    data.action[:, 3] *= -1.0
    assert open_loop(model, data) != base


def test_a_stretch_of_nothing_but_padding_costs_nothing(kind):
    model, data = make_informed(kind, open_loop=STEPS - 1).eval(), noise_windows(steps=STEPS)
    data.valid[:, 1:] = False
    assert open_loop(model, data) == 0.0


def test_it_teaches_the_prior_and_the_posterior_that_it_starts_from(kind):
    if kind not in LATENT:
        pytest.skip("there is no posterior to teach")
    model, data = make(kind, open_loop=STEPS - 1, ensemble=0), noise_windows(steps=STEPS)
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.heads.total = lambda terms, valid: (torch.zeros(()), {})  # leaves the open-loop term alone in the loss
    model.loss(data)[0].backward()
    learns = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    taught = {"latent_mlp": {"encoder", "transition"}, "mdn_rnn": {"memory", "mixture"}}.get(kind, {"encoder", "cell"})
    assert {"heads", *taught} <= learns


def test_zero_leaves_it_out(kind):
    model = make(kind, open_loop=0)
    assert "open_loop" not in model.loss(noise_windows())[1]


def test_windows_shorter_than_the_horizon_are_rolled_as_far_as_they_go(kind):
    model = make(kind, open_loop=50)
    total, logs = model.loss(noise_windows(steps=4))
    assert torch.isfinite(total) and logs["open_loop"] > 0


def test_it_rolls_the_most_likely_values_as_planning_will(kind):
    if kind not in LATENT:
        pytest.skip("there is no latent to draw")
    drawn = {}
    for horizon in (0, STEPS - 1):
        model = make(kind, open_loop=horizon).train()
        sample, calls = model.latent.sample, []
        model.latent.sample = lambda *given, sample=sample, calls=calls: calls.append(1) or sample(*given)
        model.loss(noise_windows(steps=STEPS))
        drawn[horizon] = len(calls)
    assert drawn[0] == drawn[STEPS - 1] > 0
