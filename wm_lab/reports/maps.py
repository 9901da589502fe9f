"""Scenes on a map: the same points in several embeddings and several colours, and their pictures laid out alike.

Shapes: n scenes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wm_lab.reports import style
from wm_lab.reports.style import CYCLE, INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

Colour = str | tuple[float, float, float, float]
"""By name, or red, green, blue and opacity."""

PANEL = 2.15  # inches

POINTS = 72  # of an SVG in an inch

THUMB = 64
"""Side of the picture of a chosen scene, in points."""

GAP = 2
"""Pixels between the pictures of a contact sheet."""


def scene_maps(flat: Mapping[str, np.ndarray], colours: Mapping[str, np.ndarray], title: str) -> Figure:
    """A column for each embedding [n, 2], a row for each colouring: numbers [n] shaded, words [n] told apart."""
    with style.style():
        figure = style.new_figure(PANEL * len(flat) + 1.1, PANEL * len(colours) + 0.4)
        grid = figure.subplots(len(colours), len(flat), squeeze=False)
        for row, (name, values) in zip(grid, colours.items(), strict=True):
            shades, legend = _shades(values)
            for axes, y in zip(row, flat.values(), strict=True):
                _scatter(axes, y, shades)
            row[0].set_ylabel(name, color=INK)
            _legend(row[-1], legend)
        for axes, heading in zip(grid[0], flat, strict=True):
            axes.set_title(heading)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def save_hoverable(figure: Figure, path: Path, titles: Sequence[str], images: np.ndarray | None = None) -> Path:
    """Write the SVG of `scene_maps`, whose scenes say what they are under the pointer and to who gets there by keys.

    A scene tells its title [n], is ringed on all maps, and its picture [n, S, S, 3] uint8 appears beside every row.
    Keys go over the scenes once, on the first map. No script: the style sheet within the file chooses what appears.
    """
    style.save(figure, path)
    reached: set[int] = set()

    def named(match: re.Match[str]) -> str:
        scene = int(match[1])
        told = escape(titles[scene], quote=True)
        index = -1 if scene in reached else 0
        reached.add(scene)
        return f'<a class="scene s{scene}" tabindex="{index}" aria-label="{told}"><title>{told}</title>'

    svg = re.sub(r'<a xlink:href="scene-(\d+)"[^>]*>', named, path.read_text(encoding="utf-8"))
    added = _chosen_style(len(titles)) + ("" if images is None else _thumbnails(figure, images))
    path.write_text(svg.replace("</svg>", f"{added}</svg>"), encoding="utf-8")
    return path


def contact_sheet(images: np.ndarray, places: np.ndarray) -> Image:
    """Pictures [n, S, S, 3] uint8 on a square grid, each as near to its place [n, 2] on the map as can be."""
    from PIL import Image
    from scipy.optimize import linear_sum_assignment

    side = int(np.ceil(np.sqrt(len(images))))
    low, high = places.min(0), places.max(0)
    at = (places - low) / np.where(high > low, high - low, 1) * (side - 1)  # [n, 2] across, up
    across, up = np.meshgrid(np.arange(side), np.arange(side))
    cells = np.stack([across.ravel(), up.ravel()], 1)
    _, cell = linear_sum_assignment(np.square(at[:, None] - cells).sum(-1))
    size = images.shape[1] + GAP
    sheet = Image.new("RGB", (side * size - GAP, side * size - GAP), (255, 255, 255))
    for image, (x, y) in zip(images, cells[cell], strict=True):
        sheet.paste(Image.fromarray(image), (int(x) * size, int(side - 1 - y) * size))
    return sheet


def _chosen_style(scenes: int) -> str:
    """What happens to a scene under the pointer or the keys: the same one everywhere, and its pictures."""
    ring = f"{{stroke: {INK} !important; stroke-width: 1.3px !important}}"
    rules = [".thumbnail {display: none; pointer-events: none}", ".scene:focus {outline: none}"]
    for i in range(scenes):
        chosen = f"svg:has(.s{i}:hover, .s{i}:focus)"
        rules += [f"{chosen} .s{i} * {ring}", f"{chosen} .t{i} {{display: inline}}"]
    return f"<style>{' '.join(rules)}</style>"


def _thumbnails(figure: Figure, images: np.ndarray) -> str:
    """The pictures once, and where each appears: to the right of every row of maps, at its foot."""
    kept = "".join(
        f'<image id="picture-{i}" width="{THUMB}" height="{THUMB}" {_data(x)}/>' for i, x in enumerate(images)
    )
    width, height = figure.get_size_inches() * POINTS
    grid = figure.axes[0].get_subplotspec()
    columns = 1 if grid is None else grid.get_gridspec().ncols
    shown = []
    for axes in figure.axes[columns - 1 :: columns]:
        box = axes.get_position()
        x, y = min(box.x1 * width + 6, width - THUMB - 2), (1 - box.y0) * height - THUMB
        shown += [
            f'<use href="#picture-{i}" class="thumbnail t{i}" x="{x:.1f}" y="{y:.1f}"/>' for i in range(len(images))
        ]
    return f"<defs>{kept}</defs>{''.join(shown)}"


def _data(image: np.ndarray) -> str:
    from PIL import Image

    written = BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=80)
    return f'href="data:image/jpeg;base64,{b64encode(written.getvalue()).decode()}"'


def _shades(values: np.ndarray) -> tuple[list[Colour], list[tuple[str, Colour]]]:
    """A colour for each scene, and the legend: names, or both ends of the scale."""
    from matplotlib import colormaps

    if values.dtype.kind in "US":
        names = sorted(set(values.tolist()))
        shade = dict(zip(names, CYCLE * len(names), strict=False))
        return [shade[v] for v in values.tolist()], list(shade.items())
    low, high = float(values.min()), float(values.max())
    scale = colormaps["viridis"]
    shades = [scale((v - low) / ((high - low) or 1.0)) for v in values.tolist()]
    return shades, [(f"{v:.3g}", scale(i)) for v, i in ((low, 0.0), ((low + high) / 2, 0.5), (high, 1.0))]


def _scatter(axes: Axes, y: np.ndarray, shades: list[Colour]) -> None:
    points = axes.scatter(y[:, 0], y[:, 1], s=22, c=shades, edgecolors="white", linewidths=0.4)
    points.set_urls([f"scene-{i}" for i in range(len(y))])  # where `save_hoverable` puts the titles
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.08)


def _legend(axes: Axes, entries: Sequence[tuple[str, Colour]]) -> None:
    for word, shade in entries:
        axes.plot([], [], "o", color=shade, label=word)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=8, labelcolor=QUIET, handletextpad=0.1)
