"""The one error that speaks to the user."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches

MISTAKE = 2
"""Exit code of whatever the user can mend."""

INTERRUPTED = 130
"""And of Ctrl-C, as a shell reports it: 128 + SIGINT."""


FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the system says of a full disk; a write to an open file names none."""

REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
"""What it says where nothing may be written."""


TOLD = 80
"""Characters of a value that a message repeats."""


LONG = re.compile(rf"\S{{{4 * TOLD},}}")
"""Words that are longer than any path."""


class UserError(Exception):
    """Something the user can mend: the message says what was wrong, what was found and what to do."""


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, offering the nearest ones that do."""
    names = sorted(known)
    near = get_close_matches(found, names, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {found!r}; {offer}")


def shortened(value: object) -> str:
    """A value as it is told: its beginning and its end where it is long."""
    told = str(value)
    return told if len(told) <= TOLD else f"{told[: TOLD // 2]}…{told[-TOLD // 4 :]} ({len(told)} characters)"


def complain(sentence: object, program: str = "wm-lab") -> None:
    """Say on standard error what went wrong."""
    print(
        f"{program}: {LONG.sub(lambda found: shortened(found[0]), harmless(str(sentence)))}",
        file=sys.stderr,
        flush=True,
    )


def harmless(text: str) -> str:
    """The same for a terminal, which what a stranger wrote must not steer."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)
