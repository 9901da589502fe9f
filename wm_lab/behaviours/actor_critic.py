"""An actor and a critic that learn in imagination (DreamerV3, Hafner et al. 2023), in a world model that stays as it
is.

From every recorded step of a batch the actor dreams H steps. The critic learns the λ-returns of these dreams, and of
the recorded steps themselves; the actor learns to earn more than the critic expects:

    actor   -w_t [ln π(a_t | s_t) sg(R_t - v(s_t)) / S + η H(π)]        REINFORCE
            -w_0 R_0 / S - w_t η H(π)                                   through the model
    critic  -w_t [ln p(R_t | s_t) + ln p(v'(s_t) | s_t)]                 v': a slow copy

Departures from the paper: rewards count in standard deviations of the data's, so that S, its floor and the bins mean
the same in every task; the world model imagines what is most likely, as it does for planners; AdamW as everywhere here.
Dreamer (2020) climbs the sum of all R_t through the model. An action then counts what it costs once, and what comes
after it as often as there are states in between, which makes a linear system's control too stiff.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from wm_lab.behaviours.behaviour import FEATURES, BehaviourConfig, NormalisedBehaviour
from wm_lab.behaviours.dreaming import Dreamt, believe, dream
from wm_lab.behaviours.returns import ReturnScale, lambda_returns, replayed_returns
from wm_lab.domains import Amount, Depth, Domain, PositiveShare, Share, ShareBelowOne, Weight, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.blocks import TwoHot, mlp
from wm_lab.world_model import DataSpec, Windows

GRADIENTS = ("reinforce", "backprop")

LOG_ROOT = 0.5 * math.log(2 * math.pi)


@dataclass
class ActorCriticConfig(BehaviourConfig):
    gradient: str = "reinforce"
    """How the actor learns: reinforce, from what its own draws earned; backprop, through the model's steps."""
    discount: ShareBelowOne = 0.98  # of a step; DreamerV3's is 0.997, for episodes of a thousand steps
    mixing: Share = 0.95  # λ of the λ-returns
    entropy: Weight = 3e-4  # weight of the actor's entropy
    min_std: Annotated[float, Domain(above=0, below=1)] = 0.1  # least deviation of an action; the largest is 1
    slow_rate: PositiveShare = 0.02  # share of the critic that its slow copy takes over in a step
    replay_scale: Weight = 0.3  # weight of the critic's loss on recorded steps, which ties values to real rewards
    clone_scale: Weight = 0.0  # weight of doing what the data did; 0: as in the paper
    clone_steps: Amount = 0  # first gradient steps, in which the actor learns nothing but to do what the data did
    disagreement: Weight = 0.0
    """How much a unit of the model's own uncertainty lowers a reward, in the reward's standard deviations."""
    units: Width = 64  # of each hidden layer of actor and critic; 64 is DreamerV3's size1m, 256 its size12m
    layers: Depth = 3  # hidden layers of each
    critic_bins: Annotated[int, Domain(least=3, most=2**16)] = 127  # of the critic's two-hot value; an odd number
    critic_limit: Annotated[float, Domain(above=0, most=80)] = 8.0
    """The outermost bins stand for symexp(this) standard deviations of the reward."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gradient not in GRADIENTS:
            raise UserError(f"behaviour.gradient={self.gradient!r} is not known; choose {' or '.join(GRADIENTS)}")
        if self.critic_bins % 2 == 0:
            raise UserError(f"behaviour.critic_bins={self.critic_bins} has no bin in the middle; use an odd number")


class ActorCritic(NormalisedBehaviour):
    Config = ActorCriticConfig
    REVISION = 1
    knows_value: ClassVar[bool] = True
    config: ActorCriticConfig
    steps: Tensor

    def __init__(self, config: ActorCriticConfig, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.unit = spec.std["reward"][0]
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        size = len(spec.mean[FEATURES])
        self.actor = mlp(size, config.units, config.layers, 2 * spec.action_size)
        last = self.actor[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.01)  # it begins by doing nothing in particular
            last.bias.zero_()
        self.critic = TwoHot(size, config.units, config.layers, config.critic_bins, config.critic_limit)
        self.slow = deepcopy(self.critic).requires_grad_(False)
        self.scale = ReturnScale()

    def go_on_with(self, spec: DataSpec) -> Self:
        """Count rewards in deviations of the new data where these are larger, and features in their new ones.

        Data that were hardly paid have a deviation so small that what is earned later lies beyond the critic's bins.
        What the critic expects is too much at first, by as much as the unit grew.
        """
        super().go_on_with(spec)
        if (unit := spec.std["reward"][0]) > self.unit:
            self.scale.shrink(self.unit / unit)
            self.unit = unit
            self.spec = replace(self.spec, std={**self.spec.std, "reward": [unit]})
        return self

    def act(self, features: Tensor) -> Tensor:
        return self.policy(self._read(features)).mean

    def value(self, features: Tensor) -> Tensor:
        value: Tensor = self.unit * self.critic(self._read(features))
        return value

    def policy(self, read: Tensor) -> Normal:
        """What it might do where it reads [..., F]."""
        mean, std = self.actor(read).chunk(2, -1)
        least = self.config.min_std
        return Normal(mean.tanh(), (1 - least) * torch.sigmoid(std + 2) + least)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config, learning = self.config, self.training and torch.is_grad_enabled()
        state, features = believe(self.world, windows)
        linked = windows.valid & ~windows.first
        clone = self._clone_loss(features, windows, linked)
        if learning:
            self.steps += 1
        if self.steps <= config.clone_steps:
            return clone, {"clone": clone.detach()}
        through = config.gradient == "backprop"
        with torch.set_grad_enabled(through and torch.is_grad_enabled()):
            dreamt = dream(self.world, state, features.flatten(0, 1), self._chosen, config.horizon)
        if config.disagreement and dreamt.uncertainty is None:
            raise UserError(
                "behaviour.disagreement needs a model that knows its own uncertainty, and this one has no ensemble; "
                "train it with model.ensemble=5, or set behaviour.disagreement=0"
            )
        reward = dreamt.reward / self.unit
        if dreamt.uncertainty is not None:
            reward = reward - config.disagreement * dreamt.uncertainty
        alive = (windows.valid & ~windows.terminal).flatten()
        goes_on = config.discount * dreamt.goes_on
        read = self._read(dreamt.features)
        values = frozen(self.critic, read)
        returns = lambda_returns(reward, goes_on, values, config.mixing)  # [S, H]
        # The start counts where its episode goes on; what lies behind an imagined end counts as little as it is likely.
        weight = torch.cat([alive[:, None], goes_on[:, 1:-1]], 1).cumprod(1).detach()
        if learning and alive.any():
            self.scale.update(returns[alive])
        actor, entropy = self._actor_loss(dreamt, returns, values[:, :-1], weight)
        read, target = read.detach(), returns.detach()
        critic = average(self._value_loss(read[:, :-1], target), weight)
        replay = self._replay_loss(features, windows, linked, target[:, 0].unflatten(0, windows.shape))
        total = actor + critic + config.replay_scale * replay + config.clone_scale * clone
        if learning:
            self._follow()
        logs = {
            "actor": actor,
            "critic": critic,
            "replay": replay,
            "clone": clone,
            "entropy": entropy,
            "return": self.unit * average(target[:, :1], weight[:, :1]),
            "scale": self.scale(),
        }
        return total, {name: value.detach() for name, value in logs.items()}

    def _chosen(self, features: Tensor) -> Tensor:
        """A draw of actions, as a function of what the actor thinks."""
        return self.policy(self._read(features)).draw()

    def _actor_loss(self, dreamt: Dreamt, returns: Tensor, values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What the actor lowers, and its mean entropy. Draws are the dream's own."""
        policy = self.policy(self._read(dreamt.features[:, :-1].detach()))
        entropy = average(policy.entropy(), weight)
        if self.config.gradient == "reinforce":
            advantage = (returns - values.detach()) / self.scale()
            gain = average(reinforce(policy.log_prob(dreamt.action.detach()), advantage), weight)
        else:
            gain = average(returns[:, 0] / self.scale(), weight[:, 0])
        return -(gain + self.config.entropy * entropy), entropy

    def _value_loss(self, read: Tensor, target: Tensor) -> Tensor:
        """[...], against returns and against the slow copy."""
        loss: Tensor = self.critic.loss(read, target, self.slow(read))
        return loss

    def _replay_loss(self, features: Tensor, windows: Windows, linked: Tensor, imagined: Tensor) -> Tensor:
        """The critic's on recorded steps, with real rewards, and what was imagined from each step as its bootstrap."""
        goes_on = self.config.discount * (~windows.terminal).float()
        returns, known = replayed_returns(windows.reward / self.unit, goes_on, linked, imagined, self.config.mixing)
        return average(self._value_loss(self._read(features[:, :-1]), returns), known.float())

    def _clone_loss(self, features: Tensor, windows: Windows, linked: Tensor) -> Tensor:
        """Minus the log density of the recorded actions; one that was not recorded (NaN) counts as none."""
        taken = windows.action[:, 1:]
        known = linked[:, 1:] & taken.isfinite().all(-1)
        log_prob = self.policy(self._read(features[:, :-1])).log_prob(taken.nan_to_num())
        return -average(log_prob, known.float())

    @torch.no_grad()
    def _follow(self) -> None:
        """The slow critic takes over a share of the critic."""
        for slow, fast in zip(self.slow.parameters(), self.critic.parameters(), strict=True):
            slow.lerp_(fast, self.config.slow_rate)


class Normal:
    """Independent normal distributions of actions, mean and std [..., A]; what is drawn may exceed the bounds, which
    clip it later."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.mean, self.std = mean, std

    def draw(self) -> Tensor:
        """[..., A]; gradients pass to mean and std."""
        return self.mean + self.std * torch.randn_like(self.mean)

    def log_prob(self, action: Tensor) -> Tensor:
        """[...], of actions [..., A]"""
        z = (action - self.mean) / self.std
        return -(0.5 * z.square() + self.std.log() + LOG_ROOT).sum(-1)

    def entropy(self) -> Tensor:
        """[...] in nats"""
        return (self.std.log() + LOG_ROOT + 0.5).sum(-1)


def reinforce(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """What has the gradient of the expected advantage, where actions were drawn (Williams 1992)."""
    return log_prob * advantage.detach()


def average(values: Tensor, weight: Tensor) -> Tensor:
    """The mean of `values` weighted; 0 where nothing has weight."""
    return (values * weight).sum() / weight.sum().clamp_min(1)


def frozen(net: nn.Module, read: Tensor) -> Tensor:
    """What a network says, as a function of what it reads and not of its weights."""
    result: Tensor = functional_call(net, {name: value.detach() for name, value in net.named_parameters()}, read)
    return result
