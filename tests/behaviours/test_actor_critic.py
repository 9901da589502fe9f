"""An actor-critic finds what is known to be best, by the gradients that are known to lead there."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.behaviours.worlds import BEST, Bandit, SteppedLinear, learn, spec_of, windows_of
from tests.policies.linear_world import PointState, optimal_cost
from wm_lab.behaviours.actor_critic import ActorCritic, ActorCriticConfig
from wm_lab.behaviours.behaviour import Reader, feature_size
from wm_lab.errors import UserError
from wm_lab.models.latent_mlp.model import LatentMLP, LatentMLPConfig
from wm_lab.policies.frame_encoder import FrameEncoder
from wm_lab.training.checkpoint import load_model, save_model
from wm_lab.world_model import DataSpec, Imagination, State, Windows

SMALL = {"units": 32, "layers": 2}


def bandit(**options) -> ActorCritic:
    """A bandit's player that would do MEAN ± STD."""
    ones = torch.ones(2, 1)
    torch.manual_seed(0)
    player = ActorCritic(
        ActorCriticConfig(**{"horizon": 1, "replay_scale": 0, "entropy": 0, "units": 8, "layers": 1, **options}),
        spec_of(ones, 1, 1.0),
    ).learn_in(Bandit())
    mean, std = player.actor[-1].bias.data.unbind()
    player.actor[-1].weight.data.zero_()
    mean.copy_(torch.tensor(math.atanh(0.2)))
    std.copy_(torch.tensor(math.log(1 / 8) - 2))  # 0.9 / 9 + 0.1
    return player.train()


@pytest.mark.parametrize("gradient", ["reinforce", "backprop"])
def test_the_gradients_of_a_bandit_are_those_of_its_expected_reward(gradient):
    player = bandit(gradient=gradient)
    torch.manual_seed(1)
    player.loss(windows_of(torch.ones(30_000, 2, 1)))[0].backward()
    mean, std = 0.2, 0.2
    # E r = -(m - BEST)² - s², with m = tanh(b) and s = 0.9 sigmoid(x + 2) + 0.1
    expected = torch.tensor([2 * (mean - BEST) * (1 - mean**2), 2 * std * 0.9 * (1 / 9) * (8 / 9)])
    torch.testing.assert_close(player.actor[-1].bias.grad, expected, rtol=0.05, atol=2e-3)


def test_a_bandits_entropy_widens_what_it_would_do():
    player = bandit(entropy=1.0)
    player.loss(windows_of(torch.ones(25_000, 2, 1)))[0].backward()
    std = 0.2
    expected = (2 * std - 1 / std) * 0.9 * (1 / 9) * (8 / 9)
    torch.testing.assert_close(player.actor[-1].bias.grad[1], torch.tensor(expected), rtol=0.02, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("gradient", "steps"), [("reinforce", 1000), ("backprop", 500)])
def test_a_linear_system_is_controlled_within_three_percent_of_the_optimum(gradient, steps):
    torch.manual_seed(0)
    starts, world = 0.4 * torch.rand(4096, 2) - 0.2, SteppedLinear()
    options = {"gradient": gradient, "discount": 0.99, "replay_scale": 0}
    actor = ActorCritic(ActorCriticConfig(**SMALL, **options), spec_of(starts, 1, 0.02)).learn_in(world)
    learn(actor, starts, steps=steps, batch=128, rate=3e-3)
    with torch.inference_mode():
        now = world.observe(windows_of(starts[:100, None]))[0]
        cost = torch.zeros(100)
        for _ in range(60):
            now, seen = world.step(now, actor.act(now.x).clamp(-1, 1))
            cost -= seen.reward[:, 0, 0]
    best = sum(optimal_cost(start.numpy(), 60) for start in starts[:100])
    assert best < float(cost.sum()) < 1.03 * best


def test_cloning_first_leaves_the_critic_alone():
    player = bandit(clone_steps=1)
    first, logs = player.loss(windows_of(torch.ones(4, 3, 1)))
    assert set(logs) == {"clone"} and first.item() == 0.0, "every step begins an episode: none was followed by another"
    assert "critic" in player.loss(windows_of(torch.ones(4, 3, 1)))[1]


