"""What the model and the baselines say of the steps that follow, as states that can be held against the truth.

Shapes: W stretches of C observed and H following steps, B of them at a time, D state dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.evaluation.assessment import LINEAR, MODEL, PERSISTENCE, RETOLD, SHUFFLED
from wm_lab.evaluation.baselines import LinearDynamics, constant_velocity, foreign_windows, persistence
from wm_lab.exercises.imagination.readout import STATE, Readout
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.system.device import device_of
from wm_lab.world_model import Imagination, Windows, WorldModel

VELOCITY, FLOOR = "constant_velocity", "decoder_floor"
"""Baselines that no horizon is measured against: drawn beside the others."""

BATCH = 32
"""Stretches that a model sees at a time: images of more would not fit every machine."""


@torch.inference_mode()
def predict(
    model: WorldModel,
    readout: Readout,
    linear: LinearDynamics,
    stretches: Stretches,
    *,
    look: Callable[[slice, ImaginedFutures], object] | None = None,
    advance: Callable[[int], object] | None = None,
) -> dict[str, np.ndarray]:
    """{predictor: states [W, H, D]} of the model and of all baselines.

    Baselines know no more than the model: where it observes the state they start from it, where it does not they start
    from the state that is read out of its belief. `look` is shown every batch, `advance` told how many are done.
    """
    read: dict[str, list[np.ndarray]] = {}
    for rows, batch in futures(model, stretches):
        for name, imagination in batch._asdict().items():
            if imagination is not None:
                read.setdefault(name, []).append(readout(imagination)[:, 0].double().cpu().numpy())
        if look is not None:
            look(rows, batch)
        if advance is not None:
            advance(len(read["imagined"][-1]))
    states = {name: np.concatenate(parts) for name, parts in read.items()}
    known = stretches.state[:, : stretches.context] if STATE in model.observation_keys else states["observed"]
    previous, last, horizon = known[:, -2], known[:, -1], stretches.actions.shape[1]
    return {
        MODEL: states["imagined"],
        PERSISTENCE: persistence(last, horizon),
        VELOCITY: constant_velocity(previous, last, horizon),
        LINEAR: linear.rollout(last, stretches.actions.numpy()),
        SHUFFLED: states["shuffled"],
        FLOOR: states["followed"],
        **({RETOLD: states["retold"]} if "retold" in states else {}),
    }


class ImaginedFutures(NamedTuple):
    """What one model makes of B stretches; each leads with [B, 1, steps]."""

    observed: Imagination  # C steps, filtered
    followed: Imagination  # the H steps that came, filtered too: what decoding alone loses
    imagined: Imagination  # the H steps under their actions, open loop
    shuffled: Imagination  # the H steps under actions of another episode
    retold: Imagination | None  # the same steps after the sentence of another episode; None: it is told nothing


def futures(model: WorldModel, stretches: Stretches) -> Iterator[tuple[slice, ImaginedFutures]]:
    """The rows and the futures of all stretches, a batch at a time."""
    model.eval()
    device = device_of(model)
    strangers = stretches.actions[foreign_windows(stretches.episode, np.random.default_rng(0))]
    otherwise = _told_otherwise(model, stretches)
    for begin in range(0, len(stretches), BATCH):
        rows = slice(begin, begin + BATCH)
        part = stretches[rows]
        belief, observed = model.observe(part.observed.to(device))
        _, followed = model.observe(part.following.to(device), belief)
        imagined = model.imagine(belief, part.actions[:, None].to(device))
        shuffled = model.imagine(belief, strangers[rows, None].to(device))
        retold = None
        if otherwise is not None:
            belief, _ = model.observe(otherwise[rows].to(device))
            retold = model.imagine(belief, part.actions[:, None].to(device))
        yield rows, ImaginedFutures(observed, followed, imagined, shuffled, retold)


def _told_otherwise(model: WorldModel, stretches: Stretches) -> Windows | None:
    """What was observed [W, C], under sentences of other stretches; None where all are told alike, or nobody is."""
    told = stretches.windows.instruction
    if not model.instructed or told is None:
        return None
    sentence = told[:, 0].numpy()
    if 2 * np.unique(sentence, return_counts=True)[1].max() > len(sentence):
        return None
    other = foreign_windows(sentence, np.random.default_rng(0))
    return replace(stretches.observed, instruction=told[other, : stretches.context])


def fit_linear(dataset: Dataset) -> LinearDynamics:
    """The linear baseline, from every transition of the training split."""
    episodes = [dataset.episode(e) for e in dataset.episodes("train")]
    return LinearDynamics.fit(
        np.concatenate([e.state[:-1] for e in episodes]),
        np.concatenate([e.action[1:] for e in episodes]),
        np.concatenate([e.state[1:] for e in episodes]),
        floors=dataset.floors,
    )
