"""JSON that vouches for itself, so that no flipped bit of a stored number is ever taken for a result.

It guards against accidents, not against forgers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"
"""Key of the checksum, beside what it is of."""
LOOK = re.compile(r"[0-9a-f]{64}")


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its checksum; `value` must be JSON's own."""
    return {**value, SEAL: _checksum(value)}


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    """Without the checksum; ValueError where it is wrong. What was written before there were any passes."""
    told = {key: item for key, item in value.items() if key != SEAL}
    misnamed = SEAL not in value and any(isinstance(v, str) and LOOK.fullmatch(v) for v in value.values())
    if misnamed or (SEAL in value and value[SEAL] != _checksum(told)):
        raise ValueError("its checksum is wrong: it was damaged or edited")
    return told


def _checksum(value: Mapping[str, Any]) -> str:
    # Through JSON first, whose keys are strings and whose tuples are lists.
    text = json.dumps(json.loads(json.dumps(value)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
