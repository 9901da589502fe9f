"""The improved cross-entropy method: noise that moves, fewer and fewer candidates, the best of them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from wm_lab.domains import Domain, Weight
from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, PlannerConfig, Score


@dataclass
class ICEMConfig(PlannerConfig):
    colour: Weight = 2.0
    """Exponent β of the noise's spectrum 1/f^β along the horizon: 0 is white; 2 and more move the robot somewhere,
    where white noise averages out."""
    decay: Annotated[float, Domain(least=1, most=100)] = 1.25
    """By which the candidates of an iteration are divided for the next one, down to twice the elites."""


class ICEM(Planner):
    """iCEM (Pinneri et al. 2020, Algorithm 1): coloured noise, elites that are kept and shifted, a decaying population.

    The plan is the best candidate of the last iteration; the next search starts from the mean.
    """

    Config = ICEMConfig
    config: ICEMConfig

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        c = self.config
        mean, std, elites = self.begin(len(generators), warm_start)
        for iteration, noise in enumerate(self.noise(generators)):  # [B, N, K, A]
            injected = self.injected(elites, proposals)
            count = max(self.population(iteration), injected.shape[1] + 1)
            knots = self.candidates(mean, std, noise[:, :count], injected)
            scores = self.rate(score, knots)  # [B, N]
            elites = Elites.of(knots, scores, c.elites)
            mean, std = elites.fit(elites.valid.to(mean.dtype), mean, std, self.std_min)
            proposals = None  # only in the first iteration
        succeeded = elites.valid[:, 0, None, None]
        plan = self.finish(score, torch.where(succeeded, elites.knots[:, 0], mean), std, elites)
        return replace(plan, mean=mean)

    def population(self, iteration: int) -> int:
        """Candidates of an iteration, from 0."""
        c = self.config
        return min(c.candidates, max(round(c.candidates * c.decay**-iteration), 2 * c.elites))

    def noise(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Coloured noise of all iterations, [iterations, B, N, K, A]."""
        c = self.config
        frequencies = self.knots // 2 + 1
        shape = (len(generators), c.iterations, c.candidates, self.action_size, 2, frequencies)
        white = torch.empty(shape, device=generators[0].device)
        for row, generator in zip(white, generators, strict=True):
            row.normal_(generator=generator)
        noise = coloured(white[..., 0, :], white[..., 1, :], self.knots, c.colour)  # [B, iterations, N, A, K]
        return noise.permute(1, 0, 2, 4, 3).to(self.std_init.device)


def coloured(real: Tensor, imaginary: Tensor, steps: int, colour: float) -> Tensor:
    """Noise [..., steps] with a spectrum 1/f^colour and unit variance about its mean (Timmer & König 1995), by FFT.

    real, imaginary: standard normal numbers [..., steps // 2 + 1], of every frequency
    """
    if steps == 1:
        return real
    frequency = torch.fft.rfftfreq(steps)
    frequency[0] = frequency[1]  # the mean is as strong as the slowest wave
    scale = frequency ** (-colour / 2)
    weight = scale[1:].clone()
    if steps % 2 == 0:
        weight[-1] /= math.sqrt(2)  # the fastest wave has no imaginary part
    sigma = 2 * weight.square().sum().sqrt() / steps
    real, imaginary = real * scale, imaginary * scale
    real[..., 0] *= math.sqrt(2)
    imaginary[..., 0] = 0
    if steps % 2 == 0:
        real[..., -1] *= math.sqrt(2)
        imaginary[..., -1] = 0
    noise: Tensor = torch.fft.irfft(torch.complex(real, imaginary), n=steps) / sigma
    return noise
