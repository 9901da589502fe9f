"""The one error that speaks to the user."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can mend: the message says what was wrong, what was found and what to do."""


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, offering the nearest ones that do."""
    names = sorted(known)
    near = get_close_matches(found, names, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {found!r}; {offer}")
