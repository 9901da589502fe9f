"""The stochastic part of a latent world model: Gaussian or categorical, as functions of a network's raw outputs.

A network emits `raw` [..., raw_size]; `distribution` turns it into `parameters` [..., P]; a draw from those is the flat
latent `z` [..., size] that networks read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import zero
from wm_lab.models.parts.images import is_image
from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec


class Latent(nn.Module, ABC):
    size: int
    raw_size: int
    read_size: int
    readings: int = 0
    """How many of the variables, the last, start at what is read of images."""

    def read(self, z: Tensor) -> Tensor:
        """What networks see of z: [..., size] -> [..., read_size]."""
        return z

    def forecast(self, z: Tensor, action: Tensor) -> Tensor:
        """Where the prior after z and the action [..., A] that follows it is anchored."""
        return z

    @abstractmethod
    def distribution(self, raw: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Parameters of the distribution from a network's raw outputs; `anchor` [..., size] is where it starts from."""

    @abstractmethod
    def noise(self, *lead: int, device: torch.device) -> Tensor:
        """Fresh noise for `sample`, [*lead, ...]; drawn once for a whole sequence."""

    @abstractmethod
    def sample(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """A reparameterised (or straight-through) sample z."""

    @abstractmethod
    def mode(self, parameters: Tensor) -> Tensor:
        """The most likely z; gradients pass as for a sample."""

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """The expected z: what an ensemble predicts."""

    @abstractmethod
    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) in nats, summed over the latent's variables: [..., P], [..., P] -> [...]."""


QUIET = -3.0
"""Raw standard deviation of 0.05, beyond the minimum."""


class GaussianLatent(Latent):
    """Independent normals, each in the unit of its own `scale` [variables].

    mean = anchor + scale * raw, standard deviation = scale * (softplus(raw) + minimum_std): with the anchor at the best
    linear guess from the previous z and the scale at typical one-step changes, an untrained prior is that guess, and a
    network output of 1 corrects it by an ordinary step. Without anchor and with scale 1 it is PlaNet's latent (§A).
    """

    scale: Tensor

    def __init__(
        self,
        scale: Tensor,
        minimum_std: float = 0.1,
        vectors: Vectors | None = None,
        readings: int = 0,
    ):
        super().__init__()
        self.size, self.raw_size = scale.shape[0], 2 * scale.shape[0]
        self.read_size = vectors.read_size if vectors else self.size
        self.minimum_std, self.vectors, self.readings = minimum_std, vectors, readings
        self.register_buffer("scale", scale)

    def read(self, z: Tensor) -> Tensor:
        return z if self.vectors is None else self.vectors.read(z)

    def forecast(self, z: Tensor, action: Tensor) -> Tensor:
        return z if self.vectors is None else self.vectors.prior(z, action)

    def begin(self, posterior: nn.Module) -> None:
        """How the layer that emits a posterior starts out: at what is seen as it is, images' variables under little
        noise. Drowned in noise, they teach a decoder to ignore them before it has taught them anything."""
        assert isinstance(posterior, nn.Linear)
        zero(posterior)
        if self.readings:
            nn.init.constant_(posterior.bias[-self.readings :], QUIET)

    def distribution(self, raw: Tensor, anchor: Tensor | None = None) -> Tensor:
        mean, std = raw.chunk(2, -1)
        mean = mean * self.scale if anchor is None else torch.addcmul(anchor, mean, self.scale)
        return torch.cat([mean, (F.softplus(std) + self.minimum_std) * self.scale], -1)

    def noise(self, *lead: int, device: torch.device) -> Tensor:
        return torch.randn(*lead, self.size, device=device)

    def sample(self, parameters: Tensor, noise: Tensor) -> Tensor:
        mean, std = parameters.chunk(2, -1)
        return torch.addcmul(mean, std, noise)

    def mode(self, parameters: Tensor) -> Tensor:
        return parameters[..., : self.size]

    mean = mode

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        (m1, s1), (m2, s2) = p.chunk(2, -1), q.chunk(2, -1)
        return ((s2 / s1).log() + (s1.square() + (m1 - m2).square()) / (2 * s2.square()) - 0.5).sum(-1)


class CategoricalLatent(Latent):
    """`variables` one-hot vectors of `classes` each; 1 % uniform mixed in, for samples and KL alike (DreamerV3)."""

    def __init__(self, variables: int, classes: int, unimix: float = 0.01):
        super().__init__()
        self.variables, self.classes, self.unimix = variables, classes, unimix
        self.size = self.raw_size = self.read_size = variables * classes

    def distribution(self, raw: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Probabilities, the uniform mixed in; a one-hot has nowhere to start from, so the anchor is not used."""
        p = raw.unflatten(-1, (self.variables, self.classes)).softmax(-1)
        mixed: Tensor = (p * (1 - self.unimix) + self.unimix / self.classes).flatten(-2)
        return mixed

    def noise(self, *lead: int, device: torch.device) -> Tensor:
        # Exponential noise, made from a uniform number u < 1, so that it is never 0.
        return -torch.rand(*lead, self.size, device=device).log()

    def sample(self, parameters: Tensor, noise: Tensor) -> Tensor:
        # An exponential race: the first of arrivals with rates p is class k with probability p_k.
        return self._straight_through(parameters, parameters.detach() / noise)

    def mode(self, parameters: Tensor) -> Tensor:
        return self._straight_through(parameters, parameters)

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        return (p * (p.log() - q.log())).sum(-1)

    def _straight_through(self, p: Tensor, preference: Tensor) -> Tensor:
        best = preference.unflatten(-1, (self.variables, self.classes)).argmax(-1, keepdim=True)
        hard = torch.zeros_like(p).unflatten(-1, (self.variables, self.classes)).scatter_(-1, best, 1.0).flatten(-2)
        code: Tensor = hard + (p - p.detach()) if p.requires_grad else hard
        return code


def balanced_kl(latent: Latent, posterior: Tensor, prior: Tensor, free_nats: float) -> tuple[Tensor, Tensor, Tensor]:
    """KL for the dynamics (gradient to the prior), for the representation (to the posterior), and the plain value.

    Summed over variables first, then clipped from below at `free_nats` per step (DreamerV3, eq. 3): [...] each.
    """
    dynamics = latent.kl(posterior.detach(), prior)
    representation = latent.kl(posterior, prior.detach())
    value = dynamics.detach()
    return dynamics.clamp_min(free_nats), representation.clamp_min(free_nats), value


def gaussian_for(spec: DataSpec, variables: int, minimum_std: float, min_step_std: float) -> GaussianLatent:
    """A Gaussian latent whose first variables are the observed vectors themselves, in the scale of their changes.

    Beside images there are `variables` more, which hold what is read of them; else `variables` in all, or more where
    the vectors are longer.
    """
    seen = variables if any(is_image(shape) for shape in spec.observation.values()) else 0
    width = sum(shape[0] for shape in spec.observation.values() if not is_image(shape))
    vectors = Vectors(spec, min_step_std, extra=max(variables - width, seen))
    return GaussianLatent(vectors.step_std.clone(), minimum_std, vectors, seen)
