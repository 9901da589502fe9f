"""A clone that is told: the same observation, another sentence, another action; seen as numbers and as pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wm_lab.policies import BCPolicy, BehaviourCloning, BehaviourCloningConfig
from wm_lab.policy import Moment
from wm_lab.world_model import DataSpec, Windows

SENTENCES = ["Go to the left thing.", "Go to the right thing."]
SCENE = DataSpec({"state": (9,)}, 3, points={"state": [0, 3, 6]}, instructions=SENTENCES)
PICTURES = DataSpec({"pixels": (16, 16, 3), "proprio": (2,)}, 3, instructions=SENTENCES)


def scenes(count: int, seed: int = 0) -> Windows:
    """A hand and two things at random places: the action is the way to the one that the sentence names."""
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(count, 1, 9, generator=generator).expand(-1, 4, -1) * 0.1
    told = torch.randint(2, (count, 1), generator=generator).expand(-1, 4)
    places = state.unflatten(-1, (3, 3))
    wanted = torch.where(told[..., None] == 0, places[..., 1, :], places[..., 2, :])
    none = torch.zeros(count, 4, dtype=torch.bool)
    first = none.clone()
    first[:, 0] = True
    action = ((wanted - places[..., 0, :]) * 3).clamp(-1, 1) * ~first[..., None]
    return Windows({"state": state}, action, torch.zeros(count, 4), first, none, ~none, instruction=told)


def clone(spec: DataSpec = SCENE, **options) -> BehaviourCloning:
    torch.manual_seed(0)
    return BehaviourCloning(
        BehaviourCloningConfig(
            history=1, chunk=1, execute=1, hidden=64, layers=2, dropout=0.0, language=True, sentence_width=16, **options
        ),
        spec,
    )


@pytest.mark.parametrize("head", ["regression", "tokens", "flow"])
def test_the_sentence_decides_where_to_go(head):
    net = clone(action_head=head)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(300):
        optimiser.zero_grad()
        net.loss(scenes(128, step))[0].backward()
        optimiser.step()
    test = scenes(200, seed=1000)
    history = {"state": test.observation["state"][:, :1]}
    with torch.no_grad():
        right = net(history, told=test.instruction[:, 0])[:, 0]
        wrong = net(history, told=1 - test.instruction[:, 0])[:, 0]
    truth = test.action[:, 1]
    assert (right - truth).abs().mean() < 0.3 * (wrong - truth).abs().mean()


def test_it_sees_exactly_where_the_thing_is_that_it_rather_points_at_and_nothing_of_what_is_absent():
    shown = replace(SCENE, observation={"state": (11,)}, present={"state": [-1, 9, 10]})
    encoder = clone(shown).encoder
    with torch.no_grad():
        encoder.pointer.weight.zero_()
        encoder.pointer.bias.copy_(torch.tensor([0.1, 0.0] * encoder.pointers))  # hardly more at the first thing
    places, told = torch.randn(9), torch.zeros(1, 16)
    for here, expected in (([1.0, 1.0], places[3:6]), ([0.0, 1.0], places[6:])):
        seen = torch.cat([places, torch.tensor(here)])[None]
        _, points = encoder.look({"state": seen}, told)
        torch.testing.assert_close(points[0], 10 * torch.stack([places[:3], *[expected] * encoder.pointers]))
    moved = seen.clone()
    moved[0, 3:6] += 1.0  # of the thing that is not there
    torch.testing.assert_close(encoder.look({"state": moved}, told)[0], encoder.look({"state": seen}, told)[0])


def test_rows_are_told_their_own_sentence_and_new_ones_are_encoded():
    policy, rows = BCPolicy(clone()), 4
    policy.start(rows)
    for row, said in enumerate([*SENTENCES, "Go to the left thing!", "Fetch the third one."]):
        policy.reset(row, Telling(said), seed=0)
    state = {"state": np.full((rows, 9), 0.1, np.float32)}
    acted = policy.act(Moment(np.arange(rows), state, np.zeros((rows, 3), np.float32), np.ones(rows, bool)))
    np.testing.assert_allclose(acted[0], acted[2], atol=1e-6)
    assert np.isfinite(acted).all() and np.abs(acted[0] - acted[1]).max() > 1e-4


def test_pictures_are_seen_under_the_sentence():
    net = clone(PICTURES, image_features=8).eval()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 255, (2, 1, 16, 16, 3), generator=generator, dtype=torch.uint8)
    history = {"pixels": pixels[:1].expand(2, -1, -1, -1, -1), "proprio": torch.zeros(2, 1, 2)}
    with torch.no_grad():
        frames = [net._look(history, net.sentences(torch.tensor([n, n]))[:, None])[0] for n in (0, 1)]
    assert (frames[0][..., :8] - frames[1][..., :8]).abs().max() > 1e-4
    net.loss(
        Windows(
            {"pixels": pixels.expand(-1, 3, -1, -1, -1), "proprio": torch.zeros(2, 3, 2)},
            torch.zeros(2, 3, 3),
            torch.zeros(2, 3),
            torch.tensor([[True, False, False]] * 2),
            torch.zeros(2, 3, dtype=torch.bool),
            torch.ones(2, 3, dtype=torch.bool),
        )
    )[0].backward()


class Telling:
    def __init__(self, instruction: str) -> None:
        self.instruction = instruction