def test_a_behaviour_of_another_latent_size_is_refused():
    player = ActorCritic(ActorCriticConfig(**SMALL), spec_of(torch.randn(9, 7), 1, 1.0))
    with pytest.raises(UserError, match="reads 7 features and Bandit has 1; use the model that it was trained in"):
        player.learn_in(Bandit())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"gradient": "both"}, "behaviour.gradient='both' is not known"), ({"critic_bins": 8}, "use an odd number")],
)
def test_options_without_sense_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        ActorCriticConfig(**options)


def test_the_unit_of_rewards_grows_with_the_data_and_never_shrinks(tmp_path):
    learner = bandit()
    learner.scale.update(torch.linspace(-400, 400, 100))
    before = learner.scale()
    for paid in (2.0, 0.5):
        learner.go_on_with(spec_of(torch.randn(8, 1), 1, paid))
    save_model(tmp_path / "best.pt", learner, learner.state_dict())
    again = load_model(tmp_path / "best.pt", ActorCritic)
    assert learner.unit == again.unit == 2.0
    assert again.scale() == before / 2, "what a percentile is worth stays"


def test_features_are_read_in_the_deviations_of_the_newest_data(tmp_path):
    learner = bandit().go_on_with(spec_of(100 + 5 * torch.tensor([[-1.0], [1.0]]), 1, 1.0))
    save_model(tmp_path / "best.pt", learner, learner.state_dict())
    again = load_model(tmp_path / "best.pt", ActorCritic).learn_in(Bandit())
    for player in (learner, again):
        torch.testing.assert_close(player._read(torch.tensor([[105.0]])), torch.ones(1, 1))


class Adding(Bandit):
    """A bandit whose features hold two numbers beside the observed one."""

    def observe(self, windows: Windows, state: State | None = None) -> tuple[PointState, Imagination]:
        seen, imagination = super().observe(windows, state)
        return seen, imagination._replace(features=F.pad(imagination.features, (0, 2), value=7.0))

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., :1]


def test_what_a_model_adds_to_the_observation_can_be_left_unread():
    world, (own, other) = Adding(), torch.randn(2, 5, 3)
    other[:, 0] = own[:, 0]
    for reads, size, alike in (("observation", 1, True), ("features", 3, False)):
        assert feature_size(world, reads) == size
        spec = spec_of(torch.randn(8, size), 1, 1.0)
        learner = ActorCritic(ActorCriticConfig(reads=reads), spec).learn_in(world)
        with torch.no_grad():
            learner.actor[-1].weight.normal_()
            assert torch.equal(learner.act(own), learner.act(other)) is alike
    with pytest.raises(UserError, match="reads 3 features and Adding has 1"):
        ActorCritic(ActorCriticConfig(reads="observation"), spec).learn_in(world)
    with pytest.raises(UserError, match=r"unknown behaviour\.reads 'pixels'; known: features, geometry, observation"):
        ActorCriticConfig(reads="pixels")


def points(size: int = 9) -> LatentMLP:
    """A model of observations that are points in space."""
    torch.manual_seed(0)
    at = list(range(0, size - 2, 3))
    return LatentMLP(
        LatentMLPConfig(variables=size + 4, units=8), DataSpec({"state": (size,)}, 2, points={"state": at})
    )


@torch.no_grad()
def test_gaps_between_points_are_read_to_the_millimetre():
    world, seen = points().eval(), torch.rand(3, 1, 9) / 200
    observed = world.observe(windows_of(seen, 2))[1]
    decoded = world.decode(observed)["state"][:, 0]
    moved = FrameEncoder(world.spec, 0, fine=True)({"state": decoded + 1e-3 * torch.eye(9)[0]})
    read = Reader(world, "geometry")(observed.features[:, 0])
    assert feature_size(world, "geometry") == read.shape[-1] > 9
    finest = (moved - read)[..., -9:].abs().flatten(0, -2).amax(0)
    assert finest.tolist() == pytest.approx([0.2, 0, 0, 0.2, 0, 0, 0, 0, 0], abs=1e-3), "a fifth of 5 mm, of two pairs"


def test_what_is_read_of_gaps_passes_gradients_to_the_model_before_it():
    world = points()
    features = world.observe(windows_of(torch.randn(3, 1, 9), 2))[1].features[:, 0].detach().requires_grad_()
    Reader(world, "geometry")(features).square().sum().backward()
    assert features.grad is not None and features.grad.abs().sum() > 0


def test_gaps_are_read_of_observations_that_hold_points_alone():
    with pytest.raises(UserError, match=r"behaviour\.reads=geometry needs .* two points in it, which .* not: state"):
        Reader(points(3), "geometry")
