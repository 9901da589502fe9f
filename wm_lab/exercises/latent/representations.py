"""What is compared with the latent: every representation of the same frames, [M, F] each."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wm_lab.evaluation.structure import standardised
from wm_lab.exercises.latent.answer import LATENT, OBSERVATION, PCA, RANDOM, STATE
from wm_lab.experiment.run_settings import Section
from wm_lab.settings import build
from wm_lab.world_model import DataSpec, WorldModel

WIDEST = 256
"""Features that probes and distances see; of a wider representation, its first principal components."""

VERBATIM = 0.999
"""Correlation with one feature from which on an observed number counts as copied."""


def representations(
    latent: np.ndarray, untrained: np.ndarray, observed: np.ndarray, truth: np.ndarray, components: int
) -> dict[str, np.ndarray]:
    """{name: [M, F]} of the latents of the model and of its random twin, the observation and the true state.

    components: of the observation's PCA
    """
    return {
        LATENT: _narrow(standardised(latent)),
        RANDOM: _narrow(standardised(untrained)),
        PCA: _narrow(observed, components),
        OBSERVATION: _narrow(observed),
        STATE: standardised(truth),
    }


def random_encoder(section: Section, spec: DataSpec, seed: int) -> WorldModel:
    """The model of these settings with random weights.

    Layers that training begins at zero are drawn like the others: an encoder that says nothing would be no bar.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(WorldModel, section, "model", spec)
        for layer in model.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and not layer.weight.any():
                layer.reset_parameters()
    return model


def copied(x: np.ndarray, seen: np.ndarray) -> float:
    """Share of the observed numbers [M, O] that are one of the features [M, F] but for scale; 0 of none is 0."""
    x, seen = standardised(x), standardised(seen)
    if not seen.shape[1] or not x.shape[1]:
        return 0.0
    return float((np.abs(seen.T @ x / len(x)).max(1) > VERBATIM).mean())


def _narrow(x: np.ndarray, widest: int = WIDEST) -> np.ndarray:
    """Features [M, F], or the first principal components where there are more than `widest`."""
    from sklearn import decomposition

    widest = min(widest, len(x))
    return x if x.shape[1] <= widest else decomposition.PCA(widest, random_state=0).fit_transform(x)
