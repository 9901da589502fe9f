"""How every figure looks: colours that colour-blind readers can tell apart, light axes, text that stays text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#1f2430", "#6b7280", "#e5e7eb"

# Okabe and Ito's palette, its yellow left out: too faint for a line on white.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8a8f98",
)
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)

# After Tol's muted scheme: told apart from the above, and from one another by lightness too.
INDIGO, TEAL, *_ = MORE = ("#332288", "#88CCBB", "#882255", "#7A4A1E", "#999933", "#DDCC77", "#117733")

SETTINGS: dict[str, Any] = {
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": QUIET,
    "axes.edgecolor": GRID,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small files, searchable, crisp
    "svg.hashsalt": "wm_lab",  # the same numbers give the same file
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib with our settings and nobody else's; nothing outside is changed."""
    import matplotlib

    settings: Any = {**dict(matplotlib.rcParamsDefault), **SETTINGS, "backend": "agg"}
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` × `height` inches, outside pyplot: nothing keeps it alive, no display is asked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write SVG or PNG, as the path's ending says, under a temporary name first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    kind = path.suffix.removeprefix(".")
    with style():
        figure.savefig(temporary, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    temporary.replace(path)
    return path


def colours(names: Iterable[str], fixed: dict[str, str]) -> dict[str, str]:
    """A colour for each name: its own where it has one, else the next of the palette that nobody uses."""
    names = list(names)
    taken = {fixed.get(name) for name in names}
    free = iter([c for c in (*CYCLE[:-1], *MORE) if c not in taken] * (1 + len(names)))
    return {name: fixed.get(name) or next(free) for name in names}
