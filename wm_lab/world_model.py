"""The contract every world model keeps.

Letters in shapes: `B` episodes or environments, `N` candidate action sequences each, `T` observed steps,
`H` imagined steps, `A` action dimensions. Actions are in [-1, 1]; the task scales them.

Time is aligned on arrival: step t holds the observation, the action that *led to it* and the reward of
*arriving at it*, so a planner scores the rewards of imagined steps 1..H (DreamerV3 convention).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError


@dataclass(frozen=True)
class DataSpec:
    """What a model must know of the data it is built for; plain numbers, so it travels in checkpoints and manifests.

    `observation` maps each key to the shape of one observation: `(D,)` for a vector, `(H, W, 3)` for a uint8 image.
    `mean` and `std` are per-dimension statistics of the *training split* for every vector key and for "reward"
    (length 1); of an image its mean, flat, and one `std` of all pixels about it.
    `std_change` is the per-dimension standard deviation of one-step changes of every vector key.
    `linear` predicts such a change best linearly, in the vector's own units: change = [x, action, 1] @ weights,
    `[D + A + 1, D]` for every vector key.
    `points` are the first indices of three-dimensional positions (metres, one frame) in a vector, where any are known.
    `rotations` are, for each of the `points`, the first index of the quaternion that tells its rotation; -1: none does.
    `present` are, for each of the `points`, the index of the number that is 1 where it is there; -1: it always is.
    `instructions` are the sentences that say what is to be done in an episode; `Windows.instruction` counts them.
    `changes` says which dimensions of every vector key change within an episode; of the others `std_change` is a floor.
    `action_std` is the standard deviation of each action dimension; empty where it is not known.
    `ends` says whether any episode truly ended, not by a time limit. Where none did, an imagined end is made up.
    """

    observation: dict[str, tuple[int, ...]]
    action_size: int
    mean: dict[str, list[float]] = field(default_factory=dict)
    std: dict[str, list[float]] = field(default_factory=dict)
    std_change: dict[str, list[float]] = field(default_factory=dict)
    linear: dict[str, list[list[float]]] = field(default_factory=dict)
    points: dict[str, list[int]] = field(default_factory=dict)
    instructions: list[str] = field(default_factory=list)
    changes: dict[str, list[bool]] = field(default_factory=dict)
    action_std: list[float] = field(default_factory=list)
    rotations: dict[str, list[int]] = field(default_factory=dict)
    present: dict[str, list[int]] = field(default_factory=dict)
    ends: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataSpec:
        """Inverse of `to_dict`, also after a trip through JSON (lists become tuples again)."""
        shapes = {key: tuple(shape) for key, shape in values["observation"].items()}
        return cls(**{**values, "observation": shapes})


@dataclass
class Windows:
    """A batch of consecutive steps. Every tensor leads with `[B, T]`.

    observation: {key: [B, T, ...]}; vectors float32, images uint8 `[B, T, H, W, 3]`
    action: [B, T, A] in [-1, 1], the action that led to step t (zeros where `first`; NaN where it was not recorded)
    reward: [B, T], of arriving at step t (zero where `first`)
    first: [B, T] bool, an episode begins here; nothing before it may matter
    terminal: [B, T] bool, the episode truly ended here (not a time limit)
    valid: [B, T] bool, False where the window is padding beyond the episode's end
    instruction: [B, T] int64, which of the data's instructions holds; None: the first one throughout
    """

    observation: dict[str, Tensor]
    action: Tensor
    reward: Tensor
    first: Tensor
    terminal: Tensor
    valid: Tensor
    instruction: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Windows:
        """The same windows with `change` applied to every tensor."""
        observation = {key: change(value) for key, value in self.observation.items()}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "observation"}
        return Windows(observation, **{name: value if value is None else change(value) for name, value in rest.items()})  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Windows:
        return self.map(lambda value: value.to(device, non_blocking=True))

    def __getitem__(self, index: Any) -> Windows:
        """Index batch, or batch and time: `windows[mask]`, `windows[:, :5]`."""
        return self.map(lambda value: value[index])

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)"""
        return self.action.shape[0], self.action.shape[1]

    @property
    def previous_action(self) -> Tensor:
        """The action that led to each step [B, T, A], zero at an episode's first step whatever is recorded there."""
        return self.action * ~self.first[..., None]


