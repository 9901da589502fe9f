"""What is measured of each representation: whose neighbours are alike, which phases cluster, how far a picture can go.

Shapes: M frames, E scenes, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from wm_lab.evaluation.embedding import noise_trustworthiness, pca, trustworthiness, tsne
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.structure import (
    distances,
    effective_rank,
    jackknife,
    mutual_information,
    neighbour_ratio,
    silhouette,
    spearman,
    straightness,
)
from wm_lab.exercises.latent.answer import LEARNED, STATE
from wm_lab.exercises.latent.held_out_frames import HeldOutFrames, places
from wm_lab.tasks.task import Variable
from wm_lab.tracking.progress import progress


def structure(
    spaces: dict[str, np.ndarray],
    frames: HeldOutFrames,
    chosen: np.ndarray,
    variables: Sequence[Variable],
    neighbours: int,
    resamples: int,
    learned: np.ndarray | None = None,
) -> dict[str, dict[str, Interval]]:
    """{representation: {measure: interval}} of the chosen frames; scenes are compared by where things are.

    learned: distances [C, C] of the chosen frames, of which only what asks for distances is measured
    """
    where, trajectory = places(frames.state, variables).astype(float)[chosen], frames.trajectory[chosen]
    phase, to_go = frames.phase[chosen], frames.to_go[chosen]
    scene, timed = distances(where), np.isfinite(to_go)
    _, whose = np.unique(trajectory[timed], return_inverse=True)
    wait = np.abs(to_go[timed][:, None] - to_go[timed])

    def by_distance(apart: np.ndarray) -> dict[str, Interval]:
        return {
            "neighbours": neighbour_ratio(apart, scene, trajectory, neighbours),
            "scene": spearman(apart, scene, trajectory),
            "steps_to_go": spearman(apart[np.ix_(timed, timed)], wait, whose),
            "silhouette": silhouette(apart, phase, trajectory),
        }

    found = {}
    with progress("measure structure", len(spaces)) as bar:
        for name, whole in spaces.items():
            x = whole[chosen]
            # The ceiling of "similar scenes" is the very distance that similarity is measured by.
            apart = scene if name == STATE else distances(x)
            found[name] = by_distance(apart) | {
                "information": mutual_information(x, phase, trajectory),
                "effective_rank": jackknife(partial(_rank, x), trajectory),
                "straightness": straightness(whole, frames.trajectory, resamples),
            }
            bar.advance(1)
    if learned is not None:
        none = undefined(int(trajectory.max()) + 1)
        unasked = {"information": none, "effective_rank": none, "straightness": none}
        found[LEARNED] = by_distance(learned) | unasked
    return found


def embed(
    x: np.ndarray, perplexities: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[int, Interval], dict[int, float]]:
    """Pictures [E, 2] of the scenes' latents [E, F], how far to trust each t-SNE, and the best one of noise."""
    flat, trust, noise = {"PCA": pca(x)}, {}, {}
    fitting = [p for p in perplexities if p < len(x)]
    with progress("embed", len(fitting)) as bar:
        for perplexity in fitting:
            flat[f"t-SNE, perplexity {perplexity}"] = y = tsne(x, perplexity)
            trust[perplexity] = mean(trustworthiness(x, y))
            noise[perplexity] = noise_trustworthiness(len(x), x.shape[1], perplexity)
            bar.advance(1)
    return flat, trust, noise


def moves(values: np.ndarray, trajectory: np.ndarray) -> bool:
    """Whether a variable [M, d] changes within any trajectory."""
    return bool((np.diff(values, axis=0)[np.diff(trajectory) == 0] != 0).any())


def _rank(x: np.ndarray, kept: np.ndarray) -> float:
    return effective_rank(x[kept])
