"""Whether what a store holds is whole: the part of `wm-lab-store` that reads models, and so waits for PyTorch."""

from __future__ import annotations

from pathlib import Path

from wm_lab.data.shard import open_shard
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import read_json
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.stock import Item
from wm_lab.store import HASH_LENGTH, RECIPE, key_of
from wm_lab.training.checkpoint import read


def fault(root: Path, item: Item) -> str | None:
    """What is wrong with an artifact, in a sentence; None where it is as it was written."""
    folder = root / item.place
    try:
        content = read_json(folder / RECIPE, "recipe", ["kind", "recipe"], vouched=False)
        if key_of(content["kind"], content["recipe"])[:HASH_LENGTH] != folder.name[-HASH_LENGTH:]:
            return f"{folder / RECIPE} is not the recipe that {folder.name} is named for; it was edited"
        _read_contents(item.kind, folder)
    except (UserError, KeyError, TypeError) as error:
        return str(error)
    return None


def _read_contents(kind: str, folder: Path) -> None:
    """Raises UserError where a file is damaged."""
    if kind == "dataset":
        open_shard(folder, None)
    for file in sorted(folder.glob("*.pt")):
        read(file)
    for file in sorted(set(folder.glob("*.json")) - {folder / RECIPE}):
        if kind == "outcomes":
            Outcomes.load(file)
        elif kind != "dataset":
            read_json(file, "record")
