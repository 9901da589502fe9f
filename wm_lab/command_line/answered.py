"""How the commands beside `wm-lab` end: whatever a user can mend, and Ctrl-C, in one sentence and an exit code."""

from __future__ import annotations

from collections.abc import Callable

from wm_lab.errors import FULL, INTERRUPTED, MISTAKE, UserError, complain
from wm_lab.system.streams import require_folder


def answered(program: str, work: Callable[[], object], *, kept: str, unreadable: str | None = None) -> int:
    """The exit code of `work`, the body of this program.

    kept: what an interruption leaves, as in "nothing was written"
    unreadable: what a refused file is called; None: such an error is a fault of the lab's, and is raised
    """
    try:
        require_folder()
        work()
    except UserError as error:
        complain(error, program)
    except KeyboardInterrupt:
        complain(f"interrupted; {kept}", program)
        return INTERRUPTED
    except BrokenPipeError:  # `wm-lab-store list | head`
        return 1
    except MemoryError as error:
        complain(f"there is not enough memory ({str(error) or 'none is left'}); {kept}", program)
    except OSError as error:
        if error.errno in FULL:
            complain(f"{error.strerror or error}; free some space, or choose another folder", program)
        elif unreadable is None:
            raise
        else:
            complain(f"{unreadable} ({error})", program)
    else:
        return 0
    return MISTAKE
