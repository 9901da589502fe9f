"""What a recording shows at every step: cameras by their names, and vectors that stand side by side in one state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wm_lab.errors import UserError, unknown
from wm_lab.formats.alignment import Unreadable
from wm_lab.tasks.task import Variable

STATE = "state"

LONGEST_NAME = 200
"""Bytes of an observation's name: a camera's is that of a file."""


@dataclass
class Observed:
    """What is imported of it, and what of that models see."""

    images: dict[str, tuple[int, int, int]]  # {camera: shape of a frame}, as imported
    vectors: dict[str, int]  # {vector: its numbers}, in the order in which they stand in the state
    seen: list[str]  # of "state" and the cameras

    @classmethod
    def choose(
        cls,
        name: str,
        images: Mapping[str, tuple[int, int, int]],
        vectors: Mapping[str, int],
        keys: Sequence[str] | None,
    ) -> Observed:
        """Of all that `name` holds, what `keys` wish for: cameras, vectors, or "state" for all vectors; None: all.

        Without a vector among the keys the state is recorded whole, and models do not see it.
        """
        known = {STATE, *images, *vectors}
        for key in keys or ():
            if key not in known:
                raise unknown(f"observation of {name}", key, known)
        cameras = {key: shape for key, shape in images.items() if keys is None or (key in keys and key != STATE)}
        if STATE in cameras:
            raise UserError(
                f"{name} has a camera called {STATE}, which is the lab's name for all vectors together; rename it, or "
                "leave it out by naming what to keep with --keys"
            )
        wished = [key for key in vectors if key in (keys or ()) and key != STATE]
        all_vectors = not wished or STATE in (keys or ())
        kept = {key: size for key, size in vectors.items() if all_vectors or key in wished}
        for key in (*cameras, *kept):
            if not (key.isprintable() and 0 < len(key.encode()) <= LONGEST_NAME) or (key in cameras and "/" in key):
                raise UserError(
                    f"{name} has an observation called {key[:40]!a}, which no file can be called; rename it, or leave "
                    "it out by naming what to keep with --keys"
                )
        if not sum(kept.values()):
            raise UserError(
                f"{name} holds no vector observation, and the lab's state is one; record the robot's own readings too"
            )
        with_state = keys is None or bool(wished) or STATE in keys
        return cls(cameras, kept, [STATE] * with_state + list(cameras))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything that is imported."""
        return {STATE: (sum(self.vectors.values()),), **self.images}

    def variables(self) -> tuple[Variable, ...]:
        stops = np.cumsum(list(self.vectors.values())).tolist()
        return tuple(
            Variable(name, stop - size, stop, "")
            for (name, size), stop in zip(self.vectors.items(), stops, strict=True)
        )

    def join(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """The state [L, D] float32 of all vectors {name: [L, ...]}; Unreadable names one that does not fit."""
        rows: dict[int, str] = {}
        columns = []
        for name, size in self.vectors.items():
            part = parts[name]
            if part.ndim < 1 or int(np.prod(part.shape[1:])) != size:
                raise Unreadable(f"has {name} of {list(part.shape[1:])}, where others have {size} numbers")
            rows.setdefault(len(part), name)
            columns.append(part.reshape(len(part), size))
        if len(rows) > 1:
            (few, one), (many, other), *_ = sorted(rows.items())
            raise Unreadable(f"has {few} observations of {one} and {many} of {other}")
        with np.errstate(over="ignore"):  # what float32 cannot hold is found as no number
            return np.concatenate(columns, axis=1).astype(np.float32)
