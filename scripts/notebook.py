"""Runs the notebook from its first cell to its last and stores it with what it shows:  python3 scripts/notebook.py

In an environment with the extra `docs`. Data, models and episodes go to `outputs/` and are made once.
"""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "notebooks" / "four_exercises.ipynb"


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each ran
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]  # progress
    for name in set(notebook.metadata.language_info) - {"name"}:
        del notebook.metadata.language_info[name]
    NOTEBOOK.write_text(nbformat.writes(notebook).replace(f"{ROOT}/", "") + "\n", encoding="utf-8")  # of no machine


if __name__ == "__main__":
    main()
