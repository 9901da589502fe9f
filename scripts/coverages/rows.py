"""Every kind of interval that a table shows, in the experiments that occur."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import imagined
import latents
import played
import swept
from row import Row


def rows() -> Iterator[Row]:
    return chain(played.rows(), imagined.rows(), latents.rows(), swept.rows())
