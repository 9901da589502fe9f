"""Do similar scenes lie together in the latent, and does it hold what the task is about?

A picture first: one scene of each held-out trajectory, by t-SNE beside PCA. Then numbers, over many frames and with
whole trajectories held out: what probes read, whose neighbours are alike, which phases cluster. Each stands beside the
same encoder before training, the observation itself and its principal components, and the true state.

The latent is what `observe` believes at every step of an episode. Some models' features hold the observed vector as it
is (the RSSM's Gaussian latent does); where this one's do, the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import torch
from torch import nn

from wm_lab.data.dataset import Dataset
from wm_lab.domains import Count, Domain, Resamples, Width, Window
from wm_lab.errors import UserError
from wm_lab.evaluation.bootstrap import RESAMPLES
from wm_lab.evaluation.embedding import NEIGHBOURS, noise_trustworthiness, pca, trustworthiness, tsne
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.structure import (
    distances,
    effective_rank,
    jackknife,
    mutual_information,
    neighbour_ratio,
    silhouette,
    spearman,
    standardised,
    straightness,
)
from wm_lab.evaluation.verdicts import with_seeds
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.latent.answer import (
    LATENT,
    OBSERVATION,
    PCA,
    RANDOM,
    STATE,
    Findings,
    latent_tables,
    latent_verdicts,
    over_findings,
)
from wm_lab.exercises.latent.held_out_frames import (
    PHASES,
    HeldOutFrames,
    gather,
    latents,
    observations,
    observed_vectors,
    places,
    spread_over,
    targets,
)
from wm_lab.exercises.latent.pictures import draw_maps, thumbnails
from wm_lab.exercises.latent.probing import ask
from wm_lab.experiment.arms import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.side_by_side import train_models
from wm_lab.reports.filmstrip import save_png
from wm_lab.reports.maps import contact_sheet
from wm_lab.settings import build
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import DataSpec, WorldModel

FEWEST = 2 * NEIGHBOURS + 1
"""Scenes: trustworthiness is defined for more than twice the neighbours that it asks for."""

WIDEST = 256
"""Features that probes and distances see; of a wider representation, its first principal components."""

VERBATIM = 0.999
"""Correlation with one feature from which on an observed number counts as copied."""


@dataclass
class LatentConfig:
    scenes: Annotated[int, Domain(least=FEWEST, most=50_000)] = 100
    """Held-out trajectories, one observation of each in the pictures: fewer cannot hold some out from a probe and judge
    a picture."""
    frames: Window = 20  # of each trajectory, for the numbers
    neighbours: Count = 10  # of a frame, from other trajectories
    components: Width = 32  # of the observation's PCA
    perplexities: list[Count] = field(
        default_factory=lambda: [5, 15, 30]
    )  # of t-SNE; those not below `scenes` are left out
    resamples: Resamples = RESAMPLES  # of the bootstrap over trajectories

    def __post_init__(self) -> None:
        if self.neighbours >= self.scenes:
            raise UserError(
                f"exercise.neighbours={self.neighbours} must be below exercise.scenes={self.scenes}, for they are "
                "sought in other trajectories; lower it"
            )
        if not self.perplexities or min(self.perplexities) >= self.scenes:
            raise UserError(
                f"exercise.perplexities={list(self.perplexities)} must hold a number from 1 to below "
                f"exercise.scenes={self.scenes}; t-SNE has no more neighbours than that to weigh"
            )


class TrainingFindings(NamedTuple):
    """One training's findings, and what its pictures are drawn from."""

    found: Findings
    flat: dict[str, np.ndarray]  # {embedding: [E, 2]}
    frames: HeldOutFrames
    scenes: np.ndarray  # [E] which of the frames


