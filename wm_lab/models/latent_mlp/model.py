"""The smallest world model that plans: an encoder, a Gaussian latent, an MLP that moves it.

In the spirit of Ha & Schmidhuber 2018 (World Models, arXiv 1803.10122):

    z_t ~ q(z | o_t)      prior  p(z_t | z_{t-1}, a_{t-1})
    loss = decoder + reward + continue + dynamics KL(sg q || p) + representation KL(q || sg p) + open loop

It has no memory: one observation must tell everything about the present. Where only images are observed, which show no
velocity, heads and transition read the previous action beside z. The transition corrects the linear prediction, in
units of typical one-step changes of the observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Depth, Positive, Weight, Width
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.heads import Heads, Roll
from wm_lab.models.parts.images import images_alone
from wm_lab.models.parts.latents import balanced_kl, gaussian_for
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder, ObservationEncoder
from wm_lab.models.parts.things import ThingsConfig
from wm_lab.world_model import DataSpec, Imagination, State, Windows


@dataclass
class LatentMLPConfig(AutoencoderConfig, ThingsConfig):
    variables: Width = 32  # of the latent; for images so many beside the vectors that it holds
    transition_units: Width = 256  # of each layer that predicts the next latent
    transition_layers: Depth = 3  # hidden layers that predict the next latent
    minimum_std: Positive = 0.1  # of the latent, in units of its own scale
    dynamics_scale: Weight = 0.1  # weight of pulling the prior to the posterior
    representation_scale: Weight = 0.001
    """Weight of pulling the posterior to the prior; more makes latents easier to predict and poorer."""
    free_nats: Weight = 1.0  # a KL of a step below this is not lowered further (DreamerV3)
    dynamics_apart: bool = False
    """The KL of the dynamics teaches the transition alone, and not the encoder: then it may weigh more without making
    latents that tell nothing and are predicted well for that. For images alone, with dynamics_scale=3."""

    LATER: ClassVar[tuple[str, ...]] = ("dynamics_apart",)


@dataclass
class LatentState(State):
    z: Tensor  # [B, Z]
    action: Tensor  # [B, A], the previous action


class LatentMLP(FeatureModel):
    Config = LatentMLPConfig
    config: LatentMLPConfig
    REVISION = 4

    def __init__(self, config: LatentMLPConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        self.latent = gaussian_for(spec, config.variables, config.minimum_std, config.min_step_std, config.thing_units)
        self.encoder = ObservationEncoder(config, spec, readout=self.latent.image_variables)
        size, raw = self.latent.size, self.latent.raw_size
        self.heads_see_action = images_alone(spec)
        read = self.latent.read_size + self.heads_see_action * spec.action_size
        self.posterior = nn.Linear(self.encoder.size, raw)
        self.transition = mlp(read + spec.action_size, config.transition_units, config.transition_layers, raw)
        decoder = ObservationDecoder(config, spec, read, offset=0)
        self.heads = Heads(config, spec, read, size, decoder)
        self.latent.initialise(self.posterior)
        zero(self.transition[-1])

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config = self.config
        token, known = self.encoder(windows.observation)
        posterior = self._posterior(token, known)
        z, previous_action = self._draw(posterior), windows.previous_action
        before = z[:, :-1].detach() if config.dynamics_apart else z[:, :-1]
        prior = self._prior(before, previous_action[:, :-1], windows.action[:, 1:])
        terms = self.heads.losses(self._features(z, previous_action), windows, self.latent.mean(posterior))
        dynamics, representation, kl = balanced_kl(self.latent, posterior[:, 1:], prior, config.free_nats)
        linked = ~windows.first[:, 1:]  # an episode's first step has no step before it
        terms["dynamics"] = F.pad(config.dynamics_scale * dynamics * linked, (1, 0))
        terms["representation"] = F.pad(config.representation_scale * representation * linked, (1, 0))
        total, logs = self.total_loss(
            terms, windows, lambda rows, t: self._roll(LatentState(z[rows, t], previous_action[rows, t]), likely=True)
        )
        return total, logs | {"kl": kl[linked & windows.valid[:, 1:]].mean()}

    def observe(self, windows: Windows, state: State | None = None) -> tuple[LatentState, Imagination]:
        z, previous_action = self._draw(self._posterior(*self.encoder(windows.observation))), windows.previous_action
        return LatentState(z[:, -1], previous_action[:, -1]), self.observed(self._features(z, previous_action), windows)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., : self.latent.shown_size]

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, LatentState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        features = self._roll(state.expand(n))(actions.flatten(0, 1)).unflatten(0, (b, n))
        return self.imagined(self._features(state.z, state.action), features, actions)

    def step(self, state: State, actions: Tensor) -> tuple[LatentState, Imagination]:
        assert isinstance(state, LatentState)
        self.check_actions(state, actions, "BA")
        after = self._advance(state, actions)
        start, features = (self._features(belief.z, belief.action) for belief in (state, after))
        return after, self.imagined(start, features[:, None, None], actions[:, None, None])

    def _posterior(self, token: Tensor, known: Tensor) -> Tensor:
        mean_init = F.pad(known, (0, self.latent.size - known.shape[-1]))
        return self.latent.distribution(self.posterior(token), mean_init)

    def _features(self, z: Tensor, previous_action: Tensor) -> Tensor:
        """What heads and the transition read, [..., F]."""
        read = self.latent.read(z)
        return torch.cat([read, previous_action], -1) if self.heads_see_action else read

    def _prior(self, z: Tensor, previous_action: Tensor, action: Tensor) -> Tensor:
        """Prior of the next z [..., Z], from this one, the previous action and the one that is taken now."""
        return self.latent.distribution(*self._change(z, previous_action, action))

    def _change(self, z: Tensor, previous_action: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """What a latent makes a prior of: the transition's raw outputs, and the prediction that they correct."""
        change = self.transition(torch.cat([self._features(z, previous_action), action], -1))
        return change, self.latent.base_prediction(z, action)

    def _roll(self, state: LatentState, likely: bool = False) -> Roll:
        """Imagination from M beliefs; `likely` takes the most likely z also while training, as planning will."""

        def roll(actions: Tensor) -> Tensor:
            now, latents = state, []
            for action in actions.unbind(1):
                now = self._advance(now, action, likely)
                latents.append(now.z)
            return self._features(torch.stack(latents, 1), actions)

        return roll

    def _advance(self, state: LatentState, action: Tensor, likely: bool = False) -> LatentState:
        """Beliefs [M] after an action [M, A], its outcome unobserved."""
        change = self._change(state.z, state.action, action)
        if likely or not self.training:
            return LatentState(self.latent.likely(*change), action)
        return LatentState(self._draw(self.latent.distribution(*change)), action)

    def _draw(self, parameters: Tensor) -> Tensor:
        if not self.training:
            return self.latent.mode(parameters)
        return self.latent.sample(parameters, self.latent.noise(*parameters.shape[:-1], device=parameters.device))
