"""Which instruction each episode of a LeRobot folder follows: that of its first frame, as LeRobot itself reads it.

Frames carry a `task_index`, which meta/tasks.parquet (before v3: meta/tasks.jsonl) gives words; where that file or
that column is missing, the list of episodes tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from unicodedata import category

from wm_lab.errors import UserError
from wm_lab.formats.files import file_in, read_json_lines
from wm_lab.formats.lerobot_layout import OLD_TASKS, TASKS
from wm_lab.formats.parquet import Parquet, texts

LONGEST = 10_000
"""Characters of an instruction."""


def task_words(folder: Path, is_old: bool) -> dict[int, str] | None:
    """{task_index: instruction}; None where no file describes the tasks."""
    name = OLD_TASKS if is_old else TASKS
    if not (folder / name).is_symlink() and not (folder / name).exists():
        return None
    path = file_in(folder, name)
    return _from_lines(path) if is_old else _from_table(path)


def require_sentences(said: Iterable[str], where: str) -> None:
    """UserError where one is none: endless, or with signs that steer a terminal."""
    for sentence in said:
        if len(sentence) > LONGEST:
            raise UserError(f"{where} has a sentence of {len(sentence):,} characters; shorten it")
        if any(category(sign) == "Cc" and not sign.isspace() for sign in sentence):
            raise UserError(f"{where} has a sentence with control characters, {sentence!r}; correct it")


def _from_table(path: Path) -> dict[int, str]:
    table = Parquet(path, ["task_index"])
    words = "__index_level_0__" if "task" not in table.names else "task"  # pandas' name for an index without one
    return dict(zip(table.integers("task_index").tolist(), texts(path, words), strict=True))


def _from_lines(path: Path) -> dict[int, str]:
    known = {}
    for row in read_json_lines(path):
        if type(row.get("task_index")) is not int or not isinstance(row.get("task"), str):
            raise UserError(f"{path} does not say task_index and task in every line; copy the dataset again")
        known[row["task_index"]] = row["task"]
    return known
