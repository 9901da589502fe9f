"""Embeddings of the data's instructions, learnt with the model: nothing is downloaded.

Words, and pairs of neighbours so that order counts, are hashed into one table; a sentence is the mean of its entries.
That tells apart the few sentences of a robot's data. It knows no synonyms, which would take a pretrained encoder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, pairwise
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError

ENTRIES = 512
"""Of the table. Two words may share an entry; two sentences hardly share all of theirs."""


class Instructions(nn.Module):
    """Embeddings of the sentences that a dataset knows."""

    entries: Tensor
    starts: Tensor

    def __init__(self, sentences: Sequence[str], width: int) -> None:
        super().__init__()
        if not any(words(sentence) for sentence in sentences):
            raise UserError(
                "model.language=true needs data that say what is to be done, and these have no instruction; set "
                "model.language=false"
            )
        entries = [[crc32(word.encode()) % ENTRIES for word in words(sentence)] for sentence in sentences]
        lengths = torch.tensor([0, *map(len, entries)])
        # Not part of a checkpoint: they are read off the specification, which is.
        self.register_buffer("entries", torch.tensor(list(chain(*entries))), persistent=False)
        self.register_buffer("starts", lengths.cumsum(0)[:-1], persistent=False)
        self.table = nn.Parameter(torch.randn(ENTRIES, width))

    def forward(self, chosen: Tensor | None, batch: int, steps: int) -> Tensor:
        """[B, T, W] for instructions chosen [B, T] by their number; None: the first one throughout."""
        every = F.embedding_bag(self.entries, self.table, self.starts, mode="mean")  # [I, W]
        return every[0].expand(batch, steps, -1) if chosen is None else every[chosen]


def words(sentence: str) -> list[str]:
    """Its words in lower case, and all pairs of neighbours."""
    found = re.findall(r"\w+", sentence.lower())
    return found + [" ".join(pair) for pair in pairwise(found)]
