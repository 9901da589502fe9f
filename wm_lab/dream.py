"""A world model as an environment: `DreamEnv` for many dreams at once, `Dream` for one, as `gymnasium.make` gives it.

    import gymnasium, wm_lab.dream
    env = gymnasium.make("wm_lab/Dream-v0", run="outputs/runs/2026-07-01_12-00-00-imagination")
    envs = gymnasium.make_vec("wm_lab/Dream-v0", num_envs=64, model=model, dataset=dataset, horizon=15)

A dream begins with a few real steps, drawn from recorded episodes; all that follows is imagined. It ends where the
model thinks the episode more likely over than not, and is truncated after `horizon` steps: as far as an imagination of
this model can be trusted, which `exercise=imagination` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import register
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.window_reader import WindowReader, require_length
from wm_lab.deploy.loaded_run import load_run
from wm_lab.errors import UserError, unknown
from wm_lab.settings import read_config
from wm_lab.system.device import device_of
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import ActsByVideo, ActsItself, Imagination, State, Windows, WorldModel

ENDS = 0.5
"""An episode whose probability of going on falls below this is over."""

HORIZON = 15
"""Imagined steps of a dream (DreamerV3)."""

OBSERVATIONS = ("decoded", "latent")

Seen = Any
"""{key: [N, ...]} where observations are decoded, [N, F] where they are latent."""


class DreamEnv(VectorEnv[Seen, np.ndarray, np.ndarray]):
    """`num_envs` dreams side by side. A dream that ended begins anew at the next step (`AutoresetMode.NEXT_STEP`).

    model: a world model, or the path of its checkpoint
    dataset: whose episodes dreams depart from: recorded with the model's task
    run: in place of both: the folder of a finished run that trained a model
    horizon: imagined steps of a dream; None: 15, or as many as the run says that the model can be trusted for
    context: real steps that a dream begins with, which the model's belief is made of
    observation: "decoded", the task's own observations, or "latent", the model's features [F]
    trusted: steps for which the model can be trusted; UserError for a longer dream. None: as the run says, if it does
    split: "train", "validation" or "test" episodes

    Row i of `reset(seed=s)` is the dream of seed s + i, whatever is dreamt beside it.
    Actions outside of [-1, 1] are clipped.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        model: WorldModel | Path | str | None = None,
        dataset: Dataset | None = None,
        num_envs: int = 1,
        *,
        run: Path | str | None = None,
        horizon: int | None = None,
        context: int = 5,
        observation: str = "decoded",
        trusted: int | None = None,
        split: str = "train",
        render_mode: str | None = None,
    ) -> None:
        if run is not None:
            model, dataset, told = _used(run)
            trusted = told if trusted is None else trusted
        if model is None or dataset is None:
            raise UserError("a dream needs a model and a dataset, or the folder of a run that has both: run=FOLDER")
        horizon = min(HORIZON, max(1, HORIZON if trusted is None else trusted)) if horizon is None else horizon
        self.model = load_model(Path(model), WorldModel) if isinstance(model, Path | str) else model.eval()
        _check(self.model, dataset, num_envs, horizon, observation, trusted)
        require_length(dataset, split, context)
        self.num_envs, self.horizon, self.latent = num_envs, horizon, observation == "latent"
        self.render_mode = render_mode
        self._device = device_of(self.model)
        self._reader = WindowReader(dataset, context, self.model.observation_keys)
        episodes = dataset.episodes(split)
        episodes = episodes[dataset.table.length[episodes] + 1 >= context]
        self._episodes, self._offset = episodes, dataset.table.offset[episodes]
        self._stop = np.cumsum(dataset.table.length[episodes] + 2 - context)  # number of the first start beyond each
        self._generators = [np.random.default_rng(row) for row in range(num_envs)]
        self._state: State | None = None
        self._told: np.ndarray | None = None  # [N], numbers of the sentences that dreams are told
        self._steps = np.zeros(num_envs, int)
        self._over = np.zeros(num_envs, bool)

        spec = self.model.spec
        self.single_action_space = spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)
        self.single_observation_space = self._observation_space()
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Begin all dreams; seed: of the first row, those after it count on, or one for each row.

        options: "sentence", what is told in all dreams or in each, until they are reset: of a model that is told. None:
            what was told in the episodes that they depart from
        """
        self._told = self._numbers((options or {}).get("sentence"))
        if seed is not None:
            seeds = [seed + row for row in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
            for row, given in enumerate(seeds):
                if given is not None:
                    self._generators[row] = np.random.default_rng(given)
        return self._begin(np.arange(self.num_envs)), {}

    @torch.inference_mode()
    def step(self, actions: np.ndarray) -> tuple[Seen, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One imagined step of every dream; where one is over, its action is ignored and a new one begins."""
        if self._state is None:
            raise UserError("a dream is stepped before it has begun; call reset first")
        given = torch.as_tensor(np.asarray(actions), dtype=torch.float32, device=self._device).clamp(-1, 1)
        self._state, imagined = self.model.step(self._state, given)
        self._steps += 1
        seen = self._seen(imagined)
        reward = imagined.reward[:, 0, 0].double().cpu().numpy()
        ends = imagined.continue_probability[:, 0, 0].cpu().numpy() < ENDS
        cut = ~ends & (self._steps >= self.horizon)
        if (begun := np.flatnonzero(self._over)).size:
            fresh = self._begin(begun)
            reward[begun], ends[begun], cut[begun] = 0.0, False, False
            _put(seen, begun, fresh)
        self._over = ends | cut
        return seen, reward, ends, cut, {}

    @torch.inference_mode()
    def act(self, by_video: bool = False) -> np.ndarray:
        """What the model itself would do now, [N, A]: `env.step(env.act())` shows what happens if it is told so.

        by_video: in place of its policy, what its inverse dynamics say of what it expects to see (UniSim, UniPi)
        """
        model, needed = self.model, ActsByVideo if by_video else ActsItself
        if self._state is None or not isinstance(model, needed):
            what = "has not begun; call reset first" if self._state is None else "has a model that cannot act so"
            raise UserError(f"a dream is asked what to do, and {what}")
        if by_video:
            assert isinstance(model, ActsByVideo)
            return model.act_by_video(self._state, 1)[:, 0].float().cpu().numpy()
        assert isinstance(model, ActsItself)
        chance = [torch.Generator().manual_seed(int(one.integers(2**62))) for one in self._generators]
        return model.act(self._state, chance)[:, 0].float().cpu().numpy()

    def _numbers(self, sentence: str | Sequence[str] | None) -> np.ndarray | None:
        """What stands for the sentence of each dream, [N]; UserError for a model that is not told, or for too few."""
        if sentence is None:
            return None
        if not self.model.instructed:
            raise UserError("a dream is told a sentence, and its model reads none; train one with model.language=true")
        each = [sentence] * self.num_envs if isinstance(sentence, str) else list(sentence)
        if len(each) != self.num_envs:
            raise UserError(f"{len(each)} sentences for {self.num_envs} dreams; give one, or one for each")
        return np.array([self.model.number(one) for one in each])

    @torch.inference_mode()
    def _begin(self, rows: np.ndarray) -> Seen:
        """New dreams in these rows: what is seen in each at last, which is real, or the belief that it makes."""
        places = np.array([self._generators[row].integers(self._stop[-1]) for row in rows])
        windows, belief, posterior = self._look(places, None if self._told is None else self._told[rows])
        self._state = belief if self._state is None or len(rows) == self.num_envs else self._state.put(rows, belief)
        self._steps[rows], self._over[rows] = 0, False
        if self.latent:
            return posterior.features[:, 0, -1].float().cpu().numpy()
        return {key: windows.observation[key][:, -1].cpu().numpy() for key in self.model.decoded_keys}

    def _look(self, place: np.ndarray, told: np.ndarray | None = None) -> tuple[Windows, State, Imagination]:
        """The real steps at these of all starts, numbered through, and what the model makes of them, told so."""
        which = np.searchsorted(self._stop, place, side="right")
        before = np.concatenate([[0], self._stop])[which]
        start = torch.from_numpy(self._offset[which] + place - before)
        windows = self._reader.read(torch.from_numpy(self._episodes[which]), start).to(self._device)
        if told is not None:
            windows.instruction = torch.from_numpy(told).to(self._device)[:, None].expand(windows.shape)
        return windows, *self.model.observe(windows)

    def _seen(self, imagined: Imagination) -> Seen:
        """Of the one step of an imagination [N, 1, 1, ...]."""
        if self.latent:
            return imagined.features[:, 0, 0].float().cpu().numpy()
        return {key: as_shown(value[:, 0, 0]) for key, value in self.model.decode(imagined).items()}

    @torch.inference_mode()
    def _observation_space(self) -> spaces.Space[Any]:
        if self.latent:
            size = self._look(np.zeros(1, int))[2].features.shape[-1]
            return spaces.Box(-np.inf, np.inf, (size,), np.float32)
        shapes = {key: self.model.spec.observation[key] for key in self.model.decoded_keys}
        return spaces.Dict({key: _box(shape) for key, shape in shapes.items()})


