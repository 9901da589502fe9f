"""World Models (Ha & Schmidhuber 2018, arXiv 1803.10122): V sees, M remembers and foretells.

    V   z_t ~ q(z | o_t)                              a variational autoencoder
    M   h_t = LSTM(h_{t-1}, [z_{t-1}, a_{t-1}])       p(z_t | h_t): K normals for each number of z
    loss = decoder + reward + continue + KL(q || N(0, 1)) - ln p(sg z | h) + open loop

The third, the controller C, reads the features [z, h]. A dream is drawn at a temperature τ (`at`); without one it is
what is expected, as planners ask for it.

Departures from the paper: V and M learn at once, though V learns nothing from M's likelihood, as if it had been first;
z begins with the observed vectors themselves, where there are any, and M's means correct their linear prediction; M
also learns from what it expects several steps ahead (`open_loop=0`: not so).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Depth, Domain, Positive, Weight, Width
from wm_lab.models.mdn_rnn.mixture import Mixture
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.heads import Heads, Roll
from wm_lab.models.parts.latents import gaussian_for
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder, ObservationEncoder
from wm_lab.models.parts.things import ThingsConfig
from wm_lab.world_model import DataSpec, Imagination, State, Tempered, Windows


@dataclass
class MDNRNNConfig(AutoencoderConfig, ThingsConfig):
    """Defaults are the laptop's size; the paper has an LSTM of 256 (512 in Doom), a mixture read off it linearly, and
    images alone."""

    variables: Width = 32  # of the latent z; for images so many beside the vectors that it holds
    memory: Width = 128  # of the LSTM
    mixtures: Annotated[int, Domain(least=1, most=1000)] = 5  # normals for each variable of z
    mixture_layers: Depth = 1  # hidden layers between the LSTM and its mixture
    minimum_std: Positive = 0.1  # of the latent and of each normal, in units of the latent's own scale
    dynamics_scale: Weight = 0.1  # weight of the mixture's negative log-likelihood
    representation_scale: Weight = 0.01  # weight of the autoencoder's KL to a standard normal
    free_nats: Weight = 16.0  # a KL of a step below this is not lowered further (the paper: 0.5 a variable)


@dataclass
class MemoryState(State):
    h: Tensor  # [B, memory], what the LSTM tells
    c: Tensor  # [B, memory], and what it keeps to itself
    z: Tensor  # [B, Z]


class MDNRNN(FeatureModel, Tempered):
    Config = MDNRNNConfig
    config: MDNRNNConfig
    temperature: float | None = None
    """That imagination is drawn at; None: what is expected."""

    def __init__(self, config: MDNRNNConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        self.latent = gaussian_for(spec, config.variables, config.minimum_std, config.min_step_std, config.thing_units)
        self.encoder = ObservationEncoder(config, spec, readout=self.latent.image_variables)
        self.posterior = nn.Linear(self.encoder.size, self.latent.raw_size)
        self.memory = LSTM(self.latent.read_size + spec.action_size, config.memory)
        outputs = 3 * config.mixtures * self.latent.size
        self.mixture = mlp(config.memory, config.units, config.mixture_layers, outputs)
        decoder = ObservationDecoder(config, spec, self.latent.read_size, offset=0)
        # A state says all by itself, and planners exploit heads that read h.
        remembered = 0 if set(spec.observation) == {"state"} else config.memory
        read = self.latent.read_size + remembered
        self.heads = Heads(config, spec, read, self.latent.size, decoder)
        self.latent.initialise(self.posterior)
        self._spread()

    def at(self, temperature: float) -> Self:
        warm = copy(self)
        warm.temperature = temperature
        return warm

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config = self.config
        token, known = self.encoder(windows.observation)
        posterior = self._posterior(token, known)
        z, action = self._draw(posterior), windows.previous_action
        seen = z.detach()
        h, c = self._remember(seen, windows, None)
        terms = self.heads.losses(self._features(h, z), windows, self.latent.mean(posterior))
        standard = torch.cat([torch.zeros_like(z), torch.ones_like(z)], -1)
        kl = self.latent.kl(posterior, standard)
        likelihood = self._foretold(h[:, 1:], seen[:, :-1], action[:, 1:]).log_prob(seen[:, 1:]).sum(-1)
        linked = ~windows.first[:, 1:]  # nothing foretells an episode's first step
        terms["dynamics"] = F.pad(-config.dynamics_scale * likelihood * linked, (1, 0))
        terms["representation"] = config.representation_scale * kl.clamp_min(config.free_nats)
        total, logs = self.total_loss(
            terms, windows, lambda rows, t: self._roll(MemoryState(h[rows, t], c[rows, t], seen[rows, t]), likely=True)
        )
        return total, logs | {"kl": kl.detach()[windows.valid].mean()}

    def observe(self, windows: Windows, state: State | None = None) -> tuple[MemoryState, Imagination]:
        assert state is None or isinstance(state, MemoryState)
        z = self._draw(self._posterior(*self.encoder(windows.observation)))
        h, c = self._remember(z, windows, state)
        return MemoryState(h[:, -1], c[:, -1], z[:, -1]), self.observed(self._features(h, z), windows)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., : self.latent.shown_size]

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, MemoryState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        features = self._roll(state.expand(n))(actions.flatten(0, 1)).unflatten(0, (b, n))
        return self.imagined(self._features(state.h, state.z), features, actions)

    def step(self, state: State, actions: Tensor) -> tuple[MemoryState, Imagination]:
        assert isinstance(state, MemoryState)
        self.check_actions(state, actions, "BA")
        after = self._advance(state, actions)
        start, features = (self._features(belief.h, belief.z) for belief in (state, after))
        return after, self.imagined(start, features[:, None, None], actions[:, None, None])

    def _posterior(self, token: Tensor, known: Tensor) -> Tensor:
        mean_init = F.pad(known, (0, self.latent.size - known.shape[-1]))
        return self.latent.distribution(self.posterior(token), mean_init)

    def _draw(self, posterior: Tensor) -> Tensor:
        """z, as V sees it: its most likely value unless training."""
        if not self.training:
            return self.latent.mode(posterior)
        return self.latent.sample(posterior, self.latent.noise(*posterior.shape[:-1], device=posterior.device))

    def _features(self, h: Tensor, z: Tensor) -> Tensor:
        return torch.cat([self.latent.read(z), h], -1)

    def _remember(self, z: Tensor, windows: Windows, state: MemoryState | None) -> tuple[Tensor, Tensor]:
        """h and c [B, T, memory] along observed z [B, T, Z]; a reset forgets both, z and the previous action."""
        keep = (~windows.first)[..., None].float()
        h = c = keep.new_zeros(len(z), self.config.memory)
        start = torch.zeros_like(z[:, 0])
        if state is not None:
            h, c, start = state.h, state.c, state.z
        before = torch.cat([start[:, None], z[:, :-1]], 1) * keep
        gates = self.memory.read(torch.cat([self.latent.read(before), windows.previous_action], -1))  # for all steps
        hs, cs = [], []
        for gate, kept in zip(gates.unbind(1), keep.unbind(1), strict=True):
            h, c = self.memory(gate, h * kept, c * kept)
            hs.append(h)
            cs.append(c)
        return torch.stack(hs, 1), torch.stack(cs, 1)

    def _foretold(self, h: Tensor, before: Tensor, action: Tensor) -> Mixture:
        """p(z_t | h_t), its means around the linear prediction from z_{t-1} [..., Z] and the action [..., A]."""
        raw = self.mixture(h).float().unflatten(-1, (3, self.latent.size, self.config.mixtures))
        logits, change, std = raw.unbind(-3)
        scale = self.latent.scale[:, None]
        mean = torch.addcmul(self.latent.base_prediction(before, action)[..., None], change, scale)
        return Mixture(logits, mean, (F.softplus(std) + self.config.minimum_std) * scale)

    def _roll(self, state: MemoryState, likely: bool = False) -> Roll:
        """Imagination from M beliefs; `likely` takes what is expected also while training, as planning will."""

        def roll(actions: Tensor) -> Tensor:
            now, steps = state, []
            for action in actions.unbind(1):
                now = self._advance(now, action, likely)
                steps.append(self._features(now.h, now.z))
            return torch.stack(steps, 1)

        return roll

    def _advance(self, state: MemoryState, action: Tensor, likely: bool = False) -> MemoryState:
        """Beliefs [M] after an action [M, A], its outcome unobserved."""
        gates = self.memory.read(torch.cat([self.latent.read(state.z), action], -1))
        h, c = self.memory(gates, state.h, state.c)
        mixture = self._foretold(h, state.z, action)
        temperature = 1.0 if self.training else self.temperature
        if likely or temperature is None:
            return MemoryState(h, c, mixture.expected())
        return MemoryState(h, c, mixture.tempered(temperature).sample())

    def _spread(self) -> None:
        """The mixture starts at the linear prediction, its means apart by ordinary steps: alike, they would stay so."""
        last = self.mixture[-1]
        zero(last)
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            change = last.bias.view(3, self.latent.size, self.config.mixtures)[1]
            change.copy_(torch.linspace(-1, 1, self.config.mixtures + 2)[1:-1].expand_as(change))


class LSTM(nn.Module):
    """A step of long short-term memory (Hochreiter & Schmidhuber 1997), what it reads apart from what it recalls."""

    def __init__(self, inputs: int, size: int):
        super().__init__()
        self.read = nn.Linear(inputs, 4 * size)
        self.recall = nn.Linear(size, 4 * size, bias=False)
        with torch.no_grad():
            self.read.bias.view(4, size)[1].fill_(1.0)  # it forgets little at first

    def forward(self, read: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The next h and c [B, size] from the gates' share of what is read [B, 4 size], and the last ones."""
        take, keep, candidate, tell = (read + self.recall(h)).float().chunk(4, -1)  # c adds up over steps: float32
        c = torch.sigmoid(keep) * c + torch.sigmoid(take) * torch.tanh(candidate)
        return torch.sigmoid(tell) * torch.tanh(c), c
