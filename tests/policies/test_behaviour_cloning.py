"""Behaviour cloning learns what it should from windows, and its policy executes what it predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.worlds import KINDS, make_informed, noise_windows
from tests.policies.linear_world import LinearModel, LinearTask, play
from wm_lab.errors import UserError
from wm_lab.policies import BCPolicy, BCProposals, BehaviourCloning, BehaviourCloningConfig, ProposalsConfig
from wm_lab.policies.frame_encoder import KeypointEncoder
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec, Windows

SPEC = DataSpec(observation={"state": (2,)}, action_size=1)


def windows_of(state: torch.Tensor, action: torch.Tensor, first: list[int] | None = None) -> Windows:
    """state [B, T, D], action [B, T, A]; `first` names the steps at which an episode begins."""
    shape = action.shape[:2]
    flags = torch.zeros(shape, dtype=torch.bool)
    flags[:, [] if first is None else first] = True
    blank = torch.zeros(shape)
    return Windows({"state": state}, action, blank, flags, blank.bool(), torch.ones(shape, dtype=torch.bool))


def test_it_learns_a_linear_controller_from_demonstrations():
    """a = -x - v, seen from states only; the chunk repeats what the controller would have done next."""
    torch.manual_seed(0)
    x = torch.rand(32, 10, 2) * 2 - 1
    action = torch.zeros(32, 10, 1)
    action[:, 1:, 0] = -0.4 * x[:, :-1].sum(-1)  # the action that follows the state
    net = BehaviourCloning(
        BehaviourCloningConfig(history=1, chunk=1, execute=1, hidden=64, layers=2, dropout=0.0), SPEC
    )
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(120):
        loss, logs = net.loss(windows_of(x, action))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert logs["action_error"] < 0.03
    probe = torch.tensor([[[0.5, 0.25]], [[-0.5, 0.5]]])
    assert net({"state": probe}).flatten().tolist() == pytest.approx([-0.3, 0.0], abs=0.05)


class Echo(nn.Module):
    """Stands in for the head: predicts whatever the oldest and newest frame of the history say."""

    def __init__(self, chunk: int) -> None:
        super().__init__()
        self.chunk, self.seen = chunk, None

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.seen = frames
        return torch.zeros(*frames.shape[:-1], self.chunk)


def test_the_loss_counts_exactly_the_steps_whose_past_and_future_are_known():
    net = BehaviourCloning(BehaviourCloningConfig(history=2, chunk=2), SPEC)
    net.head = Echo(2)
    state = torch.arange(5.0)[None, :, None].repeat(1, 1, 2)
    # predictions are 0 and every target within reach is 0; whatever must not count is huge
    for first, poisoned in ((None, [0, 1]), ([0], [0]), ([3], [0, 1, 3])):
        action = torch.zeros(1, 5, 1)
        action[:, poisoned] = 1e6
        windows = windows_of(state, action, first)
        assert net.loss(windows)[0].item() == 0, (first, poisoned)
    action = torch.zeros(1, 5, 1)
    action[:, 2] = 1.0
    loss, logs = net.loss(windows_of(state, action))
    # from step 1: chunk (2, 3); from 2: (3, 4); from 3: (4,): one of five targets is wrong by 1
    assert logs["action_error"].item() == pytest.approx(1 / 5)
    assert loss.item() > 0


def test_padding_does_not_count():
    net = BehaviourCloning(BehaviourCloningConfig(history=1, chunk=2), SPEC)
    net.head = Echo(2)
    action = torch.zeros(1, 5, 1)
    action[:, 3:] = 1e6
    windows = windows_of(torch.zeros(1, 5, 2), action)
    windows.valid[:, 3:] = False
    assert net.loss(windows)[0].item() == 0


def test_history_repeats_the_first_observation_of_an_episode():
    net = BehaviourCloning(BehaviourCloningConfig(history=3, chunk=1, execute=1), SPEC)
    net.head = Echo(1)
    net.loss(windows_of(torch.arange(5.0)[None, :, None].repeat(1, 1, 2), torch.zeros(1, 5, 1), first=[0, 3]))
    seen = net.head.seen[0].view(5, 3, 2)[..., 0]
    assert seen.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [3, 3, 3], [3, 3, 4]]


class Script(BehaviourCloning):
    """Predicts chunks that say which step they were made at: x + 0.1 * offset, for observations x of the step."""

    def forward(self, history):
        self.history = history["state"]
        return self.history[..., -1, :1, None] + 0.1 * torch.arange(self.config.chunk)[:, None]


def act_along(config: BehaviourCloningConfig, steps: int = 6) -> list[float]:
    policy = BCPolicy(Script(config, SPEC))
    policy.start(2)
    taken = []
    for step in range(steps):
        state = np.full((1, 2), float(step), np.float32)
        first = np.array([step == 0])
        taken.append(policy.act(Moment(np.array([1]), {"state": state}, np.zeros((1, 1), np.float32), first)).item())
    return taken


def test_chunks_are_executed_for_as_long_as_asked():
    assert act_along(BehaviourCloningConfig(chunk=4, execute=3)) == pytest.approx([0, 0.1, 0.2, 3, 3.1, 3.2])
    assert act_along(BehaviourCloningConfig(chunk=4, execute=1)) == pytest.approx([0, 1, 2, 3, 4, 5])


class Waiting(BehaviourCloning):
    """At rest it predicts that the pause lasts one more step: its demonstrator counted, and it cannot see the count."""

    def forward(self, history):
        gone = history["state"][..., -1, :1, None]
        return torch.cat([gone, torch.ones_like(gone)], dim=-2)


@pytest.mark.parametrize(("execute", "reached"), [(1, 0.0), (2, 1.0)])
def test_a_clone_that_executes_two_actions_gets_through_a_pause_and_one_that_executes_one_never_does(execute, reached):
    net = Waiting(BehaviourCloningConfig(history=1, chunk=2, execute=1), SPEC)
    policy = BCPolicy(net, replace(net.config, execute=execute))
    policy.start(1)
    state = np.zeros((1, 2), np.float32)
    for step in range(6):
        action = policy.act(
            Moment(np.array([0]), {"state": state}, np.zeros((1, 1), np.float32), np.array([step == 0]))
        )
        state = np.maximum(state, action)
    assert state.max() == reached


def test_temporal_averaging_weighs_every_chunk_that_speaks_of_now():
    taken = act_along(BehaviourCloningConfig(chunk=3, execute=1, temporal_average=0.5), steps=4)
    assert taken[0] == pytest.approx(0)
    assert taken[1] == pytest.approx((1 + 0.5 * 0.1) / 1.5)
    assert taken[3] == pytest.approx((3 + 0.5 * 2.1 + 0.25 * 1.2) / 1.75)


def test_rows_keep_their_own_history():
    net = Script(BehaviourCloningConfig(history=2, chunk=1, execute=1), SPEC)
    policy = BCPolicy(net)
    policy.start(2)
    blank = np.zeros((2, 1), np.float32)
    begin, go_on = np.ones(2, bool), np.zeros(2, bool)
    policy.act(Moment(np.arange(2), {"state": np.float32([[1, 1], [2, 2]])}, blank, begin))
    policy.act(Moment(np.arange(2), {"state": np.float32([[3, 3], [4, 4]])}, blank, np.array([False, True])))
    assert net.history[..., 0].tolist() == [[1, 3], [4, 4]]
    policy.act(Moment(np.array([1]), {"state": np.float32([[5, 5]])}, blank[:1], go_on[:1]))
    assert net.history[..., 0].tolist() == [[4, 5]]


class Controller(BehaviourCloning):
    """A known controller in the place of a learnt one."""

    def forward(self, history):
        x = history["state"][..., -1, :]
        action = (-0.8 * x[..., :1] - 0.9 * x[..., 1:]).clamp(-1, 1)
        return action[..., None, :].expand(*action.shape[:-1], self.config.chunk, 1)


def propose(model: LinearModel, horizon: int, count: int = 4, chunk: int = 1) -> tuple[torch.Tensor, np.ndarray]:
    proposals = BCProposals(
        ProposalsConfig(count=count), Controller(BehaviourCloningConfig(chunk=chunk, execute=1), SPEC)
    )
    state = np.stack([LinearTask().reset(seed) for seed in (1, 2)])
    moment = Moment(np.arange(2), {"state": state}, np.zeros((2, 1), np.float32), np.ones(2, bool))
    proposals.start(2)
    proposals.update(moment)
    belief = model.observe(windows_of(torch.from_numpy(state)[:, None], torch.zeros(2, 1, 1), first=[0]))[0]
    generators = [generator(seed, "test") for seed in (1, 2)]
    return proposals.propose(np.arange(2), model, belief, horizon, generators), state


def test_the_first_proposal_is_what_the_policy_really_does_where_the_model_is_perfect():
    proposed, _ = propose(LinearModel(), horizon=9)
    policy = BCPolicy(Controller(BehaviourCloningConfig(chunk=1, execute=1), SPEC))
    executed, _ = play(policy, [1, 2], 9)
    np.testing.assert_allclose(proposed[:, 0].numpy(), executed, atol=1e-5)
    assert (proposed[:, 1:] - proposed[:, :1]).abs().mean((0, 2, 3)).diff().min() > 0  # ever bolder
    assert proposed.abs().max() <= 1


class Anew(BCProposals):
    """Imagines anew from the present for each chunk, as is plainly right, and slower by the square of the horizon."""

    def propose(self, rows, model, belief, horizon, generators):
        noise, history = self._noise(horizon, generators), self._history.stacked(rows, torch.device("cpu"))
        seen = {key: value[:, None].expand(-1, self.config.count, -1, -1) for key, value in history.items()}
        actions = noise[:, :, :0]
        while actions.shape[2] < horizon:
            shown = seen
            if actions.shape[2]:
                decoded = model.decode(model.imagine(belief, actions))
                shown = {key: torch.cat([value, decoded[key].float()], 2) for key, value in seen.items()}
            chunk = self.net({key: value[:, :, -self.net.config.history :] for key, value in shown.items()})
            ahead = noise[:, :, actions.shape[2] :][:, :, : chunk.shape[2]]
            actions = torch.cat([actions, chunk[:, :, : ahead.shape[2]] + ahead], 2).clamp(-1, 1)
        return actions


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_advice_that_reacts_is_the_same_as_if_it_imagined_anew_for_every_chunk(kind):
    model, data, proposed = make_informed(kind).eval(), noise_windows(), []
    torch.manual_seed(0)
    net = BehaviourCloning(BehaviourCloningConfig(chunk=2, history=5), model.spec)
    for parts in (BCProposals, Anew):
        proposals = parts(ProposalsConfig(count=5), net)
        proposals.start(3)
        moment = Moment(
            np.arange(3), {"state": data.observation["state"][:, -1].numpy()}, np.zeros(3), np.ones(3, bool)
        )
        proposals.update(moment)
        generators = [generator(seed, "test") for seed in range(3)]
        proposed.append(proposals.propose(np.arange(3), model, model.encode(data), 10, generators))
    assert proposed[0].shape == (3, 5, 10, 2)
    torch.testing.assert_close(*proposed, rtol=1e-4, atol=1e-5)


def test_where_the_model_cannot_decode_the_chunk_is_held():
    proposed, state = propose(LinearModel(decoded=()), horizon=5, count=1, chunk=2)
    action = -0.8 * state[:, 0] - 0.9 * state[:, 1]
    np.testing.assert_allclose(proposed[:, 0, :, 0].numpy(), np.repeat(action[:, None], 5, 1), atol=1e-6)


def test_keypoints_follow_a_bright_spot():
    net = KeypointEncoder(size=8)
    centre = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    with torch.no_grad():
        net.convolutions = nn.AvgPool2d(4)  # brightness itself
        net.out = nn.Identity()
        net.log_sharpness.fill_(5.0)
        for row, column in ((8, 40), (56, 4)):
            image = centre.clone()
            image[:, row : row + 4, column : column + 4] = 255
            points = net(image)[0]
            grid = np.linspace(-1, 1, 16)
            assert points[:3].tolist() == pytest.approx([grid[column // 4]] * 3, abs=0.02)
            assert points[3:].tolist() == pytest.approx([grid[row // 4]] * 3, abs=0.02)


def test_images_and_vectors_are_read_together():
    spec = DataSpec(observation={"pixels": (64, 64, 3), "joints": (3,)}, action_size=2, std={"joints": [1.0, 0.0, 2.0]})
    net = BehaviourCloning(BehaviourCloningConfig(), spec).eval()
    pixels = torch.randint(256, (2, 2, 64, 64, 3), dtype=torch.uint8)
    chunk = net({"pixels": pixels, "joints": torch.zeros(2, 2, 3)})
    assert chunk.shape == (2, 4, 2)
    assert chunk.isfinite().all()
    assert not torch.equal(chunk, net({"pixels": 255 - pixels, "joints": torch.zeros(2, 2, 3)}))
    assert not torch.equal(chunk, net({"pixels": pixels, "joints": torch.ones(2, 2, 3)}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"execute": 5}, "bc.execute=5 exceeds bc.chunk=4"),
        ({"history": 0}, "bc.history=0"),
        ({"temporal_average": 1.5}, "bc.temporal_average=1.5"),
        ({"temporal_average": 0.5, "execute": 2}, "bc.execute=2"),
        ({"dropout": 1.0}, "bc.dropout"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(settings, message):
    with pytest.raises(UserError, match=message):
        read_config(BehaviourCloningConfig, settings, "bc")