class Dream(gymnasium.Env[Seen, np.ndarray]):
    """One dream at a time; the options are those of `DreamEnv`."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, *arguments: Any, render_mode: str | None = None, **options: Any) -> None:
        self.dreams = DreamEnv(*arguments, **options)
        self.render_mode = render_mode
        self.observation_space = self.dreams.single_observation_space
        self.action_space = self.dreams.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self.dreams._generators = [self.np_random]
        seen, told = self.dreams.reset(options=options)
        return _first(seen), told

    def step(self, action: np.ndarray) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        seen, reward, ends, cut, told = self.dreams.step(np.asarray(action)[None])
        return _first(seen), float(reward[0]), bool(ends[0]), bool(cut[0]), told


def _used(run: Path | str) -> tuple[WorldModel, Dataset, int | None]:
    """Model and collection of a finished run, and for how many steps it says that the model can be trusted."""
    loaded = load_run(run)
    data = read_config(DataConfig, loaded.settings.data, "data")
    folder = loaded.artifact("collection" if data.path is None else "recording")
    told = loaded.result.get("H_skill")
    return loaded.world_model, Dataset.open(folder, split=data.split()), None if told is None else int(told)


def _check(
    model: WorldModel, dataset: Dataset, num_envs: int, horizon: int, observation: str, trusted: int | None
) -> None:
    """UserError for a dream that cannot be dreamt."""
    if observation not in OBSERVATIONS:
        raise unknown("observation of a dream", observation, OBSERVATIONS)
    for name, value in {"num_envs": num_envs, "horizon": horizon}.items():
        if value < 1:
            raise UserError(f"{name}={value} leaves nothing to dream; use at least 1")
    if trusted is not None and horizon > trusted:
        raise UserError(
            f"horizon={horizon} dreams further than this model can be trusted, {trusted} steps (exercise=imagination); "
            f"use {f'horizon={trusted}' if trusted else 'a better model'}, or trusted={horizon} to go on regardless"
        )
    if observation == "decoded" and not model.decoded_keys:
        raise UserError("observation=decoded needs a model that decodes observations; use observation=latent")
    shapes = {key: tuple(shape) for key, shape in dataset.spec.observation.items()}
    if shapes != model.spec.observation or dataset.spec.action_size != model.spec.action_size:
        raise UserError(
            f"the model knows {model.spec.observation} and {model.spec.action_size} actions, and the dataset has "
            f"{shapes} and {dataset.spec.action_size}; give episodes of the model's own task"
        )


def _box(shape: Sequence[int]) -> spaces.Box:
    """As a task's observations: vectors or images."""
    if len(shape) == 1:
        return spaces.Box(-np.inf, np.inf, tuple(shape), np.float32)
    return spaces.Box(0, 255, tuple(shape), np.uint8)


def as_shown(decoded: Tensor) -> np.ndarray:
    """Decoded observations [N, ...] as tasks show them: images in whole numbers."""
    shown: np.ndarray = decoded.float().cpu().numpy()
    return shown if shown.ndim == 2 else shown.round().clip(0, 255).astype(np.uint8)


def _put(seen: Seen, rows: np.ndarray, fresh: Seen) -> None:
    """Write what some rows see."""
    if isinstance(seen, dict):
        for key, value in seen.items():
            value[rows] = fresh[key]
    else:
        seen[rows] = fresh


def _first(seen: Seen) -> Seen:
    """What row 0 sees."""
    return {key: value[0] for key, value in seen.items()} if isinstance(seen, dict) else seen[0]


register("wm_lab/Dream-v0", entry_point="wm_lab.dream:Dream", vector_entry_point="wm_lab.dream:DreamEnv")
