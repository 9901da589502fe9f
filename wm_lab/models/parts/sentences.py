"""Sentences as vectors, learnt with whatever reads them: nothing is downloaded.

A word is the mean of its character n-grams' vectors (fastText, Bojanowski et al. 2017, arXiv 1607.04606), which are
hashed into one table; a GRU reads the words in their order. So a sentence that no episode was told is encoded, too, and
a word that none contained has the vector of what it is spelt like. It knows no synonyms: a pretrained encoder would.

Letters count as small ones and punctuation not at all. Order counts: red on blue is not blue on red.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ENTRIES = 4096
"""Of the table: some hundred words have a few thousand n-grams, which seldom share an entry."""

LENGTHS = (3, 4, 5)
"""Characters of an n-gram, the ends of the word among them."""

LONGEST = 48
"""Words that are read of a sentence."""

REVISION = 2
"""Raise it with any change after which weights mean something else: it is part of the names of what is told."""


class SentenceEncoder(nn.Module):
    """Vectors of the sentences that it knows by their numbers; others get a number when they are first heard."""

    grams: Tensor
    starts: Tensor
    words: Tensor
    lengths: Tensor

    def __init__(self, sentences: Sequence[str], width: int) -> None:
        super().__init__()
        self.sentences = list(sentences)
        self.table = nn.Parameter(torch.randn(ENTRIES, width))
        self.reader = nn.GRU(width, width, batch_first=True)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self._write_down(torch.device("cpu"))

    def number(self, sentence: str) -> int:
        """Of a sentence, which need not have been heard before."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)
            self._write_down(self.table.device)
        return self.sentences.index(sentence)

    def forward(self, chosen: Tensor) -> Tensor:
        """Numbers of sentences [...] int64 -> [..., W], of unit variance each; zeros for one without a word."""
        some, place = chosen.unique(return_inverse=True)
        vectors = F.embedding_bag(self.grams, self.table, self.starts, mode="mean")  # [V, W], the first of no word
        read, _ = self.reader(self.norm(vectors)[self.words[some]])  # [S, L, W]
        after = torch.cat([torch.zeros_like(read[:, :1]), read], 1)
        found = after[torch.arange(len(some), device=chosen.device), self.lengths[some]]
        vector: Tensor = self.norm(found)[place]
        return vector

    def _write_down(self, device: torch.device) -> None:
        """Tensors of the sentences. No part of a checkpoint: they are read off the specification, which is."""
        said = [words(sentence)[:LONGEST] for sentence in self.sentences]
        known = list(dict.fromkeys(word for sentence in said for word in sentence))
        bags = [[0], *map(ngrams, known)]
        ends = torch.tensor([0, *map(len, bags)]).cumsum(0)
        longest = max([1, *map(len, said)])
        place = {word: number for number, word in enumerate(known, 1)}
        padded = [[place[word] for word in sentence] + [0] * (longest - len(sentence)) for sentence in said]
        for name, value in {
            "grams": torch.tensor([gram for bag in bags for gram in bag]),
            "starts": ends[:-1],
            "words": torch.tensor(padded, dtype=torch.long).reshape(len(said), longest),
            "lengths": torch.tensor([len(sentence) for sentence in said], dtype=torch.long),
        }.items():
            self.register_buffer(name, value.to(device), persistent=False)


def words(sentence: str) -> list[str]:
    """Its words, in small letters."""
    return re.findall(r"\w+", sentence.lower())


def ngrams(word: str) -> list[int]:
    """Entries of a word's n-grams, and of the word as a whole."""
    spelt = f"<{word}>"
    found = [spelt, *(spelt[at : at + n] for n in LENGTHS for at in range(len(spelt) - n + 1))]
    return [crc32(gram.encode()) % ENTRIES for gram in dict.fromkeys(found)]
