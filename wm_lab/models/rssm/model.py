"""Recurrent state-space model (PlaNet, arXiv 1811.04551; DreamerV3, arXiv 2301.04104).

    h_t = f(h_{t-1}, z_{t-1}, a_{t-1})      z_t ~ q(z | h_t, o_t)      prior  p(z | h_t)
    loss = decoder + reward + continue + dynamics KL(sg q || p) + representation KL(q || sg p) + open loop

h is deterministic (a block GRU), z stochastic (Gaussian or categorical); what others read are the features [z, h].
While training, z is sampled; in `eval()` mode it is the most likely value, so that filtering and imagination repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Domain, Positive, ShareBelowOne, Weight, Width
from wm_lab.errors import UserError
from wm_lab.models.parts.blocks import BlockLinear, mlp, zero
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.heads import Heads, Roll
from wm_lab.models.parts.latents import CategoricalLatent, GaussianLatent, StochasticLatent, balanced_kl, gaussian_for
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder, ObservationEncoder
from wm_lab.models.parts.products import Linear
from wm_lab.models.parts.things import ThingsConfig
from wm_lab.world_model import DataSpec, Imagination, State, Windows


@dataclass
class RSSMConfig(AutoencoderConfig, ThingsConfig):
    """Defaults are the laptop's size on state vectors; DreamerV3's own sizes are the presets `rssm_1m`, ..."""

    deter: Width = 128  # width of the deterministic state h
    hidden: Width = 96  # units of the layers inside the recurrence
    groups: Width = 4  # blocks of the recurrence, which share out h; more are faster and mix less (DreamerV3: 8)
    latent: str = "gaussian"  # gaussian, or categorical as in DreamerV3
    variables: Width = 32  # of the latent; of a Gaussian one so many for images, beside the vectors that it holds
    classes: Annotated[int, Domain(least=2, most=2**16)] = 16  # of each variable of a categorical latent
    unimix: ShareBelowOne = 0.01
    """Share of the uniform distribution in a categorical latent, so that none is certain (DreamerV3)."""
    minimum_std: Positive = 0.1  # of a Gaussian latent, in units of its own scale
    heads_read: str = "auto"
    """latent: z alone; all: z and h; auto: z where it holds the state. Planners exploit heads that read h."""
    dynamics_scale: Weight = 0.1
    """Weight of pulling the prior to the posterior. DreamerV3 has 1; here a state vector's next value is nearly
    certain, and the open-loop loss teaches the dynamics already."""
    representation_scale: Weight = 0.001
    """Weight of pulling the posterior to the prior; more makes latents easier to predict and poorer; DreamerV3: 0.1."""
    free_nats: Weight = 1.0  # a KL of a step below this is not lowered further (DreamerV3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latent not in ("gaussian", "categorical"):
            raise UserError(f"model.latent={self.latent!r} is not known; choose gaussian or categorical")
        if self.heads_read not in ("auto", "latent", "all"):
            raise UserError(f"model.heads_read={self.heads_read!r} is not known; choose auto, latent or all")
        if self.deter % self.groups:
            raise UserError(
                f"model.deter={self.deter} does not split into model.groups={self.groups}; make it a multiple"
            )


@dataclass
class RSSMState(State):
    h: Tensor  # [B, deter]
    z: Tensor  # [B, latent]


class RSSM(FeatureModel):
    Config = RSSMConfig
    config: RSSMConfig
    REVISION = 4

    def __init__(self, config: RSSMConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        self.latent = make_latent(config, spec)
        self.encoder = ObservationEncoder(config, spec, readout=self.latent.image_variables)
        self.cell = RecurrentCell(config, self.latent, spec.action_size, self.encoder)
        holds_vectors = isinstance(self.latent, GaussianLatent)
        holds_state = holds_vectors and set(spec.observation) == {"state"}
        from_latent = holds_state if config.heads_read == "auto" else config.heads_read == "latent"
        read = self.latent.read_size + (0 if from_latent else config.deter)
        decoder = ObservationDecoder(config, spec, read, offset=0 if holds_vectors else None)
        self.heads = Heads(config, spec, read, self.latent.size, decoder)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config = self.config
        token, known = self.encoder(windows.observation)
        h, z, posterior = self._filter(windows, token, known, None)
        before = F.pad(z[:, :-1], (0, 0, 1, 0)) * ~windows.first[..., None]
        prior = self.cell.prior(h, before, windows.action)  # once for all steps, outside the loop
        dynamics, representation, kl = balanced_kl(self.latent, posterior, prior, config.free_nats)
        terms = self.heads.losses(self._features(h, z), windows, self.latent.mean(posterior))
        terms["dynamics"] = config.dynamics_scale * dynamics
        terms["representation"] = config.representation_scale * representation
        total, logs = self.total_loss(
            terms, windows, lambda rows, t: self._roll(RSSMState(h[rows, t], z[rows, t]), likely=True)
        )
        return total, logs | {"kl": kl[windows.valid].mean()}

    def observe(self, windows: Windows, state: State | None = None) -> tuple[RSSMState, Imagination]:
        token, known = self.encoder(windows.observation)
        h, z, _ = self._filter(windows, token, known, state)
        return RSSMState(h[:, -1], z[:, -1]), self.observed(self._features(h, z), windows)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., : self.latent.shown_size]

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, RSSMState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        features = self._roll(state.expand(n))(actions.flatten(0, 1)).unflatten(0, (b, n))
        return self.imagined(self._features(state.h, state.z), features, actions)

    def step(self, state: State, actions: Tensor) -> tuple[RSSMState, Imagination]:
        assert isinstance(state, RSSMState)
        self.check_actions(state, actions, "BA")
        noise = self._noise(1, actions.shape[0])
        after = self._advance(state, actions, self.cell.action(actions), noise, 0)
        start, features = (self._features(belief.h, belief.z) for belief in (state, after))
        return after, self.imagined(start, features[:, None, None], actions[:, None, None])

    def _filter(
        self, windows: Windows, token: Tensor, known: Tensor, state: State | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """h [B, T, D], z [B, T, Z] and posterior parameters [B, T, P] along observed steps.

        `token` and `known` are what the encoder returns for them.
        """
        b, steps = windows.shape
        keep = (~windows.first)[..., None].float()  # a reset forgets h, z and the previous action
        # Unbound once: to index step by step would make the backward pass fill a whole [B, T, ...] for every step.
        tokens = self.cell.token(token).unbind(1)
        mean_inits = F.pad(known, (0, self.latent.size - known.shape[-1])).unbind(1)
        actions = self.cell.action(windows.action * keep).unbind(1)
        noise = self._noise(steps, b)
        if state is None:
            h, z = keep.new_zeros(b, self.config.deter), keep.new_zeros(b, self.latent.size)
        else:
            assert isinstance(state, RSSMState)
            h, z = state.h, state.z
        out: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
        for t, kept in enumerate(keep.unbind(1)):
            h = self.cell.recur(h * kept, z * kept, actions[t])
            posterior = self.cell.posterior(h, tokens[t], mean_inits[t])
            z = self.latent.mode(posterior) if noise is None else self.latent.sample(posterior, noise[t])
            for series, value in zip(out, (h, z, posterior), strict=True):
                series.append(value)
        h_all, z_all, posteriors = (torch.stack(series, 1) for series in out)
        return h_all, z_all, posteriors

    def _features(self, h: Tensor, z: Tensor) -> Tensor:
        return torch.cat([self.latent.read(z), h], -1)

    def _roll(self, state: RSSMState, likely: bool = False) -> Roll:
        """Imagination from M beliefs; `likely` takes the most likely z also while training, as planning will."""

        def roll(actions: Tensor) -> Tensor:
            rows, horizon, _ = actions.shape
            noise = None if likely else self._noise(horizon, rows)
            now, embedded = state, self.cell.action(actions)  # once for all steps, outside the loop
            hs, zs = [], []
            for t, (action, embedding) in enumerate(zip(actions.unbind(1), embedded.unbind(1), strict=True)):
                now = self._advance(now, action, embedding, noise, t)
                hs.append(now.h)
                zs.append(now.z)
            return self._features(torch.stack(hs, 1), torch.stack(zs, 1))

        return roll

    def _advance(self, state: RSSMState, action: Tensor, embedded: Tensor, noise: Tensor | None, t: int) -> RSSMState:
        """Beliefs [M] after an action [M, A], its outcome unobserved."""
        h = self.cell.recur(state.h, state.z, embedded)
        if noise is None:
            return RSSMState(h, self.cell.likely(h, state.z, action))
        return RSSMState(h, self.latent.sample(self.cell.prior(h, state.z, action), noise[t]))

    def _noise(self, steps: int, rows: int) -> Tensor | None:
        device = next(self.parameters()).device
        return self.latent.noise(steps, rows, device=device) if self.training else None


class RecurrentCell(nn.Module):
    """One step of the recurrence. The caller hoists what does not depend on h: the action and observation halves."""

    def __init__(self, config: RSSMConfig, latent: StochasticLatent, action_size: int, encoder: ObservationEncoder):
        super().__init__()
        deter, hidden, groups = config.deter, config.hidden, config.groups
        self.latent, self.groups = latent, groups
        self.from_h, self.from_z = mlp(deter, hidden, 1), mlp(latent.read_size, hidden, 1)
        self.from_action = mlp(action_size, hidden, 1)
        # The paper's block layer on [own block of h; from_h; from_z; from_action], as the sum of its parts: what all
        # blocks share is one dense product, and the action's part does not wait for h.
        fan_in = deter + 3 * hidden * groups
        self.mix_own = BlockLinear(groups, deter, deter, fan_in)
        self.mix_hz, self.mix_action = (Linear(parts * hidden, deter, bias=False) for parts in (2, 1))
        for layer in (self.mix_hz, self.mix_action):
            nn.init.normal_(layer.weight, std=fan_in**-0.5)
        self.mix_norm = nn.LayerNorm(deter, eps=1e-4)
        self.gates = BlockLinear(groups, deter, 3 * deter)
        self.posterior_h, self.token = Linear(deter, hidden), Linear(encoder.size, hidden, bias=False)
        self.posterior_out = nn.Sequential(nn.LayerNorm(hidden, eps=1e-4), nn.SiLU(), Linear(hidden, latent.raw_size))
        self.prior_out = mlp(deter, hidden, 2, latent.raw_size)
        if isinstance(latent, GaussianLatent):
            latent.initialise(self.posterior_out[-1])
            zero(self.prior_out[-1])

    def action(self, action: Tensor) -> Tensor:
        """Actions are scaled down, never clipped, when one exceeds 1 (DreamerV3); [..., A] -> [..., D]."""
        mixed: Tensor = self.mix_action(self.from_action(action / action.abs().clamp_min(1.0)))
        return mixed

    def recur(self, h: Tensor, z: Tensor, action: Tensor) -> Tensor:
        """h_t [B, D] from h_{t-1}, z_{t-1} and the embedded action: a GRU whose big maps are block-diagonal."""
        own = self._join(self.mix_own(self._split(h)))
        x = self.mix_hz(torch.cat([self.from_h(h), self.from_z(self.latent.read(z))], -1)) + own + action
        x = self.gates(self._split(F.silu(self.mix_norm(x)))).to(h.dtype)  # the state adds up over steps: float32
        reset, candidate, update = x.chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return self._join(torch.lerp(self._split(h), candidate, torch.sigmoid(update - 1)))

    def _split(self, x: Tensor) -> Tensor:
        """[B, D] -> [G, B, D/G]"""
        groups: Tensor = x.unflatten(-1, (self.groups, -1)).transpose(0, 1)
        return groups

    def _join(self, x: Tensor) -> Tensor:
        """[G, B, D/G] -> [B, D]"""
        return x.transpose(0, 1).flatten(1)

    def prior(self, h: Tensor, before: Tensor, action: Tensor) -> Tensor:
        """p(z_t | h_t); a Gaussian one corrects the base prediction from z_{t-1} and a_{t-1}."""
        return self.latent.distribution(self.prior_out(h), self.latent.base_prediction(before, action))

    def likely(self, h: Tensor, before: Tensor, action: Tensor) -> Tensor:
        """The most likely z_t by the prior."""
        return self.latent.likely(self.prior_out(h), self.latent.base_prediction(before, action))

    def posterior(self, h: Tensor, token: Tensor, mean_init: Tensor) -> Tensor:
        """q(z_t | h_t, o_t)"""
        return self.latent.distribution(self.posterior_out(self.posterior_h(h) + token), mean_init)


def make_latent(config: RSSMConfig, spec: DataSpec) -> StochasticLatent:
    if config.latent == "categorical":
        return CategoricalLatent(config.variables, config.classes, config.unimix)
    return gaussian_for(spec, config.variables, config.minimum_std, config.min_step_std, config.thing_units)
