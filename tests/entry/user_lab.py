"""What a user of wm_lab might keep in a folder of their own: a model, a planner, a task and an exercise, with YAML."""

from __future__ import annotations

from pathlib import Path

MODEL = '''
"""Predicts by least squares: the next state is linear in state and action."""
from dataclasses import dataclass
import torch
from torch import nn
from wm_lab.world_model import Imagination, State, WorldModel

@dataclass
class ToyModelConfig:
    bias: bool = True

@dataclass
class Seen(State):
    state: torch.Tensor

class ToyModel(WorldModel):
    Config = ToyModelConfig

    def __init__(self, config, spec):
        super().__init__()
        self.config, self.spec = config, spec
        size = spec.observation["state"][0]
        self.step = nn.Linear(size + spec.action_size, size, bias=config.bias)
        self.reward = nn.Linear(size, 1)

    def loss(self, windows):
        state = windows.observation["state"]
        after = self.step(torch.cat([state[:, :-1], windows.action[:, 1:]], -1))
        error = (after - state[:, 1:]).square().mean()
        reward = (self.reward(state).squeeze(-1) - windows.reward).square().mean()
        return error + reward, {"state": error.detach(), "reward": reward.detach()}

    def observe(self, windows, state=None):
        seen = windows.observation["state"]
        return Seen(seen[:, -1]), self._imagination(seen[:, None])

    def imagine(self, state, actions):
        b, n, horizon, _ = actions.shape
        now, all_states = state.state[:, None].expand(-1, n, -1), []
        for t in range(horizon):
            now = self.step(torch.cat([now, actions[:, :, t]], -1))
            all_states.append(now)
        return self._imagination(torch.stack(all_states, 2))

    def decode(self, imagination):
        return {"state": imagination.features}

    def _imagination(self, states):
        reward = self.reward(states).squeeze(-1)
        return Imagination(states, reward, torch.ones_like(reward))
'''

PLANNER = '''
"""One round of guessing."""
from dataclasses import dataclass
from wm_lab.planners.elites import Elites
from wm_lab.planners.planner import Planner, PlannerConfig

@dataclass
class ToyPlannerConfig(PlannerConfig):
    courage: float = 1.0

class ToyPlanner(Planner):
    Config = ToyPlannerConfig

    def plan(self, score, generators, warm_start=None, proposals=None):
        mean, std, elites = self.begin(len(generators), warm_start)
        noise = self.noise(generators)[0] * self.config.courage
        knots = self.candidates(mean, std, noise, self.guests(elites, proposals))
        best = Elites.of(knots, self.rate(score, knots), self.config.elites)
        return self.finish(score, mean, std, best, take_best=True)
'''

TASK = '''
"""A point that must reach a goal on a line."""
from dataclasses import asdict, dataclass
import numpy as np
import torch
from wm_lab.tasks.task import Expert, Task, TaskCard, Variable

@dataclass
class ToyTaskConfig:
    speed: float = 0.1

class ToyExpert(Expert):
    def __init__(self, task):
        self.task = task

    def act(self):
        return np.clip((self.task.goal - self.task.place) / self.task.config.speed, -1, 1)[None]

class ToyTask(Task):
    Config = ToyTaskConfig

    def __init__(self, config):
        self.config = config
        self.card = TaskCard(
            name="toy", observation={"state": (2,)}, action_size=1, episode_steps=20, control_hz=10.0,
            tags=("reach",), instruction="Go to the goal.", success_test="distance<0.05@1", physics="toy 1",
            variables=(Variable("place", 0, 1, "m", 0.05),), settings=asdict(config),
        )
        self.reset(seed=0)

    def reset(self, *, seed=None, options=None):
        generator = np.random.default_rng(seed)
        self.place, self.goal, self.count = -generator.uniform(0.2, 0.5), generator.uniform(0.2, 0.5), 0
        return {"state": self.state()}, {}

    def step(self, action):
        self.place += self.config.speed * float(np.clip(action, -1, 1)[0])
        self.count += 1
        far = abs(self.place - self.goal)
        info = {"success": far < 0.05, "contact": False}
        return {"state": self.state()}, -far, False, self.count >= 20, info

    def state(self):
        return np.array([self.place, self.goal], np.float32)

    def cost(self, state):
        return (state[..., 0] - state[..., 1]).abs()

    def snapshot(self):
        return np.array([self.place, self.goal, self.count], np.float64)

    def restore(self, snapshot):
        self.place, self.goal, self.count = float(snapshot[0]), float(snapshot[1]), int(snapshot[2])
        return {"state": self.state()}

    def expert(self):
        return ToyExpert(self)
'''

EXERCISE = '''
"""How long is an episode?"""
from dataclasses import dataclass
from wm_lab.exercises.exercise import Answer, Exercise

@dataclass
class ToyExerciseConfig:
    unit: str = "steps"

class ToyExercise(Exercise):
    Config = ToyExerciseConfig

    def __init__(self, config):
        self.config = config

    def check(self, bench):
        pass

    def run(self, bench):
        steps = bench.card.episode_steps
        return Answer([f"an episode takes {steps} {self.config.unit}"], {"steps": steps})
'''

YAML = {
    "model/toy.yaml": "_target_: toy_model.ToyModel\nbias: true\n",
    "planner/toy.yaml": "_target_: toy_planner.ToyPlanner\nhorizon: 6\ncandidates: 32\niterations: 1\nelites: 4\n",
    "task/toy.yaml": "_target_: toy_task.ToyTask\nspeed: 0.1\n",
    "exercise/toy.yaml": "_target_: toy_exercise.ToyExercise\nunit: steps\n",
}
PYTHON = {"toy_model.py": MODEL, "toy_planner.py": PLANNER, "toy_task.py": TASK, "toy_exercise.py": EXERCISE}


def write(folder: Path) -> Path:
    """Make such a folder."""
    for name, text in (YAML | PYTHON).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
