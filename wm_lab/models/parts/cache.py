"""Keys and values of tokens that were read, and memory laid out for those to come."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.world_model import State

FORGOTTEN = -(10**6)
"""The step of a token that nobody sees: farther back than any window reaches."""


@dataclass
class Cache(State):
    """Keys (already rotated) and values of tokens that were read, and the step each stands at."""

    keys: Tensor  # [B, layers, heads, L, dh]
    values: Tensor  # [B, layers, heads, L, dh]
    step: Tensor  # [B, L] int64, FORGOTTEN where there is nothing to see

    def __post_init__(self) -> None:
        # No field: rows that are chosen, repeated or moved are tensors of their own, with no room behind them.
        self.room: Room | None = None
        self.end = 0  # how far these tokens reach in it

    def last(self, tokens: int) -> Cache:
        """The newest tokens alone."""
        cut = self.step.shape[1] - tokens
        newest = Cache(self.keys[:, :, :, cut:], self.values[:, :, :, cut:], self.step[:, cut:])
        newest.room, newest.end = self.room, self.end
        return newest

    def then(self, newer: Cache) -> Cache:
        """These tokens, and `newer` ones after them."""
        return Cache(
            torch.cat([self.keys, newer.keys], 3),
            torch.cat([self.values, newer.values], 3),
            torch.cat([self.step, newer.step], 1),
        )

    def joined(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer's newer tokens, [B, heads, K, dh], after the ones here."""
        return torch.cat([self.keys[:, layer], key], 2), torch.cat([self.values[:, layer], value], 2)

    def opened(self, step: Tensor) -> Cache:
        """These tokens, and after them others at the steps [B, K], which are yet to be written layer by layer."""
        length, tokens = self.step.shape[1], step.shape[1]
        room, end = self.room, self.end
        if room is None or not room.takes(tokens, end):
            room, end = Room(self, max(length, tokens)), length
        room.used = end + tokens
        return room.view(end - length, room.used, torch.cat([self.step, step], 1))

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The newest keys and values [B, heads, K, dh] of a layer; returns those of all tokens, [B, heads, L, dh]."""
        assert self.room is not None
        begin, at = self.end - self.step.shape[1], slice(self.end - key.shape[2], self.end)
        keys, values = self.room.keys[layer], self.room.values[layer]
        keys[:, :, at], values[:, :, at] = key, value
        return keys[:, :, begin : self.end], values[:, :, begin : self.end]

    def seen_where(self, kept: Tensor) -> Cache:
        """The same, all forgotten but where `kept` [B, L]: as if it had never been."""
        gone = ~kept[:, None, None, :, None]
        keys, values = (part.masked_fill(gone, 0.0) for part in (self.keys, self.values))
        return Cache(keys, values, torch.where(kept, self.step, FORGOTTEN))


class Room:
    """Where caches lie that steps append to, [layers, B, heads, room, dh]: one begins in it, and each next one goes on.

    Nothing is written twice, so a cache stays as it was whatever comes after it. Whoever goes on from one that was gone
    on from already, or finds no room left, moves to another room.
    """

    def __init__(self, cache: Cache, tokens: int) -> None:
        """Room for a cache and so many tokens more."""
        b, layers, heads, length, size = cache.keys.shape
        shape = layers, b, heads, length + tokens, size
        self.keys, self.values = cache.keys.new_empty(shape), cache.values.new_empty(shape)
        for mine, theirs in ((self.keys, cache.keys), (self.values, cache.values)):
            mine[:, :, :, :length] = theirs.transpose(0, 1)
        self.used = length

    def takes(self, tokens: int, after: int) -> bool:
        """Whether so many more go on from where a cache ends."""
        writable = torch.is_inference_mode_enabled() or not self.keys.is_inference()
        return writable and self.used == after and after + tokens <= self.keys.shape[3]

    def view(self, begin: int, end: int, step: Tensor) -> Cache:
        keys, values = (part[:, :, :, begin:end].transpose(0, 1) for part in (self.keys, self.values))
        cache = Cache(keys, values, step)
        cache.room, cache.end = self, end
        return cache
