"""Scenes on a map: the same points in several embeddings and several colours, and their pictures laid out alike.

Shapes: n scenes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
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


def save_hoverable(figure: Figure, path: Path, titles: Sequence[str]) -> Path:
    """Write the SVG of `scene_maps`; a scene says its title [n] under the pointer and to who gets there by keys."""
    style.save(figure, path)

    def named(match: re.Match[str]) -> str:
        told = escape(titles[int(match[1])], quote=True)
        return f'<a tabindex="0" aria-label="{told}"><title>{told}</title>'

    svg = re.sub(r'<a xlink:href="scene-(\d+)"[^>]*>', named, path.read_text(encoding="utf-8"))
    path.write_text(svg, encoding="utf-8")
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
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, labelcolor=QUIET, handletextpad=0.1)
