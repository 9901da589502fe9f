"""The one error that speaks to the user."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

MISTAKE = 2
"""Exit code of whatever the user can mend."""


class UserError(Exception):
    """Something the user can mend: the message says what was wrong, what was found and what to do."""


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, offering the nearest ones that do."""
    names = sorted(known)
    near = get_close_matches(found, names, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {found!r}; {offer}")


def require_at_least(section: str, config: Any, least: Mapping[str, float]) -> None:
    """UserError, naming option, value and limit, where an option of a `section`'s config is below its least value."""
    for name, limit in least.items():
        if not getattr(config, name) >= limit:
            raise UserError(f"{section}.{name}={getattr(config, name)} must be at least {limit}")


def complain(sentence: object, program: str = "wm-lab") -> None:
    """Say on standard error what went wrong."""
    print(f"{program}: {sentence}", file=sys.stderr, flush=True)
