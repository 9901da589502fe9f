"""Titles as plain names that every file system and every program takes: ASCII alone."""

from __future__ import annotations

import re
import unicodedata

WORDS = {
    "−": " minus ",
    "–": " ",
    "×": " x ",
    "ρ": " rho ",
    "σ": " sigma ",
    "Δ": " delta ",
    "/": " per ",
    "%": " percent ",
}
"""Signs that a name would lose."""


def file_name(title: str) -> str:
    """ "R² on unseen trajectories" -> "r2-on-unseen-trajectories"; what has no letter of ours left is "table"."""
    return _plain(title.replace("/", " "), r"[^\w.-]+", "-").strip("-.") or "table"


def column_name(title: str) -> str:
    """ "predicted − realised" -> "predicted_minus_realised"; "" is "row"."""
    return _plain(title, r"\W+", "_").strip("_") or "row"


def _plain(text: str, unwanted: str, between: str) -> str:
    for sign, word in WORDS.items():
        text = text.replace(sign, word)
    ascii_alone = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(unwanted, between, ascii_alone.strip(), flags=re.ASCII).lower()
