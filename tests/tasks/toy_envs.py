"""Gymnasium environments of a user's own, sound and unsound; importing this module registers them."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces


class Line(gymnasium.Env):
    """A place on a line that drifts a little, and a goal. The observation is nested, the actions are lopsided."""

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012 - the form Gymnasium asks for
    observation_space = spaces.Dict({"goal": spaces.Box(-10, 10, (1,)), "place": spaces.Box(-10, 10, (1,))})
    action_space = spaces.Box(-2.0, 4.0, (1,))
    end = 5.0  # m, where the episode ends

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal, self.steps = self.np_random.uniform(-1, 0), self.np_random.uniform(1, 2), 0
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        self.place += 0.1 * float(action[0]) + 0.001 * self.np_random.standard_normal()
        far = abs(self.place - self.goal)
        return self.look(), -far, abs(self.place) > self.end, False, {"there": far < 0.05}

    def look(self):
        return {"goal": np.array([self.goal]), "place": np.array([self.place])}


class Forgetful(Line):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None, options=options)


class Short(Line):
    end = 0.0


class Breaking(Line):
    """Sound but for one episode, from its third step on."""

    @property
    def breaks(self):
        return self.steps > 2 and self.np_random_seed == 77


class Blind(Breaking):
    def look(self):
        return super().look() | ({"place": np.array([np.nan])} if self.breaks else {})


class Far(Breaking):
    """Farther than single precision reaches."""

    def look(self):
        return super().look() | ({"place": np.array([1e42])} if self.breaks else {})


class Priceless(Breaking):
    def step(self, action):
        seen, _, *rest = super().step(action)
        return seen, np.inf if self.breaks else 0.0, *rest


class Growing(Breaking):
    def look(self):
        return super().look() | ({"place": np.zeros(2)} if self.breaks else {})


class Seeing(Line):
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)


class Promising(Line):
    """Names a picture that its constructor cannot be asked for."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - the form Gymnasium asks for

    def __init__(self):
        super().__init__()


class Lucky(Line):
    """Every other start is solved, and says so."""

    def reset(self, *, seed=None, options=None):
        seen, _ = super().reset(seed=seed)
        self.lucky = bool(self.np_random.random() < 0.5)
        return seen, {"there": self.lucky}


class Brief(Line):
    """Over after 4 to 8 steps, whatever is done."""

    def reset(self, *, seed=None, options=None):
        seen, info = super().reset(seed=seed)
        self.last = self.np_random.integers(4, 9)
        return seen, info

    def step(self, action):
        seen, reward, _, cut, info = super().step(action)
        return seen, reward, self.steps >= self.last, cut, info


class Unbounded(Line):
    action_space = spaces.Box(-np.inf, np.inf, (1,))


for kind in (Line, Forgetful, Short, Blind, Far, Priceless, Growing, Seeing, Promising, Brief, Lucky, Unbounded):
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind, max_episode_steps=30)


def expert(observation, env):
    return np.clip(10 * (observation["goal"] - observation["place"]), -2, 4)


def wild(observation, env):
    return 100 * observation["goal"]


def close(observation, info):
    return abs(observation["goal"] - observation["place"]).item() < 0.3


def said(observation, info):
    return info["there"]
