"""Environments that are hard to put back in time, or cannot be; importing this module registers them."""

from __future__ import annotations

from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.utils import EzPickle
from gymnasium.wrappers import DelayObservation, FrameStackObservation, RescaleAction, TimeAwareObservation


class Cart(gymnasium.Env):
    """A place and a speed, which begin in `reset`."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.speed, self.steps = self.np_random.uniform(-1, 1), 0.0, 0
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        self.speed += 0.1 * float(action[0]) + self.gust(action)
        self.place += 0.1 * self.speed
        return self.look(), self.pay(), self.ends(), False, {"there": self.there()}

    def gust(self, action):
        return 0.0

    def look(self):
        return np.array([self.place, self.speed], np.float32)

    def pay(self):
        return -abs(self.place)

    def ends(self):
        return False

    def there(self):
        return abs(self.place) < 0.05


# Those that repeat themselves


class Pickled(Cart, EzPickle):
    """A copy of it is a newly made one."""

    def __init__(self):
        EzPickle.__init__(self)


class Scaling(Cart):
    def step(self, action):
        action *= 10.0
        return super().step(action * 0.1)


class Windy(Cart):
    """With seeded chance."""

    def gust(self, action):
        return 0.01 * self.np_random.standard_normal()


class Reseeded(Cart):
    """A generator of its own, which a reset without a seed draws from nowhere."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.random.default_rng(seed).uniform(-1, 1)
        return self.look(), {}


class OwnLimit(Cart):
    """Counts its steps itself."""

    def step(self, action):
        seen, paid, ends, _, info = super().step(action)
        return seen, paid, ends, self.steps >= 12, info


class MyCheetah(HalfCheetahEnv):
    """A stock environment, subclassed."""


class TiredCheetah(HalfCheetahEnv):
    """Remembers something in Python that shows late."""

    def reset(self, **how):
        self.done = 0
        return super().reset(**how)

    def step(self, action):
        self.done += 1
        return super().step(action * (1.0 if self.done < 300 else 0.5))


class Lag(gymnasium.ActionWrapper):
    """A motor that follows slowly."""

    def reset(self, **how):
        self.last = np.zeros(self.action_space.shape, np.float32)
        return self.env.reset(**how)

    def action(self, action):
        self.last = 0.5 * self.last + 0.5 * np.asarray(action, np.float32)
        return self.last


def cheetah(**how):
    return gymnasium.make("HalfCheetah-v5", **how)


# Those that do not


class Gusty(Cart):
    """Unseeded noise from the fourth step on."""

    def gust(self, action):
        return 1e-5 * np.random.standard_normal() if self.steps >= 4 else 0.0  # noqa: NPY002


class Shaky(Cart):
    """Unseeded noise in proportion to the action, so that none shows at rest."""

    def gust(self, action):
        return 0.01 * float(action[0]) * np.random.standard_normal()  # noqa: NPY002


class Harder(Cart):
    """Every episode is harder than the one before."""

    episodes = 0

    def reset(self, **how):
        self.episodes += 1
        return super().reset(**how)

    def gust(self, action):
        return -0.01 * self.episodes * self.speed


class Unseeded(Cart):
    """A generator that no reset sets back."""

    def __init__(self):
        self.own = np.random.default_rng(0)

    def gust(self, action):
        return 0.01 * self.own.standard_normal()


class Shared(Cart):
    """All instances blow with one wind."""

    wind: ClassVar = [0.0]

    def reset(self, **how):
        self.wind[0] = 0.0
        return super().reset(**how)

    def gust(self, action):
        self.wind[0] = 0.9 * self.wind[0] + 0.01 * float(action[0])
        return self.wind[0]


class Fickle(Cart):
    def pay(self):
        return float(np.random.random())  # noqa: NPY002


class Moody(Cart):
    """Ends at any step but the first: one that ends at once is refused for that."""

    def ends(self):
        return self.steps > 1 and bool(np.random.random() < 0.1)  # noqa: NPY002


class Unsure(Cart):
    def there(self):
        return bool(np.random.random() < 0.5)  # noqa: NPY002


class LaterForgetful(Cart):
    """Repeats itself in the episodes that the probe plays."""

    def gust(self, action):
        return 0.01 * np.random.standard_normal() if self.np_random_seed > 100 else 0.0  # noqa: NPY002


LIMIT = 25
for kind in (Pickled, Scaling, Windy, Reseeded, OwnLimit, MyCheetah, TiredCheetah):
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=60)
for kind in (Gusty, Shaky, Harder, Unseeded, Shared, Fickle, Moody, Unsure, LaterForgetful):
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=60)
WRAPPED = {
    "Stacked": lambda **_: FrameStackObservation(cheetah(max_episode_steps=-1), 3),
    "Delayed": lambda **_: DelayObservation(cheetah(max_episode_steps=-1), 2),
    "Timed": lambda **_: TimeAwareObservation(cheetah(max_episode_steps=1000)),
    "Lagging": lambda **_: Lag(cheetah(max_episode_steps=-1)),
    "Rescaled": lambda **_: RescaleAction(cheetah(max_episode_steps=-1), -0.5, 0.5),
}
for name, make in WRAPPED.items():
    gymnasium.register(f"{name}-v0", entry_point=make, max_episode_steps=60)
gymnasium.register("Limited-v0", entry_point=lambda **_: RescaleAction(cheetah(max_episode_steps=LIMIT), -0.5, 0.5))


def near(observation, info):
    return abs(observation[0]) < 0.5