class LatentExercise(Exercise):
    Config = LatentConfig

    def __init__(self, config: LatentConfig) -> None:
        self.config = config

    def check(self, experiment: Experiment) -> None:
        experiment.require_nominal("exercise=latent")
        if is_simulator(experiment.settings):
            raise UserError("model=simulator has no latent, its features are the true state; choose a learned model")
        if experiment.task.playable:
            experiment.data.manifest(self.config.scenes)  # raises where there are not so many test starts
            return
        data = experiment.data.config
        if (scenes := len(experiment.data.unseen(self.config.scenes))) < FEWEST:
            raise UserError(
                f"data.path={data.path} with data.test_fraction={data.test_fraction} holds out {scenes} "
                f"trajectories, and exercise=latent needs at least {FEWEST}; raise data.test_fraction"
            )

    def run(self, experiment: Experiment) -> Answer:
        train_models(experiment)
        data = experiment.data.unseen(self.config.scenes)
        looked = [self._look(each, data) for each in experiment.trainings]
        found = over_findings([one.found for one in looked])
        verdicts = [with_seeds(found.trainings, told) for told in latent_verdicts(found)]
        answer = Answer(verdicts, plain(found) | {"data": data.digest}, latent_tables(found))
        if experiment.run is not None:  # of the first training
            folder, (_, flat, frames, scenes) = experiment.run.folder.plots, looked[0]
            answer.pictures = {
                "scenes": draw_maps(flat, frames, scenes, experiment.task_spec.variables, folder / "scenes.svg")
            }
            if (images := thumbnails(experiment.task, data, frames, scenes)) is not None:
                *_, last = flat.values()
                answer.pictures["contact_sheet"] = save_png(contact_sheet(images, last), folder / "contact_sheet.png")
        return answer

    def _look(self, experiment: Experiment, data: Dataset) -> TrainingFindings:
        """What the latent of one training's model holds; the frames are the same for all."""
        config = self.config
        model = load_model(experiment.models.world_model(), WorldModel, experiment.tools.device)
        frames = gather(data, model.observation_keys)
        chosen = frames.sampled(config.frames)
        posterior = latents(model, frames)
        spaces = self._spaces(experiment, model, posterior, frames)
        truth, columns = targets(frames.state, experiment.task_spec.variables)
        sample = {name: x[chosen] for name, x in spaces.items()}
        r2, gains = ask(sample, truth[chosen], columns, frames.trajectory[chosen], config.resamples)
        scenes = spread_over(frames.phase, frames.trajectory)
        flat, trust, noise = self._embed(spaces[LATENT][scenes])
        found = Findings(
            r2=r2,
            gains=gains,
            moves={name: _moves(truth[:, where], frames.trajectory) for name, where in columns.items()},
            structure=self._structure(experiment, spaces, frames, chosen),
            trustworthiness=trust,
            noise=noise,
            phases={name: int(n) for name in PHASES if (n := (frames.phase[chosen] == name).sum())},
            copied=copied(posterior, observed_vectors(frames, model.observation_keys)),
            frames=len(chosen),
            trajectories=len(data),
        )
        return TrainingFindings(found, flat, frames, scenes)

    def _spaces(
        self, experiment: Experiment, model: WorldModel, posterior: np.ndarray, frames: HeldOutFrames
    ) -> dict[str, np.ndarray]:
        """Every representation [M, F] of all frames."""
        untrained = random_encoder(experiment.settings.model, model.spec, experiment.settings.seed).to(
            experiment.tools.device
        )
        seen = observations(frames, model.observation_keys)
        return {
            LATENT: _narrow(standardised(posterior)),
            RANDOM: _narrow(standardised(latents(untrained, frames))),
            PCA: _narrow(seen, self.config.components),
            OBSERVATION: _narrow(seen),
            STATE: standardised(targets(frames.state, experiment.task_spec.variables)[0]),
        }

    def _structure(
        self, experiment: Experiment, spaces: dict[str, np.ndarray], frames: HeldOutFrames, chosen: np.ndarray
    ) -> dict[str, dict[str, Interval]]:
        """{representation: {measure: interval}}; scenes are compared by where things are."""
        resamples, k = self.config.resamples, self.config.neighbours
        where, trajectory = (
            places(frames.state, experiment.task_spec.variables).astype(float)[chosen],
            frames.trajectory[chosen],
        )
        phase, to_go = frames.phase[chosen], frames.to_go[chosen]
        scene, timed = distances(where), np.isfinite(to_go)
        _, whose = np.unique(trajectory[timed], return_inverse=True)
        wait = np.abs(to_go[timed][:, None] - to_go[timed])
        found = {}
        with progress("measure structure", len(spaces)) as bar:
            for name, whole in spaces.items():
                x = whole[chosen]
                # The ceiling of "similar scenes" is the very distance that similarity is measured by.
                apart = scene if name == STATE else distances(x)
                found[name] = {
                    "neighbours": neighbour_ratio(apart, scene, trajectory, k),
                    "scene": spearman(apart, scene, trajectory),
                    "steps_to_go": spearman(apart[np.ix_(timed, timed)], wait, whose),
                    "silhouette": silhouette(apart, phase, trajectory),
                    "information": mutual_information(x, phase, trajectory),
                    "effective_rank": jackknife(partial(_rank, x), trajectory),
                    "straightness": straightness(whole, frames.trajectory, resamples),
                }
                bar.advance(1)
        return found

    def _embed(self, x: np.ndarray) -> tuple[dict[str, np.ndarray], dict[int, Interval], dict[int, float]]:
        """Pictures [E, 2] of the scenes' latents [E, F], how far to trust each t-SNE, and the best one of noise."""
        flat, trust, noise = {"PCA": pca(x)}, {}, {}
        fitting = [p for p in self.config.perplexities if p < len(x)]
        with progress("embed", len(fitting)) as bar:
            for perplexity in fitting:
                flat[f"t-SNE, perplexity {perplexity}"] = y = tsne(x, perplexity)
                trust[perplexity] = mean(trustworthiness(x, y))
                noise[perplexity] = noise_trustworthiness(len(x), x.shape[1], perplexity)
                bar.advance(1)
        return flat, trust, noise


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


def _moves(values: np.ndarray, trajectory: np.ndarray) -> bool:
    """Whether a variable [M, d] changes within any trajectory."""
    return bool((np.diff(values, axis=0)[np.diff(trajectory) == 0] != 0).any())


def _narrow(x: np.ndarray, widest: int = WIDEST) -> np.ndarray:
    """Features [M, F], or the first principal components where there are more than `widest`."""
    from sklearn import decomposition

    widest = min(widest, len(x))
    return x if x.shape[1] <= widest else decomposition.PCA(widest, random_state=0).fit_transform(x)


def _rank(x: np.ndarray, kept: np.ndarray) -> float:
    return effective_rank(x[kept])
