"""What one run was asked to do, as plain values: the only form in which a configuration travels through the lab."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Section = dict[str, Any]
"""Options of one choice, with `_target_` where they say which class they are for."""


@dataclass(frozen=True)
class Settings:
    """Sections are resolved and checked; `labels` are the names under which they were chosen ("rssm", "cem", ...)."""

    exercise: Section
    task: Section
    model: Section
    planner: Section
    objective: Section
    mpc: Section
    bc: Section
    data: Section
    trainer: Section
    bc_trainer: Section
    demonstrations: int
    seed: int = 0
    device: str = "cpu"
    workers: int | None = None
    store: Path = Path("outputs/store")
    labels: dict[str, str] = field(default_factory=dict)

    def label(self, group: str) -> str:
        """How this choice is called in tables."""
        return self.labels.get(group, group)