def blank_windows(spec: DataSpec, steps: int) -> Windows:
    """The beginning of one episode in which nothing is seen and nothing happens, [1, steps]."""
    zeros = torch.zeros(1, steps)
    first = torch.arange(steps)[None] == 0
    observation = {
        key: torch.zeros(1, steps, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
        for key, shape in spec.observation.items()
    }
    none = torch.zeros(1, steps, dtype=torch.bool)
    return Windows(observation, torch.zeros(1, steps, spec.action_size), zeros, first, none, ~none)


@dataclass
class State:
    """A belief about the present of B episodes. Subclasses are dataclasses of tensors that all lead with `B`."""

    def map(self, change: Callable[[Any], Any]) -> Self:
        """The same belief with `change` applied to every tensor; a field may itself be a State."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.map(change) if isinstance(v, State) else change(v) for k, v in values.items()})

    def __getitem__(self, rows: Any) -> Self:
        """Some rows: `state[mask]`, `state[indices]`."""
        return self.map(lambda value: value[rows])

    def put(self, rows: Any, other: Self) -> Self:
        """A copy in which `rows` hold `other`; the remaining rows are untouched."""

        def write(mine: Any, theirs: Any) -> Any:
            if isinstance(mine, State):
                return mine.put(rows, theirs)
            mine = mine.clone()
            mine[rows] = theirs
            return mine

        return replace(self, **{f.name: write(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)})

    @classmethod
    def concatenated(cls, parts: Sequence[Self]) -> Self:
        """The rows of several beliefs, one after another."""

        def join(name: str) -> Any:
            values = [getattr(part, name) for part in parts]
            return type(values[0]).concatenated(values) if isinstance(values[0], State) else torch.cat(values)

        return replace(parts[0], **{f.name: join(f.name) for f in fields(parts[0])})

    def expand(self, n: int) -> Self:
        """Each row repeated for n candidates, flattened: [B, ...] -> [B * n, ...]."""
        return self.map(lambda value: value.repeat_interleave(n, dim=0))

    def to(self, device: torch.device | str) -> Self:
        return self.map(lambda value: value.to(device))


def _rows(state: State) -> int:
    """B, which torch.export may leave open: `len` would not"""
    first = getattr(state, fields(state)[0].name)
    rows: int = _rows(first) if isinstance(first, State) else first.shape[0]
    return rows


@dataclass
class Replayed(State):
    """What is believed after steps of a model that can only imagine: where they began, and what was done since."""

    start: State
    done: Tensor  # [B, L, A], of each row the first `steps`
    steps: Tensor  # [B] int64

    @classmethod
    def of(cls, state: State, like: Tensor) -> Replayed:
        """The state itself, or nothing done since it; `like` are actions [B, A]."""
        if isinstance(state, Replayed):
            return state
        return cls(state, like[:, None][:, :0], torch.zeros(len(like), dtype=torch.long, device=like.device))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"a belief after the inherited `step` has no {name!r} and can only be stepped on; give the model a `step` "
            "of its own, and it can be imagined from and observed on"
        )

    def put(self, rows: Any, other: State) -> Replayed:
        """A copy in which `rows` hold `other`, which may be what was observed anew."""
        theirs = Replayed.of(other, self.done.new_zeros(_rows(other), self.done.shape[-1]))
        longest = max(self.done.shape[1], theirs.done.shape[1])
        mine, theirs = (
            Replayed(each.start, F.pad(each.done, (0, 0, 0, longest - each.done.shape[1])), each.steps)
            for each in (self, theirs)
        )
        return super(Replayed, mine).put(rows, theirs)


class Imagination(NamedTuple):
    """Imagined (or filtered) steps, all leading with [B, N, H]."""

    features: Tensor  # [B, N, H, F]
    reward: Tensor  # [B, N, H]
    continue_probability: Tensor  # [B, N, H] in [0, 1]
    uncertainty: Tensor | None = None  # [B, N, H] >= 0, or None when the model has no ensemble

    def map(self, change: Callable[[Tensor], Tensor]) -> Imagination:
        """The same with every tensor changed."""
        uncertainty = None if self.uncertainty is None else change(self.uncertainty)
        return Imagination(change(self.features), change(self.reward), change(self.continue_probability), uncertainty)

    @classmethod
    def joined(cls, parts: Sequence[Imagination]) -> Imagination:
        """Stretches [B, N, ...] that follow one another, as one."""
        return cls(*(None if part[0] is None else torch.cat(part, 2) for part in zip(*parts, strict=True)))  # type: ignore[arg-type]


TOLD = frozenset(Imagination._fields) - {"features"}
"""What an imagination tells beside its features."""


class Trainable(nn.Module, ABC):
    """What the training loop fits and a checkpoint holds. Built as `Model(Config(...), DataSpec(...))`."""

    Config: type
    config: Any
    spec: DataSpec

    REVISION: ClassVar[int] = 0
    """Raise it with any change of code after which old checkpoints mean something else; it is part of their names."""

    @abstractmethod
    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar to minimise and detached scalars to log, for one batch of windows [B, T]."""


class WorldModel(Trainable):
    """What every planner, policy and exercise relies on."""

    REVISION: ClassVar[int] = 2

    labelled: float = 1.0
    """Share of the training episodes whose actions it wants to be shown; the others' are NaN."""

    instructed: bool = False
    """Whether it reads `Windows.instruction`."""

    @property
    def observation_keys(self) -> tuple[str, ...]:
        """The observations that `observe` reads."""
        return tuple(self.spec.observation)

    @property
    def decoded_keys(self) -> tuple[str, ...]:
        """The observations that `decode` gives back."""
        return tuple(self.spec.observation)

    def told(self, windows: Windows, sentences: Sequence[str]) -> Windows:
        """The same windows with sentences as this model counts them; `sentences` are those that the windows count."""
        if not self.instructed:
            return windows
        numbers = torch.tensor([self.number(sentence) for sentence in sentences])
        chosen = windows.instruction
        chosen = torch.zeros_like(windows.first, dtype=torch.long) if chosen is None else chosen
        return replace(windows, instruction=numbers[chosen])

    def number(self, instruction: str) -> int:
        """What stands for this sentence in `Windows.instruction`; UserError where the model cannot know it."""
        if instruction not in self.spec.instructions:
            raise UserError(
                f"the model was not trained on the instruction {instruction!r}, but on "
                f"{', '.join(map(repr, self.spec.instructions))}; train it on data with that instruction, or choose a "
                "model that is not told"
            )
        return self.spec.instructions.index(instruction)

    @abstractmethod
    def observe(self, windows: Windows, state: State | None = None) -> tuple[State, Imagination]:
        """Filter observed steps, going on from `state` (None: from nothing).

        Returns the belief after the last step, batch B, and the posterior at every step as an Imagination
        [B, 1, T, ...].
        Rows where `windows.first` is set forget what came before.
        """

    def encode(self, context: Windows, state: State | None = None) -> State:
        """The belief after the observed steps of `context`."""
        return self.observe(context, state)[0]

    def appearance(self, features: Tensor) -> Tensor:
        """The part of features [..., F] that shows what is seen, whatever led there; here all of them."""
        return features

    def encode_goal(self, goal: Mapping[str, Tensor]) -> Tensor:
        """Features [B, F] of what is seen at goals {key: [B, ...]}, as where episodes begin: a goal has no history."""
        device = next(iter(goal.values())).device
        b = len(next(iter(goal.values())))
        blank = torch.zeros(b, 1, device=device)
        seen = {key: value[:, None] for key, value in goal.items()}
        action, first = blank.new_zeros(b, 1, self.spec.action_size), torch.ones_like(blank, dtype=torch.bool)
        _, posterior = self.observe(Windows(seen, action, blank, first, ~first, first))
        return posterior.features[:, 0, 0]

    @property
    def goal_keys(self) -> tuple[str, ...]:
        """The observations of a goal that `encode_goal` reads."""
        return self.observation_keys

    @abstractmethod
    def imagine(self, state: State, actions: Tensor) -> Imagination:
        """Roll B beliefs forward under actions [B, N, H, A] in [-1, 1]; never decodes."""

    def foresee(
        self, state: State, actions: Tensor, told: Collection[str], steps: Collection[int] | None = None
    ) -> Imagination:
        """As `imagine`, for whoever reads of it features and what is `told`, such as "reward"; the rest may be blank.

        steps: those whose features are read, 0 the first; None: all of them
        A search asks thousands of times, and often for none of what its heads say, and of features for the last alone.
        """
        return self.imagine(state, actions)

    def step(self, state: State, actions: Tensor) -> tuple[State, Imagination]:
        """Go on from B beliefs by one action each, [B, A] in [-1, 1]; never decodes.

        Returns the beliefs after it, and the step as an Imagination [B, 1, 1, ...]: so acts who reacts to what is
        imagined. H steps are one `imagine` of H; N candidates are B * N rows, `state.expand(N)`. Raises ValueError
        where the actions have another shape.

        This one serves every model. It imagines the whole past of the loop anew at each step, and its beliefs can only
        be stepped on; a model's own goes on from where it is, to a belief like those that `observe` returns.
        """
        self.check_actions(state, actions, "BA")
        return self._replay(state, actions[:, None])

    def advance(self, state: State, actions: Tensor) -> tuple[State, Imagination]:
        """As `step`, by several actions [B, H, A]: the beliefs after the last of them, and all steps [B, 1, H, ...]."""
        self.check_actions(state, actions, "BHA")
        if type(self).step is WorldModel.step:
            return self._replay(state, actions)
        parts = []
        for action in actions.unbind(1):
            state, part = self.step(state, action)
            parts.append(part)
        return state, Imagination.joined(parts)

    def _replay(self, state: State, actions: Tensor) -> tuple[State, Imagination]:
        """`advance` by imagining from where the loop began: actions [B, H, A] after those that were done since."""
        state, (b, horizon, _) = Replayed.of(state, actions[:, 0]), actions.shape
        row = torch.arange(b, device=actions.device)[:, None]
        at = state.steps[:, None] + torch.arange(horizon, device=actions.device)  # [B, H]
        done = F.pad(state.done[:, : int(state.steps.max())], (0, 0, 0, horizon))
        done[row, at] = actions
        future = self.imagine(state.start, done[:, None])
        return Replayed(state.start, done, state.steps + horizon), future.map(lambda part: part[row, 0, at][:, None])

    def check_actions(self, state: State, actions: Tensor, letters: str) -> None:
        """Raises ValueError unless the actions have the shape that the letters name, such as "BNHA"."""
        known = {"B": _rows(state), "A": self.spec.action_size}
        wanted = [known.get(letter, size) for letter, size in zip(letters, actions.shape, strict=False)]
        if actions.ndim != len(letters) or wanted != list(actions.shape) or 0 in actions.shape[1:-1]:
            raise ValueError(
                f"actions must be [{', '.join(letters)}] with B={known['B']} beliefs and A={known['A']} dimensions, "
                f"found {list(actions.shape)}"
            )

    @abstractmethod
    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        """Observations in the task's own units, {key: [B, N, H, ...]}; images float in [0, 255]."""


class ActsItself(WorldModel):
    """A world model whose backbone is a policy too, learnt from the actions in its data."""

    @abstractmethod
    def act(self, state: State, generators: Sequence[torch.Generator]) -> Tensor:
        """The next actions [B, chunk, A] in [-1, 1]; where several would do, each row's generator decides."""


class ActsByVideo(ActsItself):
    """One that also imagines without actions, and knows inverse dynamics: a video policy (UniPi, GR-2)."""

    @abstractmethod
    def act_by_video(self, state: State, steps: int) -> Tensor:
        """Actions [B, steps, A] in [-1, 1] that lead to what the model expects to see."""


class Tempered(WorldModel):
    """A world model whose imagination can be drawn at a temperature: more boldly above 1, more timidly below."""

    @abstractmethod
    def at(self, temperature: float) -> Self:
        """The same model, which shares its weights, with what it imagines drawn at this temperature (> 0)."""
