"""A joint-embedding predictive architecture: it predicts the next embedding, and never what the world looks like.

LeWorldModel (LeWM, Maes et al. 2026, arXiv 2603.19312); with `regulariser=variance_covariance` that of PLDM (Sobal et
al. 2025, arXiv 2502.14819):

    z_t = encoder(o_t)      z'_{t+1} = z_t + predictor(z_{t-K+1..t}, a_{t-K+1..t+1})
    loss = |z'_{t+1} - z_{t+1}|^2 + the same along imagined stretches + weight * regulariser(z)

Gradients flow into both sides of the difference; the regulariser alone keeps the embeddings from becoming one point.
Decoder, reward, continuation and ensemble are probes: they read embeddings whose gradient is stopped, so the
representation never sees a reward or a picture's colours. LeWM's vision and predictor transformers are a small
convolution net and an MLP here, as in the other families.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Depth, Domain, Few, Weight, Width
from wm_lab.errors import UserError, unknown
from wm_lab.models.jepa.collapse import SIGReg, effective_rank, variance_covariance
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.heads import Heads, Roll
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder, ObservationEncoder
from wm_lab.world_model import DataSpec, Imagination, State, Windows

REGULARISERS = ("sigreg", "variance_covariance")

LOOKED_AT = 100
"""Training steps between two looks at the rank."""


@dataclass
class JEPAConfig(AutoencoderConfig):
    variables: Width = 64  # of an embedding
    history: Few = 3  # last embeddings that the predictor reads (LeWM's 3)
    predictor_units: Width = 256  # of each hidden layer of the predictor
    predictor_layers: Depth = 3  # hidden layers of the predictor
    regulariser: str = "sigreg"  # sigreg (LeWM) or variance_covariance (PLDM): what keeps embeddings apart
    sigreg_scale: Weight = 0.1  # weight of SIGReg
    directions: Width = 64  # random ones, drawn anew each time, along which SIGReg looks (LeWM's 1024)
    variance_scale: Weight = 4.0  # weight of what variables lack of a standard deviation of 1
    covariance_scale: Weight = 1.0  # weight of what variables have in common
    least_rank: Annotated[float, Domain(least=0, most=2**16)] = 1.2
    """Effective rank of a batch's embeddings below which training ends, since they have collapsed; 0: it never does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regulariser not in REGULARISERS:
            raise unknown("model.regulariser", self.regulariser, REGULARISERS)
        if self.least_rank > self.variables:
            raise UserError(
                f"model.least_rank={self.least_rank:g} exceeds the directions that model.variables={self.variables} "
                "can fill, so that training would end as if they had collapsed; raise the variables or lower the rank"
            )


@dataclass
class JEPAState(State):
    moments: Tensor  # [B, K, Z + A], the last embeddings, newest last, each with the action that led to it


