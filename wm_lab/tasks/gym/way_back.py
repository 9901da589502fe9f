"""Any Gymnasium environment, put back in time exactly: whatever it keeps, and wherever it keeps it.

The way that is right for all of them is to play the episode's own actions again from its seed, wrappers and all.
Futures are played in a second instance, so that nothing disturbs the running episode. Of
Gymnasium's own MuJoCo environments a probe shows that all of an episode is in MuJoCo's state: that is put back instead,
which is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from wm_lab.errors import UserError
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import HEAD, EnvTask
from wm_lab.tasks.gym.commands import Replay
from wm_lab.tasks.gym.contents import all_in_mujoco
from wm_lab.tasks.gym.probe import Repeats, probe
from wm_lab.tasks.mujoco_memory import Memory, Touch
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import defining_options
from wm_lab.tasks.variation import Factors

RETURN = 1  # place among the numbers of `_keep` of all that was paid, beside PAID
LAGGING = ("xpos", "xipos")  # what MuJoCo derives a substep late, and Gymnasium's environments read before they step
STANDS = ("_env", "_memory", "_data", "_seed", "_steps", "_terminated", "_truncated", "_state", "_numbers", "_seen")
OF_AN_EPISODE = (*STANDS, "_paid", "_return")
"""Attributes that say where the running episode stands; each is replaced, none is changed in place."""

Opened = tuple[Any, spaces.Box, int]  # an instance with its wrappers, its actions and the steps of its episodes

_PROBED: dict[str, tuple[EnvSpec | None, Repeats]] = {}
"""What the probe found in this process, by the options of the task; of another registration it is worth nothing."""


class GymnasiumTask(EnvTask):
    """What `GymTask` adds success, cost and expert to. Its `_see` keeps `_seen`, `_numbers`, `_paid` and `_return`."""

    def __init__(self, config: EnvConfig, open_instance: Callable[[], Opened]) -> None:
        env, actions, steps = open_instance()
        self._open = open_instance
        self._seen: Any = None  # as the environment returned it
        self._size = spaces.flatdim(env.observation_space)
        self._numbers = np.zeros(self._size)  # the same, flat, [D] float64
        self._return = 0.0
        self._draws_on = True  # whether a reset without a seed goes on from the last seed
        self._draws = 0  # starts drawn since the last one with a seed
        self._second: dict[str, Any] | None = None  # where the second instance stands
        self._kept_in_mujoco = all_in_mujoco(env)
        self._on_mujoco = isinstance(getattr(env.unwrapped, "model", None), mujoco.MjModel)
        self.repeats = Repeats(None)
        if not self._on_mujoco and env.render_mode != self.render_mode:
            self.render_mode = None  # it cannot draw itself, and nothing here could draw it
        super().__init__(config, env, actions, steps)

    def _choose_the_way_back(self) -> None:
        """Ask the probe, once in a process; UserError for an environment that does not repeat itself."""
        self._draws_on = self._goes_on_from_a_seed()
        name = repr((type(self), defining_options(self.config)))
        spec = gymnasium.registry.get(self.config.id.rpartition(":")[2])
        if name not in _PROBED or _PROBED[name][0] is not spec:
            _PROBED[name] = spec, probe(self, self._scale.size, self._episode_steps, self._kept_in_mujoco)
        self.repeats = _PROBED[name][1]
        if self.repeats.difference is not None and not self.config.stochastic:
            raise self._forgetful(self.repeats.difference)
        if self.repeats.in_mujoco:
            self._memory, self._second = self._data, None

    def _goes_on_from_a_seed(self) -> bool:
        starts = []
        for _ in range(2):
            self._env.reset(seed=0)
            starts.append(self._read(*self._env.reset()))
        return np.array_equal(starts[0], starts[1])

    # The way back

    @property
    def repeatable(self) -> bool:
        return self.repeats.difference is None

    @property
    def foresees_chance(self) -> bool:
        return self.repeatable and self.repeats.chance

    def snapshot(self) -> np.ndarray:
        if not self.repeatable:
            raise UserError(
                f"task.stochastic=true accepts that {self.task_spec.name} does not repeat itself "
                f"({self.repeats.difference}), so nobody can go back in time there, or play its futures"
            )
        return super().snapshot()

    def _put_back(self, seed: int, snapshot: np.ndarray) -> None:
        """Where the episode's commands are played again, what they lead to must be what the snapshot remembers."""
        if not isinstance(self._memory, Replay):
            super()._put_back(seed, snapshot)
            return
        self._begin(seed)
        seen, info = self._seen, {}
        for command in self._memory.commands(snapshot[-self._memory.size :]):
            seen, reward, _, _, info = self._play(self._scale.handed(command))
            self._return += float(reward)
        self._seen, self._state = seen, self._read(seen, info).astype(np.float32)
        kept = HEAD + len(self._state)
        paid = snapshot[kept + RETURN]
        if not np.array_equal(self._state, snapshot[HEAD:kept]) or not np.isclose(self._return, paid, 1e-6, 1e-6):
            raise self._forgetful(
                f"{int(snapshot[1])} steps into the episode with seed {seed}, it was elsewhere when it was played again"
            )

    @contextmanager
    def in_second_instance(self) -> Iterator[None]:
        """Inside, this task plays in a second instance of its environment; outside, its episode stands where it did."""
        here = {name: getattr(self, name) for name in OF_AN_EPISODE}
        if self._second is None:
            try:
                env, *_ = self._open()
            except UserError as error:
                raise UserError(f"a second instance cannot be had beside the first: {error}") from error
            memory, data = self._memories(env)
            self._second = here | {"_env": env, "_memory": memory, "_data": data, "_seed": -1}
        vars(self).update(self._second)
        try:
            yield
        finally:
            self._second = {name: getattr(self, name) for name in OF_AN_EPISODE}
            vars(self).update(here)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        with self.in_second_instance() if isinstance(self._memory, Replay) else super()._aside():
            yield

    def _prepare(self) -> None:
        self._memory, self._data = self._memories(self._env)
        self._model: Any = None

    def _memories(self, env: Any) -> tuple[Any, Memory | None]:
        """Of an instance: the way back that is right for any, and MuJoCo's state where it has one."""
        bare = env.unwrapped
        data = Memory(bare.model, bare.data, LAGGING) if self._kept_in_mujoco else None
        return Replay(self._episode_steps, self._scale.size), data

    def _draw(self, seed: int | None) -> tuple[Any, dict[str, Any]]:
        """Where the next start would be another one each time, a seed that follows from the episode's own draws it."""
        self._return = 0.0
        if isinstance(self._memory, Replay):
            self._memory.begin()
        self._draws = 0 if seed is not None else self._draws + 1
        if seed is None and not self._draws_on:
            seed = int(np.random.SeedSequence((self._seed, self._draws)).generate_state(1)[0] >> 1)
        return super()._draw(seed)

    def _play(self, command: np.ndarray) -> tuple[Any, ...]:
        if isinstance(self._memory, Replay):
            self._memory.note(command)
        return super()._play(command)

    def _forgetful(self, difference: str) -> UserError:
        return UserError(
            f"task.id={self.config.id} does not repeat itself: {difference}; let reset(seed) undo all "
            "that was before, and draw what is random from self.np_random; or set task.stochastic=true, and nobody "
            "goes back in time there"
        )

    # What the probe asks

    @property
    def environment(self) -> Any:
        return self._env

    @property
    def over(self) -> bool:
        return self._terminated or self._truncated

    def begin(self, seed: int) -> np.ndarray:
        self._begin(seed)
        return self._shown(False)

    def play(self, action: np.ndarray) -> np.ndarray:
        return self._shown(self._advance(action))

    def save(self) -> np.ndarray:
        assert self._data is not None
        return self._data.save()

    def load(self, saved: np.ndarray) -> None:
        assert self._data is not None
        self._data.load(saved)
        self._terminated = self._truncated = False

    def name(self, number: int) -> str:
        size = len(self._numbers)
        if number >= size:
            return ("the reward", "the end of the episode", "its truncation", "success")[number - size]
        found = next((v for v in self.task_spec.variables if number < v.stop), None)
        return f"number {number} of what it shows" if found is None else f"{found.name}[{number - found.start}]"

    def _shown(self, success: bool) -> np.ndarray:
        # Rewards as they are kept; some areas and sums differ in their last bits by the order of a set.
        return np.concatenate([self._numbers, [np.float32(self._paid), self._terminated, self._truncated, success]])

    # Where MuJoCo knows what there is

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        if isinstance(self._memory, Replay):
            raise UserError(
                f"evaluation.variation changes environments whose state is all in MuJoCo, and {self.config.id} goes "
                "back in time by playing its actions again; set evaluation.variation=none"
            )
        return super().vary(factors)

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        self._look_at_the_model()
        return super().render(size, camera, overlay)

    def _pixels(self) -> np.ndarray:
        self._look_at_the_model()
        return super()._pixels()

    def _touches(self) -> bool:
        if not self._on_mujoco:
            return False
        self._look_at_the_model()
        return super()._touches()

    def _look_at_the_model(self) -> None:
        """Some environments make another model when they are reset."""
        model = self._env.unwrapped.model
        if model is not self._model:
            self._model, self._touch = model, Touch(model, self._robot())
            self._camera = self._for_people = None
