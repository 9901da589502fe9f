"""What went wrong on the command line, in one sentence with the nearest names; None for what is not the user's doing.

Hydra and OmegaConf speak over several lines and of their own classes; here their errors are read for what a user typed
and what could have been meant.
"""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from wm_lab.command_line.arguments import HELP
from wm_lab.errors import FULL, REFUSED, UserError, unknown
from wm_lab.settings.moved import answer
from wm_lab.settings.template_words import called_here

DISK = FULL | REFUSED | {errno.EFBIG, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
"""Refusals of the file system that the user can do something about."""

EXTRAS = {
    "hydra/launcher/submitit_slurm": ("hydra/launcher=slurm", "slurm"),
    "hydra/launcher/submitit_local": ("hydra/launcher=submitit_local", "slurm"),
    "hydra/sweeper/optuna": ("hparams_search=optuna", "optuna"),
}
"""{configuration that a plugin brings: (who asks for it, the extra that installs it)}"""

HYDRA = "hydra/"
"""What the names of Hydra's own groups begin with, such as hydra/launcher."""

COMPOSERS = {"hydra", "omegaconf", "antlr4", "yaml"}
"""Packages that make a configuration of what was typed and written."""

HYDRA_ERRORS = "hydra.errors"
CLASH = re.compile(r"In '(.+)': ConfigKeyError raised while composing config:\s+Key '(.+)' not in '(.+)Config'")
"""A YAML that sets what another choice than its own does not have."""

NOISE = ("full_key:", "object_type=", "reference_type=", "See https://", "To append to your", "Config search path:")


def explain(error: BaseException, folders: Sequence[Path] = ()) -> str | None:
    """One sentence for whatever the user can mend; `folders` hold the YAML that names are looked up in."""
    for cause in _chain(error):
        if isinstance(cause, UserError | FloatingPointError):
            return _line(cause)
        if _is_out_of_memory(cause):
            return (
                f"out of memory ({_line(cause)}); lower trainer.batch or trainer.length where it happened in training, "
                "planner.candidates where in planning, or choose a smaller model"
            )
    return _of_composing(error, folders) or _of_the_disk(error) or _of_composers(error)


def _of_composing(error: BaseException, folders: Sequence[Path]) -> str | None:
    """What was chosen is not there, or does not go together."""
    if (missing := getattr(error, "missing_cfg_file", None)) is not None:
        return _missing(str(missing), list(getattr(error, "options", None) or []), folders)
    for cause in _chain(error):
        if isinstance(cause, OmegaConfBaseException):
            return _of_omegaconf(cause, folders)
    if (elsewhere := _of_another_exercise(str(error), folders)) is not None:
        return elsewhere
    if (clash := CLASH.match(str(error))) is not None:
        choice = clash[1].replace("/", "=", 1)
        return (
            f"{choice} sets {clash[2]!r}, and the {clash[3].lower()} that was chosen beside it has no such option; "
            f"leave out {choice}, or choose what it is made for"
        )
    return _of_an_override(error)


def _of_an_override(error: BaseException) -> str | None:
    """A word of the command line that Hydra cannot read or follow."""
    if (ambiguous := re.match(r"Ambiguous value for argument '(.+)'$", str(error), re.MULTILINE)) is not None:
        name, _, value = ambiguous[1].partition("=")
        return (
            f"{ambiguous[1]} names several values; put -m before it to run them all, or make it a list, "
            f"{name}=[{value}], or a text, {name}='\"{value}\"'"
        )
    if (absent := re.match(r"Could not delete from config\. '(.+)' does not exist", str(error))) is not None:
        return called_here(absent[1]) or f"there is nothing called {absent[1]!r} to take away; {HELP}"
    if type(error).__module__ == HYDRA_ERRORS:
        override = getattr(error, "override", None)
        return _line(error) if override is None else f"{override} cannot be read: {_line(error)}"
    return None


def _of_the_disk(error: BaseException) -> str | None:
    for cause in _chain(error):
        if isinstance(cause, OSError) and (
            cause.errno in FULL or (cause.errno in DISK and cause.filename is not None) or _is_of_the_system(cause)
        ):
            return (
                f"{cause.filename or 'outputs'}: {cause.strerror}; free some space, make it writable, or choose "
                "another folder with outputs=/some/folder"
            )
    return None


def _of_composers(error: BaseException) -> str | None:
    """What Hydra and its libraries gave up on without an error of their own."""
    if isinstance(error, RecursionError) and _was_composing(error, last=50):
        return "what was chosen holds itself; look for a YAML that names itself, or what names it, in its defaults"
    return _line(error) if _was_composing(error) else None


def _is_of_the_system(error: OSError) -> bool:
    """Whether somebody wants to write where there are no files, which the system tells as a missing folder."""
    return error.errno == errno.ENOENT and str(error.filename).startswith(("/proc/", "/sys/", "/dev/"))


def _was_composing(error: BaseException, last: int = 1) -> bool:
    """Whether Hydra or what it is made of gave up, in the last calls, and no line of the lab's or of a user's own."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(str(frame.f_globals.get("__name__")).partition(".")[0] in COMPOSERS for frame in frames[-last:])


def _is_out_of_memory(error: BaseException) -> bool:
    """PyTorch has a class for a GPU's memory; what the CPU's allocator throws is told by its words alone."""
    told = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate" in told and "memory" in told)
    )


def _missing(name: str, options: list[str], folders: Sequence[Path]) -> str:
    """A group that has no such option, or a configuration that does not exist."""
    if name in EXTRAS:
        choice, extra = EXTRAS[name]
        return f"{choice} needs packages that are not installed; pip install 'wm_lab[{extra}]'"
    above = HYDRA if name.startswith(HYDRA) else ""
    group, slash, option = name.removeprefix(above).partition("/")
    group = above + group
    if not slash:
        known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
        return _line(unknown("configuration", name, known))
    if (told := called_here(f"{group}={option}")) is not None:
        return told
    found = {_option(file, folder, group) for folder in folders for file in _yaml(folder, group)}
    return f"{group}={option}: " + _line(unknown(f"option of {group}", option, found.union(options)))


def _of_another_exercise(told: str, folders: Sequence[Path]) -> str | None:
    """A choice such as model@exercise.reranker, which exercises of these folders have and the asked one has not."""
    found = re.match(r"Could not override '(.+)@exercise\.(.+)'", told)
    if found is None:
        return None
    place = f"/{found[1]}@{found[2]}:"
    having = [f"exercise={f.stem}" for at in folders for f in at.glob("exercise/*.yaml") if place in f.read_text()]
    return f"{found[1]}@exercise.{found[2]} can be chosen with {' or '.join(having)} alone" if having else None


def _yaml(folder: Path, group: str) -> Iterator[Path]:
    return (file for file in folder.glob(f"{group}/**/*.yaml") if file.is_file())


def _option(file: Path, folder: Path, group: str) -> str:
    return file.relative_to(folder / group).with_suffix("").as_posix()


def _of_omegaconf(error: OmegaConfBaseException, folders: Sequence[Path]) -> str:
    """A key that nobody knows, or a value of a wrong kind."""
    key, parent = error.full_key or "", error.parent_node
    if "not in" not in str(error) or not isinstance(parent, DictConfig):
        return f"{key}: {_line(error)}" if key else _line(error)
    if (told := called_here(key)) is not None:
        return told
    section, _, option = key.rpartition(".")
    if (told := answer(parent, section, option)) is not None:
        return told
    names = [str(name) for name in parent if not str(name).startswith("_")]
    where, _, last = key.rpartition(".")
    if not names and (others := sorted({_option(f, d, where) for d in folders for f in _yaml(d, where)} - {"none"})):
        named = " or ".join(f"{where}={other}" for other in others)
        return f"there is nothing called {key!r} to set: {where}, as it is chosen, has no options; choose {named}"
    if not where:
        names += [child.name for folder in folders for child in folder.iterdir() if child.is_dir()]
    near = get_close_matches(last, dict.fromkeys(names), n=3)
    known = [f"{where}.{name}" if where else name for name in near or sorted(set(names))]
    offer = f"did you mean {' or '.join(known)}?" if near else f"known: {', '.join(known)}"
    return f"there is nothing called {key!r} to set; {offer}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _line(error: BaseException) -> str:
    return " ".join(_useful(str(error).splitlines())) or type(error).__name__


def _useful(lines: Iterable[str]) -> list[str]:
    stripped = (re.sub(r"\s+", " ", line).strip() for line in lines)
    return [line for line in stripped if line and not line.startswith(NOISE)]
