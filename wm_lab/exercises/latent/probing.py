"""Asks every representation for every variable: ridge and MLP, judged on trajectories that the probe has not seen.

Shapes: M frames, F features, D target dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.probes import Explained, Probe, cross_validate, mlp, other_trajectories, ridge
from wm_lab.exercises.latent.answer import LATENT, OBSERVATION, RANDOM, SHUFFLED
from wm_lab.tracking.progress import progress

PROBES: dict[str, Probe] = {"ridge": ridge, "mlp": mlp}

Table = dict[str, dict[str, Interval]]
"""{representation: {variable: R²}}"""

RIVALS = (RANDOM, OBSERVATION)
"""What a latent must say more than: the model before training, and what it was shown."""


def ask(
    spaces: Mapping[str, np.ndarray],
    truth: np.ndarray,
    columns: Mapping[str, slice],
    trajectory: np.ndarray,
    resamples: int,
) -> tuple[dict[str, Table], dict[str, Table]]:
    """R² of both probes for the variables in the `columns` of `truth` [M, D], and the latent's minus that of `RIVALS`,
    paired by trajectory: {probe: {representation: {variable: R²}}} both.

    spaces: {representation: [M, F]}; "shuffled" is the latent, asked for the states of other trajectories
    """
    foreign = other_trajectories(trajectory)
    tables: dict[str, Table] = {}
    gains: dict[str, Table] = {}
    with progress("probe", len(PROBES) * (len(spaces) + 1)) as bar:
        for kind, probe in PROBES.items():

            def explained(x: np.ndarray, y: np.ndarray, probe: Probe = probe) -> dict[str, Explained]:
                predictions = cross_validate(x, y, trajectory, probe)
                bar.advance(1)
                return {name: predictions.explained(where) for name, where in columns.items()}

            found = {name: explained(x, truth) for name, x in spaces.items()}
            found[SHUFFLED] = explained(spaces[LATENT], truth[foreign])
            tables[kind] = {
                name: {variable: r2.interval(resamples) for variable, r2 in row.items()} for name, row in found.items()
            }
            gains[kind] = {
                name: {v: r2.minus(found[name][v], resamples) for v, r2 in found[LATENT].items()} for name in RIVALS
            }
    return tables, gains
