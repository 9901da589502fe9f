"""The contract of a planner: a pure optimiser of action sequences that knows no model, only a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]
"""actions [B, N, H, A] -> scores [B, N], higher is better."""
