"""A linear controller that is evolved, in dreams or in the task itself (Ha & Schmidhuber 2018, arXiv 1803.10122, §2.3).

    a = tanh(W [z, h] + b)          W, b ~ N(m, σ² C), a population of them each generation

CMA-ES (Hansen 2016, arXiv 1604.00772; here the package `cmaes`) moves m, σ and C towards those who earned most. A step
of the training loop is a generation: all of its controllers dream in one batch, from the same recorded beliefs. What is
tried, kept and played is m, as the loop averages it over generations.

Departures from the paper: features count in standard deviations of the data's; a dream has a fixed length and departs
from recorded steps; beyond `FULL` weights C is diagonal (Ros & Hansen 2008), since its eigenvectors would cost seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from wm_lab.behaviours.behaviour import FEATURES, BehaviourConfig, NormalisedBehaviour, Paid
from wm_lab.behaviours.dreaming import believe, dream
from wm_lab.domains import Count, Domain, Positive
from wm_lab.errors import UserError
from wm_lab.world_model import DataSpec, Tempered, Windows, WorldModel

if TYPE_CHECKING:
    from cmaes import CMA, SepCMA

FULL = 300
"""Weights up to which C is a whole matrix."""

LEARNING_SEEDS = 2**30
"""Seeds below it are for learning: validation and test begin above."""

PLACES = ("dream", "task")


@dataclass
class CMAESConfig(BehaviourConfig):
    """A generation costs population × rollouts × horizon imagined steps; `behaviour_trainer.steps` are generations."""

    population: Annotated[int, Domain(least=4, most=2**14)] = 64  # controllers of a generation
    rollouts: Count = 16  # dreams of each, with the same beginnings for all
    sigma: Positive = 0.1  # standard deviation of the first generation's weights
    temperature: Annotated[float, Domain(least=0, most=100)] = 0.0
    """That dreams are drawn at, by a model that can (mdn_rnn; the paper's best: 1.15). 0: what is expected."""
    trained_in: str = "dream"
    """dream; or task: whole episodes of it, seen through the world model, as the paper's car."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained_in not in PLACES:
            raise UserError(f"behaviour.trained_in={self.trained_in!r} is not known; choose {' or '.join(PLACES)}")
        if self.temperature and self.trained_in == "task":
            raise UserError(
                f"behaviour.temperature={self.temperature:g} is of dreams, and behaviour.trained_in=task has none; set "
                "it to 0"
            )


class Controller(NormalisedBehaviour):
    Config = CMAESConfig
    by_gradient: ClassVar[bool] = False
    config: CMAESConfig

    def __init__(self, config: CMAESConfig, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        shape = spec.action_size, len(spec.mean[FEATURES]) + 1
        self.weight = nn.Parameter(torch.zeros(shape), requires_grad=False)  # W and, in its last column, b
        self.evolution = Evolution(self.weight.numel(), config.population, config.sigma)
        self._paid: Paid | None = None

    def act(self, features: Tensor) -> Tensor:
        return self._acted(features, self.weight[None])

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus what the controllers of a generation earned on average; the next one is wiser for it.

        Where nobody learns, in `eval()` mode and without gradients as in validation, it is what the mean alone earns.
        """
        learning = self.training and torch.is_grad_enabled()
        with torch.no_grad():
            if not learning:
                loss = -self._earned(windows, self.weight[None]).mean()
                return loss, {"return": -loss}
            candidates = self.evolution.ask()
            weights = torch.from_numpy(candidates).to(self.weight).unflatten(1, self.weight.shape)
            earned = self._earned(windows, weights)
            self.evolution.tell(candidates, -earned.double().cpu().numpy())
            self.weight.copy_(self.evolution.mean.view_as(self.weight))
        logs = {"return": earned.mean(), "best": earned.max(), "sigma": self.evolution.sigma.float()}
        return -earned.mean(), {name: value.detach().clone() for name, value in logs.items()}

    def learn_in(self, world: WorldModel) -> Self:
        temperature = self.config.temperature
        if temperature and not isinstance(world, Tempered):
            raise UserError(
                f"behaviour.temperature={temperature:g} draws dreams from a mixture, and {type(world).__name__} only "
                "imagines what it expects; set it to 0, or choose model=mdn_rnn"
            )
        return super().learn_in(world)

    def learn_awake(self, paid: Paid) -> Self:
        self._paid = paid
        return self

    @property
    def dream_world(self) -> WorldModel:
        world, temperature = self.world, self.config.temperature
        return world.at(temperature) if temperature and isinstance(world, Tempered) else world

    def _earned(self, windows: Windows, weights: Tensor) -> Tensor:
        """What controllers [P, A, F + 1] earn on average over rollouts, [P]."""
        if self.config.trained_in == "task":
            return self._earned_awake(weights)
        state, features = believe(self.world, windows)
        alive = (windows.valid & ~windows.terminal).flatten()
        candidates = (alive if alive.any() else windows.valid.flatten()).nonzero()[:, 0]
        starts = candidates[torch.randint(len(candidates), (self.config.rollouts,), device=candidates.device)]
        rows = starts.repeat(len(weights))  # [P * R]
        dreamt = dream(
            self.dream_world,
            state[rows],
            features.flatten(0, 1)[rows],
            lambda now: self._acted(now, weights),
            self.config.horizon,
        )
        earned: Tensor = dreamt.earned().unflatten(0, (len(weights), -1)).mean(1)
        return earned

    def _earned_awake(self, weights: Tensor) -> Tensor:
        if self._paid is None:
            raise UserError(
                "behaviour.trained_in=task plays the task, which nobody gave this controller; call learn_awake first"
            )
        seeds = torch.randint(LEARNING_SEEDS, (self.config.rollouts,)).tolist()
        kept, training, earned = self.weight.clone(), self.training, []
        for weight in weights:
            self.weight.copy_(weight)
            earned.append(float(np.mean(self._paid(self, seeds))))
        self.weight.copy_(kept)
        self.train(training)  # who plays does so in eval()
        return torch.tensor(earned, device=weights.device)

    def _acted(self, features: Tensor, weights: Tensor) -> Tensor:
        """Actions [P * R, A] of P controllers [P, A, F + 1] where features are [P * R, F], controller by controller."""
        read = self._read(features).unflatten(0, (len(weights), -1))
        gain, bias = weights[..., :-1], weights[..., -1]
        actions: Tensor = torch.baddbmm(bias[:, None], read, gain.transpose(1, 2)).tanh().flatten(0, 1)
        return actions


class Evolution(nn.Module):
    """CMA-ES between two generations: all that it knows are tensors, so that a training that was killed goes on.

    Minimises. Draws follow from torch's own generator. It stays on the CPU, in float64, wherever dreams are dreamt.
    """

    mean: Tensor
    sigma: Tensor
    covariance: Tensor
    sigma_path: Tensor
    path: Tensor
    generation: Tensor

    def __init__(self, size: int, population: int, sigma: float) -> None:
        super().__init__()
        self.population, self.full = population, size <= FULL
        zeros = torch.zeros(size, dtype=torch.float64)
        covariance = torch.eye(size, dtype=torch.float64) if self.full else zeros + 1
        state = {"mean": zeros, "sigma": torch.tensor(sigma, dtype=torch.float64), "covariance": covariance}
        state |= {"sigma_path": zeros.clone(), "path": zeros.clone(), "generation": torch.zeros((), dtype=torch.long)}
        for name, value in state.items():
            self.register_buffer(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        return self

    def ask(self) -> np.ndarray:
        """A generation of candidates [P, size], float64."""
        optimiser = self._restored(int(torch.randint(2**31 - 1, ())))
        return np.stack([optimiser.ask() for _ in range(self.population)])

    def tell(self, candidates: np.ndarray, cost: np.ndarray) -> None:
        """Learn from what candidates [P, size] cost, [P]; what is no number counts as the worst."""
        worst = np.nanmax(cost, initial=0.0)
        optimiser = self._restored(0)
        optimiser.tell(list(zip(candidates, np.nan_to_num(cost, nan=worst).tolist(), strict=True)))
        for name, attribute in KNOWN.items():
            getattr(self, name).copy_(torch.as_tensor(getattr(optimiser, attribute)))

    def _restored(self, seed: int) -> CMA | SepCMA:
        """The package's optimiser as it would stand here; it offers no other way to go on than by its attributes."""
        from cmaes import CMA, SepCMA  # which loads scipy.stats: a second that most commands have no need of

        kind = CMA if self.full else SepCMA
        optimiser = kind(mean=_array(self.mean), sigma=float(self.sigma), seed=seed, population_size=self.population)
        for name, attribute in KNOWN.items():
            value = _array(getattr(self, name))
            setattr(optimiser, attribute, value if value.ndim else value.item())
        return optimiser


KNOWN = {
    "mean": "_mean",
    "sigma": "_sigma",
    "covariance": "_C",
    "sigma_path": "_p_sigma",
    "path": "_pc",
    "generation": "_g",
}
"""What changes from generation to generation, and how `cmaes` calls it."""


def _array(value: Tensor) -> np.ndarray:
    array: np.ndarray = value.cpu().numpy().copy()
    return array
