"""Make the repository's virtual environment where it is missing or stale, then become a program inside it.

Needs nothing but the standard library. The syntax stays that of Python 3.6, so that an old `python3` can read this file
and say that it is too old, instead of stumbling over it.

A start with nothing to do only compares a stamp: the hash of what was installed with the hash of what should be.
On Linux without an NVIDIA GPU, PyTorch comes as its small CPU build where PyTorch's own index can be reached.
WM_LAB_TORCH_INDEX names another index for PyTorch alone, such as https://pypi.org/simple for the build with CUDA.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "wm_lab.stamp"  # what is installed
UNFINISHED = VENV / "wm_lab.unfinished"  # an installation was begun; still here at the next start, it was killed
LOCK = ROOT / ".venv.lock"  # beside the environment, which may be cleared while the lock is held

OLDEST, NEWEST = (3, 11), (3, 13)  # as in pyproject.toml
TORCH_INDEX = "WM_LAB_TORCH_INDEX"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
PATIENCE = 3.0  # seconds to find out whether it can be reached


def start(*command: str) -> None:
    """Replace this process by a program of the environment: exit code, signals and terminal are then its own."""
    try:
        check_python(sys.version_info[:2])
        prepare()
        program = str(VENV / "bin" / command[0])
        os.execv(program, [program, *command[1:]])  # Python finds its environment by the full path it is called with
    except Problem as problem:
        sys.exit(f"error: {problem}")
    except OSError as error:
        sys.exit(f"error: {VENV} cannot be prepared or started ({error})")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the next start goes on\n")
        sys.exit(130)


class Problem(Exception):
    """What the user must know, in one sentence."""


def check_python(version) -> None:
    """Refuse Pythons that the dependencies do not support, and systems without POSIX processes."""
    if not OLDEST <= tuple(version) <= NEWEST:
        raise Problem(
            "wm_lab needs Python {}.{} to {}.{}, and this is {}.{}; start the script with another one, e.g. "
            "python3.12 {}".format(*OLDEST, *NEWEST, *version, sys.argv[0])
        )
    if os.name != "posix":
        raise Problem("these scripts need Linux or macOS; on Windows use them inside WSL")


def prepare() -> None:
    """Bring the environment up to date, once among all processes that start at the same time."""
    wanted = fingerprint()
    if installed() == wanted:
        return
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Problem(
                f"this Python lacks its {module} module, so no virtual environment can be made; "
                "on Debian and Ubuntu: apt install python3-venv"
            )
    with locked():
        if installed() != wanted:  # otherwise another process has done it in the meantime
            install()
            STAMP.write_text(wanted)


def fingerprint() -> str:
    """Hash of everything that decides what is installed, and where."""
    parts = [str(ROOT), "{}.{}".format(*sys.version_info)]
    parts += [(ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installed() -> str:
    """The fingerprint of the installation that was finished last, or nothing."""
    if UNFINISHED.exists() or not (VENV / "bin" / "python").exists():
        return ""
    return STAMP.read_text() if STAMP.exists() else ""


def install() -> None:
    """Make the environment and fill it: PyTorch first, because it alone may come from an index of its own."""
    say(f"setting up {VENV} (once; later starts skip this)")
    if UNFINISHED.exists() or not usable():
        # pip cannot mend packages whose installation was killed half-way, so nothing of them is kept.
        run("making the virtual environment", outer_python(), "-m", "venv", "--clear", str(VENV))
    UNFINISHED.touch()
    try:
        install_torch()
        say("fetching the other packages (about 200 MB)")
        pip("--editable", f"{ROOT}[dev]")
    except Problem:
        UNFINISHED.unlink()  # pip has put everything back itself: what is there can be built on
        raise
    UNFINISHED.unlink()


def install_torch() -> None:
    """PyTorch, from the index that is named, as the CPU build where no GPU needs more, or as pip finds it."""
    index = os.environ.get(TORCH_INDEX)
    if index:
        say(f"fetching PyTorch from {index}")
        pip("torch", "--index-url", index)
        return
    if sys.platform == "linux" and not shutil.which("nvidia-smi"):
        if reachable(CPU_BUILDS):
            say(f"no NVIDIA GPU found: fetching PyTorch's CPU build (about 200 MB) from {CPU_BUILDS}")
            try:  # beside the index of everything else: of two equal versions pip takes the one that is marked +cpu
                pip("torch", "--extra-index-url", CPU_BUILDS)
                return
            except Problem:
                say("that index does not serve it; taking the build that pip finds")
        else:
            say(f"no NVIDIA GPU found, and {CPU_BUILDS} cannot be reached: what pip finds may hold CUDA (several GB)")
    say("fetching PyTorch")
    pip("torch")


def reachable(index) -> bool:
    """Whether a package index answers, within seconds whatever the network does."""
    import urllib.request  # which takes a while to load, and only a first start needs

    answers = []

    def ask() -> None:
        with contextlib.suppress(Exception), urllib.request.urlopen(index + "/torch/", timeout=PATIENCE) as page:
            answers.append(page.status == 200)

    asking = threading.Thread(target=ask, daemon=True)  # looking up a name knows no time limit of ours
    asking.start()
    asking.join(PATIENCE)
    return any(answers)


def usable() -> bool:
    """Whether the environment there runs the same version of Python as this script."""
    question = "import sys, pip; print('{}.{}'.format(*sys.version_info))"
    try:
        answer = subprocess.run(
            [str(VENV / "bin" / "python"), "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return answer.stdout.decode().strip() == "{}.{}".format(*sys.version_info)


def outer_python() -> str:
    """The Python that the environment is made from, also when this script was started with the environment's own."""
    return getattr(sys, "_base_executable", None) or sys.executable


def pip(*arguments: str) -> None:
    """Install with the tested versions; a terminal shows progress, a log names what is fetched and how large it is."""
    manner = ["--no-input", "--disable-pip-version-check"]
    manner += [] if sys.stderr.isatty() else ["--progress-bar", "off"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    run("installing", str(VENV / "bin" / "python"), "-m", "pip", "install", *manner, *constraints, *arguments)


def run(what: str, *command: str) -> None:
    """Run a step of the set-up, which speaks on standard error; its failure ends the start."""
    code = subprocess.run(list(command), stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
    if code != 0:
        raise Problem(
            f"{what} failed (exit code {code}, its own words are above); check network and disk space, "
            "then run the same command again"
        )


@contextlib.contextmanager
def locked():
    """Hold the repository's set-up lock, which the system gives back however this process ends."""
    import fcntl  # POSIX only, so not before the check for it

    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is setting up {VENV}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
