"""Do similar scenes lie together in the latent, and does it hold what the task is about?

A picture first: one scene of each held-out trajectory, by t-SNE beside PCA. Then numbers, over many frames and with
whole trajectories held out: what probes read, whose neighbours are alike, which phases cluster. Each stands beside the
same encoder before training, the observation itself and its principal components, and the true state.

The latent is what `observe` believes at every step of an episode. Some models' features hold the observed vector as it
is (the RSSM's Gaussian latent does); where this one's do, the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.domains import Count, Domain, Resamples, Width, Window
from wm_lab.errors import UserError
from wm_lab.evaluation.bootstrap import RESAMPLES
from wm_lab.evaluation.embedding import NEIGHBOURS
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.verdicts import with_seeds
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.latent.answer import (
    LATENT,
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
    spread_over,
    targets,
)
from wm_lab.exercises.latent.measures import embed, moves, structure
from wm_lab.exercises.latent.pictures import draw_maps, thumbnails
from wm_lab.exercises.latent.probing import ask
from wm_lab.exercises.latent.representations import copied, random_encoder, representations
from wm_lab.experiment.chosen import is_simulator, value_class
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.side_by_side import train_models
from wm_lab.experiment.unread import CLONES, PLANS
from wm_lab.reports.filmstrip import save_png
from wm_lab.reports.maps import contact_sheet
from wm_lab.training.checkpoint import load_model
from wm_lab.values.latent_distance import LatentWay
from wm_lab.world_model import WorldModel

FEWEST = 2 * NEIGHBOURS + 1
"""Scenes: trustworthiness is defined for more than twice the neighbours that it asks for."""


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
    observation = "pixels_proprio"  # of states, a latent holds what it was shown as it is: there is little to find out

    def __init__(self, config: LatentConfig) -> None:
        self.config = config

    def unread(self, settings: Settings) -> frozenset[str]:
        learned = issubclass(value_class(settings), LatentWay)  # whose distances are compared
        return CLONES | PLANS | ({"behaviour"} if learned else {"behaviour", "value"})

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
            images = thumbnails(experiment.task, data, frames, scenes)
            maps = draw_maps(flat, frames, scenes, experiment.task_spec.variables, folder / "scenes.svg", images)
            answer.pictures = {"scenes": maps}
            if images is not None:
                *_, last = flat.values()
                answer.pictures["contact_sheet"] = save_png(contact_sheet(images, last), folder / "contact_sheet.png")
        return answer

    def _look(self, experiment: Experiment, data: Dataset) -> TrainingFindings:
        """What the latent of one training's model holds; the frames are the same for all."""
        config, settings, variables = self.config, experiment.settings, experiment.task_spec.variables
        model = load_model(experiment.models.world_model(), WorldModel, experiment.tools.device)
        frames = gather(data, model.observation_keys)
        frames = replace(frames, windows=model.told(frames.windows, data.instructions))
        chosen = frames.sampled(config.frames)
        posterior = latents(model, frames)
        untrained = random_encoder(settings.model, model.spec, settings.seed).to(experiment.tools.device)
        truth, columns = targets(frames.state, variables)
        observed = observations(frames, model.observation_keys)
        spaces = representations(posterior, latents(untrained, frames), observed, truth, config.components)
        sample = {name: x[chosen] for name, x in spaces.items()}
        r2, gains = ask(sample, truth[chosen], columns, frames.trajectory[chosen], config.resamples)
        scenes = spread_over(frames.phase, frames.trajectory)
        flat, trust, noise = embed(spaces[LATENT][scenes], config.perplexities)
        found = Findings(
            r2=r2,
            gains=gains,
            moves={name: moves(truth[:, where], frames.trajectory) for name, where in columns.items()},
            structure=structure(
                spaces,
                frames,
                chosen,
                variables,
                config.neighbours,
                config.resamples,
                _learned_distances(experiment, model, posterior[chosen]),
            ),
            trustworthiness=trust,
            noise=noise,
            phases={name: int(n) for name in PHASES if (n := (frames.phase[chosen] == name).sum())},
            copied=copied(posterior, observed_vectors(frames, model.observation_keys)),
            frames=len(chosen),
            trajectories=len(data),
        )
        return TrainingFindings(found, flat, frames, scenes)


def _learned_distances(experiment: Experiment, model: WorldModel, posterior: np.ndarray) -> np.ndarray | None:
    """Of frames with features [M, F], [M, M], where `value=latent_distance` was asked for."""
    if not issubclass(value_class(experiment.settings), LatentWay):
        return None
    checkpoint = experiment.models.value()
    assert checkpoint is not None
    value = load_model(checkpoint, LatentWay, experiment.tools.device)
    features = torch.from_numpy(posterior).to(experiment.tools.device)
    apart: np.ndarray = value.ways.apart(model.appearance(features)).cpu().numpy().astype(float)
    return apart