class JEPA(FeatureModel):
    Config = JEPAConfig
    config: JEPAConfig
    REVISION = 3

    age: Tensor

    def __init__(self, config: JEPAConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        self.encoder, size = ObservationEncoder(config, spec), config.variables
        self.embed = Embedding(self.encoder, config.units, size)
        self.predictor = mlp(self.predictor_inputs, config.predictor_units, config.predictor_layers, size)
        zero(self.predictor[-1])  # it begins by saying that nothing moves
        self.sigreg = SIGReg(config.directions)
        self.heads = Heads(config, spec, size, size, ObservationDecoder(config, spec, size))
        self.register_buffer("age", torch.zeros((), dtype=torch.long))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        embedded = self.embed(*self.encoder(windows.observation))
        moments = self._moments(embedded, windows)
        terms = self.heads.losses(embedded.detach(), windows, embedded)
        terms["prediction"] = self._prediction_error(embedded, moments, windows)
        total, logs = self.heads.total(terms, windows.valid)
        own = {"regulariser": self._regulariser(embedded, windows.valid)}
        if self.config.open_loop:
            own["open_loop"] = self._open_loop(embedded, moments, windows)
        logs |= {name: value.detach() for name, value in own.items()}
        return total + torch.stack(list(own.values())).sum(), logs | self._watched(embedded[windows.valid])

    @property
    def predictor_inputs(self) -> int:
        """How many numbers the predictor reads."""
        action: int = self.spec.action_size
        return self.config.history * (self.config.variables + action) + action

    def observe(self, windows: Windows, state: State | None = None) -> tuple[JEPAState, Imagination]:
        assert state is None or isinstance(state, JEPAState)
        embedded = self.embed(*self.encoder(windows.observation))
        moments = self._moments(embedded, windows, state)
        return self._belief(moments[:, -1]), self.observed(embedded, windows)

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, JEPAState)
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        features = self._roll(state.expand(n))(actions.flatten(0, 1)).unflatten(0, (b, n))
        return self.imagined(self._newest(state.moments), features, actions)

    def step(self, state: State, actions: Tensor) -> tuple[JEPAState, Imagination]:
        assert isinstance(state, JEPAState)
        self.check_actions(state, actions, "BA")
        after = self._advance(state, actions)
        features = self._newest(after.moments)[:, None, None]
        return after, self.imagined(self._newest(state.moments), features, actions[:, None, None])

    def _moments(self, embedded: Tensor, windows: Windows, state: JEPAState | None = None) -> Tensor:
        """The last K moments at every step [B, T, K, Z + A], going on from `state`.

        Before an episode began, or where nothing is known of its past, all was as at its beginning.
        """
        moments = torch.cat([embedded, windows.previous_action], -1)
        steps = torch.arange(windows.shape[1], device=embedded.device)
        began = (steps * windows.first).cummax(1).values  # [B, T]
        if state is not None:
            past = state.moments.shape[1]
            known = windows.first.cumsum(1) > 0  # the episode began in this window
            moments, steps, began = torch.cat([state.moments, moments], 1), steps + past, (began + past) * known
        lags = torch.arange(self.config.history, device=embedded.device).flip(0)
        at = torch.maximum(steps[:, None] - lags, began[..., None])  # [B, T, K]
        return moments[torch.arange(len(at), device=at.device)[:, None, None], at]

    def _belief(self, moments: Tensor) -> JEPAState:
        """What is believed after these last moments [M, K, Z + A] were seen."""
        return JEPAState(moments)

    def _newest(self, moments: Tensor) -> Tensor:
        """[..., K, Z + A] -> [..., Z]"""
        return moments[..., -1, : self.config.variables]

    def _prediction_error(self, embedded: Tensor, moments: Tensor, windows: Windows) -> Tensor:
        """Of every step from the one before, [B, T]; embedded: [B, T, Z], moments: [B, T, K, Z + A]."""
        predicted = self._predict(moments[:, :-1], windows.action[:, 1:])
        linked = ~windows.first[:, 1:]  # an episode's first step has no step before it
        return F.pad(squared_error(predicted, embedded[:, 1:]) * linked, (1, 0))

    def _predict(self, moments: Tensor, action: Tensor) -> Tensor:
        """The next embedding [..., Z] from the last moments [..., K, Z + A] and the action taken now."""
        change: Tensor = self.predictor(torch.cat([moments.flatten(-2), action], -1))
        return self._newest(moments) + change

    def _advance(self, state: JEPAState, action: Tensor) -> JEPAState:
        """Beliefs [M] after an action [M, A], its outcome unobserved."""
        moment = torch.cat([self._predict(state.moments, action), action], -1)
        return JEPAState(torch.cat([state.moments[:, 1:], moment[:, None]], 1))

    def _roll(self, state: JEPAState) -> Roll:
        """Imagination from M beliefs."""

        def roll(actions: Tensor) -> Tensor:
            now, embedded = state, []
            for action in actions.unbind(1):
                now = self._advance(now, action)
                embedded.append(self._newest(now.moments))
            return torch.stack(embedded, 1)

        return roll

    def _regulariser(self, embedded: Tensor, valid: Tensor) -> Tensor:
        config = self.config
        with torch.autocast(embedded.device.type, enabled=False):
            embedded = embedded.float()
            if config.regulariser == "sigreg":
                loss: Tensor = config.sigreg_scale * self.sigreg(embedded, valid)
                return loss
            missing, shared = variance_covariance(embedded, valid)
            return config.variance_scale * missing + config.covariance_scale * shared

    def _open_loop(self, embedded: Tensor, moments: Tensor, windows: Windows) -> Tensor:
        """Error of embeddings along imagined stretches (PLDM), and what probes make of them; see `Heads.open_loop`."""
        rows, start, ahead = self.heads.stretches(windows)
        at = rows[:, None], ahead
        target = windows[at]
        imagined = self._roll(self._belief(moments[rows, start]))(target.action)
        decoder, reward = self.heads.errors_ahead(imagined.detach(), target)
        return self.heads.mean_ahead(squared_error(imagined, embedded[at]) + decoder + reward, target)

    def _watched(self, embedded: Tensor) -> dict[str, Tensor]:
        """The rank of embeddings [M, Z] for the log while validating; UserError where they have collapsed."""
        if not torch.is_grad_enabled():
            return {"effective_rank": torch.tensor(effective_rank(embedded))}
        self.age += 1
        least = self.config.least_rank
        if least and int(self.age) % LOOKED_AT == 0 and (rank := effective_rank(embedded)) < least:
            weight = "sigreg_scale" if self.config.regulariser == "sigreg" else "variance_scale"
            raise UserError(
                f"the model's embeddings have collapsed: after {int(self.age)} steps they fill {rank:.1f} of "
                f"{self.config.variables} directions (effective rank, model.least_rank={least:g}); raise "
                f"model.{weight} or lower trainer.learning_rate"
            )
        return {}


class Embedding(nn.Module):
    """What an encoder tells of a moment, as an embedding [..., Z].

    Of vectors it begins as a random projection, from which every number can be read, and a network bends it. A network
    alone scrambles numbers that stand for millimetres, and no decoder asks for them back.
    """

    def __init__(self, encoder: ObservationEncoder, units: int, size: int) -> None:
        super().__init__()
        self.net, width = mlp(encoder.size, units, 1, size), encoder.vectors.width
        self.direct = nn.Linear(width, size, bias=False) if width else None
        if self.direct is not None:
            nn.init.normal_(self.direct.weight, std=width**-0.5)
            if not encoder.images:
                zero(self.net[-1])

    def forward(self, token: Tensor, known: Tensor) -> Tensor:
        """The encoder's features and its normalised vectors [..., V]."""
        embedded: Tensor = self.net(token)
        return embedded if self.direct is None else embedded + self.direct(known)


def squared_error(predicted: Tensor, embedded: Tensor) -> Tensor:
    """Mean squared error over variables, [..., Z], [..., Z] -> [...]"""
    return (predicted - embedded).square().mean(-1)
