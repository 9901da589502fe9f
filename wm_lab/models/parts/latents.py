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
from wm_lab.models.parts.things import ThingDynamics, thing_dynamics
from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec


class StochasticLatent(nn.Module, ABC):
    size: int
    raw_size: int
    read_size: int
    image_variables: int = 0
    """How many of the variables, the last ones, start at the image readout."""

    @property
    def shown_size(self) -> int:
        """How many of the variables, the first ones, show what is seen (`WorldModel.appearance`)."""
        return self.size

    def read(self, z: Tensor) -> Tensor:
        """What networks see of z: [..., size] -> [..., read_size]."""
        return z

    def base_prediction(self, z: Tensor, action: Tensor) -> Tensor:
        """Mean that the prior corrects, predicted from the previous z alone and the action [..., A] after it."""
        return z

    @abstractmethod
    def distribution(self, raw: Tensor, mean_init: Tensor | None = None) -> Tensor:
        """Parameters of the distribution from a network's raw outputs, which correct `mean_init` [..., size]."""

    @abstractmethod
    def noise(self, *lead: int, device: torch.device) -> Tensor:
        """Fresh noise for `sample`, [*lead, ...]; drawn once for a whole sequence."""

    @abstractmethod
    def sample(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """A reparameterised (or straight-through) sample z."""

    @abstractmethod
    def mode(self, parameters: Tensor) -> Tensor:
        """The most likely z; gradients pass as for a sample."""

    def likely(self, raw: Tensor, mean_init: Tensor | None = None) -> Tensor:
        """`mode` of the `distribution` from a network's raw outputs, for those who ask nothing else of it."""
        return self.mode(self.distribution(raw, mean_init))

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """The expected z: what an ensemble predicts."""

    @abstractmethod
    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) in nats, summed over the latent's variables: [..., P], [..., P] -> [...]."""


QUIET_STD = -3.0
"""Raw standard deviation of 0.05, beyond the minimum."""


class GaussianLatent(StochasticLatent):
    """Independent normals, each in the unit of its own `scale` [variables].

    mean = mean_init + scale * raw, standard deviation = scale * (softplus(raw) + minimum_std). The prior's mean_init is
    the linear prediction from the previous z, `things` moved in it where there are any, and the scale is that of
    typical one-step changes. So an untrained prior is the linear prediction, and a network output of 1 corrects it by
    an ordinary step. Without mean_init and with scale 1 it is PlaNet's latent (§A).
    """

    scale: Tensor

    def __init__(
        self,
        scale: Tensor,
        minimum_std: float = 0.1,
        vectors: Vectors | None = None,
        image_variables: int = 0,
        things: ThingDynamics | None = None,
    ):
        super().__init__()
        self.size, self.raw_size = scale.shape[0], 2 * scale.shape[0]
        self.read_size = vectors.read_size if vectors else self.size
        self.minimum_std, self.vectors, self.image_variables = minimum_std, vectors, image_variables
        self.things = things
        self.register_buffer("scale", scale)

    @property
    def shown_size(self) -> int:
        """Of states alone the vectors themselves: what other variables hold of a moment is nobody's measure."""
        return self.size if self.vectors is None or self.image_variables else self.vectors.width

    def read(self, z: Tensor) -> Tensor:
        return z if self.vectors is None else self.vectors.read(z)

    def base_prediction(self, z: Tensor, action: Tensor) -> Tensor:
        if self.vectors is None:
            return z
        linear: Tensor = self.vectors.prior(z, action)
        return linear if self.things is None else self.things(linear, z, action)

    def initialise(self, posterior: nn.Module) -> None:
        """Initialise the layer that emits a posterior: the mean is the observation, image variables have little noise.

        With more noise the decoder learns to ignore them before it has taught them anything.
        """
        assert isinstance(posterior, nn.Linear)
        zero(posterior)
        if self.image_variables:
            nn.init.constant_(posterior.bias[-self.image_variables :], QUIET_STD)

    def distribution(self, raw: Tensor, mean_init: Tensor | None = None) -> Tensor:
        mean, std = self.likely(raw, mean_init), raw.chunk(2, -1)[1]
        return torch.cat([mean, (F.softplus(std) + self.minimum_std) * self.scale], -1)

    def likely(self, raw: Tensor, mean_init: Tensor | None = None) -> Tensor:
        raw = raw.chunk(2, -1)[0]
        return raw * self.scale if mean_init is None else torch.addcmul(mean_init, raw, self.scale)

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


class CategoricalLatent(StochasticLatent):
    """`variables` one-hot vectors of `classes` each; 1 % uniform mixed in, for samples and KL alike (DreamerV3)."""

    def __init__(self, variables: int, classes: int, unimix: float = 0.01):
        super().__init__()
        self.variables, self.classes, self.unimix = variables, classes, unimix
        self.size = self.raw_size = self.read_size = variables * classes

    def distribution(self, raw: Tensor, mean_init: Tensor | None = None) -> Tensor:
        """Probabilities, the uniform mixed in; a one-hot has no mean to start from, so `mean_init` is not used."""
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


def balanced_kl(
    latent: StochasticLatent, posterior: Tensor, prior: Tensor, free_nats: float
) -> tuple[Tensor, Tensor, Tensor]:
    """KL for the dynamics (gradient to the prior), for the representation (to the posterior), and the plain value.

    Summed over variables first, then clipped from below at `free_nats` per step (DreamerV3, eq. 3): [...] each.
    """
    dynamics = latent.kl(posterior.detach(), prior)
    representation = latent.kl(posterior, prior.detach())
    value = dynamics.detach()
    return dynamics.clamp_min(free_nats), representation.clamp_min(free_nats), value


def gaussian_for(
    spec: DataSpec, variables: int, minimum_std: float, min_step_std: float, thing_units: int = 0
) -> GaussianLatent:
    """A Gaussian latent whose first variables are the observed vectors themselves, in the scale of their changes.

    With images there are `variables` more, which hold the image readout; else `variables` in all, or more where the
    vectors are longer.
    """
    image_variables = variables if any(is_image(shape) for shape in spec.observation.values()) else 0
    width = sum(shape[0] for shape in spec.observation.values() if not is_image(shape))
    vectors = Vectors(spec, min_step_std, extra=max(variables - width, image_variables))
    things = thing_dynamics(spec, thing_units)
    return GaussianLatent(vectors.step_std.clone(), minimum_std, vectors, image_variables, things)
