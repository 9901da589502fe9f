"""Figures that are drawn when somebody looks at them, and whose files the store keeps: drawing takes longer than
everything else that a run does whose work was done before."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wm_lab.reports import style
from wm_lab.store import Store
from wm_lab.system.code import code_hash

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """What `draw(*shown, **how)` will draw."""

    draw: Callable[..., Figure]
    shown: tuple[Any, ...]
    how: dict[str, Any] = field(default_factory=dict)

    def figure(self) -> Figure:
        return self.draw(*self.shown, **self.how)

    def digest(self) -> str:
        """Changes with what is shown, and with the code that shows it: the lab's, and that beside `draw`."""
        code = code_hash([Path(inspect.getfile(self.draw)).parent])
        what = pickle.dumps((self.draw.__qualname__, self.shown, self.how))
        parts = [what, version("matplotlib").encode(), code.encode()]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


class Figures(MutableMapping[str, Any]):
    """{name: Figure}, where a Drawing may be put in and is drawn once it is asked for."""

    def __init__(self, figures: Mapping[str, Any] | None = None) -> None:
        self._kept: dict[str, Any] = dict(figures._kept if isinstance(figures, Figures) else figures or {})

    def __getitem__(self, name: str) -> Figure:
        kept = self._kept[name]
        if isinstance(kept, Drawing):
            self._kept[name] = kept = kept.figure()
        figure: Figure = kept
        return figure

    def __setitem__(self, name: str, figure: Figure | Drawing) -> None:
        self._kept[name] = figure

    def __delitem__(self, name: str) -> None:
        del self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def save(self, name: str, path: Path, store: Store) -> Path:
        """Write it as `style.save` does; what was drawn of the same before is taken from the store."""
        kept = self._kept[name]
        if not isinstance(kept, Drawing):
            return style.save(kept, path)
        recipe = {"name": name, "drawing": kept.digest(), "format": path.suffix}
        folder = store.get("figure", recipe, lambda folder: _draw(kept, folder / f"figure{path.suffix}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(folder / f"figure{path.suffix}", path))


def _draw(drawing: Drawing, file: Path) -> None:
    style.save(drawing.figure(), file)
