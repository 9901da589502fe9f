"""Results as plain JSON values, and files that are never half written."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.system.seal import sealed, unsealed


def plain(value: Any) -> Any:
    """Dataclasses, named tuples and arrays as dicts, lists and numbers; what is not finite becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write under a temporary name and rename, so that a killed run leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    content = plain(value)
    content = sealed(content) if isinstance(content, dict) else content
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def read_json(path: Path, kind: str, needed: Sequence[str] = (), vouched: bool = True) -> dict[str, Any]:
    """The JSON object in `path` with the keys that are `needed`; UserError where there is none, or not as written.

    kind: what was hoped for
    vouched: whether a wrong checksum is refused here, and not by a hash of the content's own
    """
    if path.exists() and not path.is_file():  # a folder, or a link to a device, which may never end
        raise UserError(f"{path} is not a file; delete it and evaluate again")
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"there is no {kind} at {path}; run the evaluation that writes it first") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it a readable {kind}, or delete it") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable {kind} ({error}); delete it and evaluate again") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a {kind}: it holds a {type(value).__name__}; delete it and evaluate again")
    if missing := [key for key in needed if key not in value]:
        raise UserError(f"{path} lacks {', '.join(missing)}; delete it and evaluate again")
    try:
        return unsealed(value)
    except ValueError as error:
        if not vouched:
            return value
        raise UserError(f"{path} is no {kind} any more: {error}; delete it and evaluate again") from error
