"""A frame-causal transformer whose imagination shares one cached past among all candidates.

Tokens come in frames, one frame a time step. A token sees all tokens of its own frame and of the `window - 1` frames
before it. Where it stands in time is told by rotary embeddings (RoFormer, arXiv 2104.09864, §3.2), which only ever show
differences of steps: the window may slide for as long as it likes, and nothing jumps when it begins to.

`Transformer.prefix` reads what was observed once, for B episodes; `Transformer.extend` goes on from it, a frame at a
time, for N candidates each, whose N K queries meet the one prefix in a single product. `Transformer.append` goes on by
one frame for whoever wants to see it before the next, each row with a past of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError
from wm_lab.models.parts.cache import FORGOTTEN, Cache
from wm_lab.models.parts.products import Linear

Rotation = tuple[Tensor, Tensor]
"""cosines and sines, [B or 1, L, dh / 2]"""

Join = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Keys and values [B, heads, L, dh] -> those of the past with them, [B, heads, P + L, dh]"""


class Transformer(nn.Module):
    """`layers` pre-norm blocks and a last norm; `window` counts the frames that a token sees, its own included."""

    def __init__(self, width: int, layers: int, num_heads: int, window: int, mlp_ratio: float = 4.0):
        super().__init__()
        if width % (2 * num_heads):
            raise UserError(
                f"model.width={width} does not split into pairs for model.num_heads={num_heads}, as rotary "
                f"positions need; make it a multiple of {2 * num_heads}"
            )
        if window < 1:
            raise UserError(f"model.window={window} shows a token not even its own frame; use at least 1")
        self.width, self.num_heads, self.window = width, num_heads, window
        self.blocks = nn.ModuleList(Block(width, num_heads, mlp_ratio) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        """x: [B, L, W]; position: [L] or [B, L], steps; mask: [L, L] or [B, 1, L, L], True is seen -> [B, L, W]."""
        return self.prefix(x, position, mask)[0]

    def prefix(self, x: Tensor, position: Tensor, mask: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """As `forward`, and what `extend` (or this again, as `past`) goes on from.

        With a `past` of P tokens the mask is [B, 1, L, P + L].
        """
        rotation = self._rotation(position)
        layers: list[tuple[Tensor, Tensor]] = []
        for i, block in enumerate(self.blocks):
            x, own = block(x, rotation, mask, None if past is None else partial(past.joined, i))
            layers.append(own)
        keys, values = (torch.stack(parts, 1) for parts in zip(*layers, strict=True))
        return self.norm(x), Cache(keys, values, position.expand(x.shape[0], -1))

    def extend(
        self, x: Tensor, position: Tensor, prefix: Cache, suffix: Suffix, allowed: Tensor | None = None
    ) -> Tensor:
        """One more frame of K tokens for each of N candidates: [B, N, K, W] -> [B, N, K, W].

        position: [B], the frame's step in each episode. `suffix`, fresh from `Suffix(...)` at the first call, holds the
        candidates' own frames so far and takes in this one. `allowed` [K, L] further restricts which of all tokens,
        these included, each may see.
        """
        rotation = self._rotation(position[:, None])
        suffix.open(position, x.shape[2], self.window)
        seen = visible(position[:, None], torch.cat([prefix.step, *suffix.step], 1), self.window)  # [B, 1, L]
        seen = suffix.in_sight(seen if allowed is None else seen & allowed)
        bias = x.new_zeros(seen.shape).masked_fill_(~seen, -torch.inf)[:, None, None]  # [B, 1, 1, 1 or K, L]
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x = block.extend(x, rotation, bias, suffix, i)
        out: Tensor = self.norm(x)
        return out

    def append(
        self, x: Tensor, position: Tensor, past: Cache, kept: int, allowed: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """One more frame of K tokens after the past of each row: [B, K, W] -> [B, K, W], and the last `kept` tokens.

        position: [B], the frame's step in each episode. `allowed` [K, P + K] further restricts which tokens each sees.
        """
        at = position[:, None].expand(-1, x.shape[1])
        seen = visible(at, torch.cat([past.step, at], 1), self.window)
        mask = (seen if allowed is None else seen & allowed)[:, None]
        if torch.is_grad_enabled():  # autograd keeps what it multiplied by: it gets no memory that is written to again
            x, own = self.prefix(x, at, mask, past)
            return x, past.then(own).last(kept)
        rotation, longer = self._rotation(at), past.opened(at)
        for i, block in enumerate(self.blocks):
            x, _ = block(x, rotation, mask, partial(longer.write, i))
        return self.norm(x), longer.last(kept)

    def nothing(self, rows: int, tokens: int) -> Cache:
        """A past of so many forgotten tokens, for episodes that begin."""
        like = next(self.parameters())
        empty = like.new_zeros(rows, len(self.blocks), self.num_heads, tokens, self.width // self.num_heads)
        return Cache(empty, empty, torch.full((rows, tokens), FORGOTTEN, device=like.device))

    def _rotation(self, position: Tensor) -> Rotation:
        pairs = self.width // self.num_heads // 2
        rate = 100.0 ** (-torch.arange(pairs, device=position.device) / pairs)  # robots' windows are short
        angle = position.reshape(-1, position.shape[-1], 1).float() * rate
        return angle.cos(), angle.sin()


class Suffix:
    """Keys and values of the frames that N candidates imagined themselves, in memory laid out once.

    As the window moves on, what no row sees any longer is left out of the products: the prefix from `past` on and the
    suffix from `old` on are all that attention reads.
    """

    def __init__(self, prefix: Cache, candidates: int, tokens: int):
        b, layers, heads, _, size = prefix.keys.shape
        shape = (layers, b, heads, candidates, tokens, size)
        # Autograd keeps what it multiplied by: it gets a growing copy instead of memory that is written to again.
        self.grows = torch.is_grad_enabled()
        self.keys, self.values = (prefix.keys.new_empty(() if self.grows else shape) for _ in range(2))
        # Split once: to pick a layer at every frame would make the backward pass fill all of them every time.
        self.prefix = list(zip(prefix.keys.unbind(1), prefix.values.unbind(1), strict=True))
        self.prefix_step = prefix.step
        self.lists: list[tuple[Tensor, Tensor]] = []
        self.step: list[Tensor] = []
        self.ages: list[int] = []
        self.past = self.old = self.length = 0

    def open(self, position: Tensor, tokens: int, window: int) -> None:
        """Make room for a frame of so many tokens at the steps `position` [B], one after the last."""
        if not self.step:
            # Of each token for the row that saw it last; asked for once, since it waits for the device.
            self.ages = (position[:, None] - self.prefix_step).amin(0).tolist()
        frame = len(self.step)
        self.step.append(position[:, None].expand(-1, tokens))
        self.length += tokens
        self.past = next((i for i, age in enumerate(self.ages) if age + frame < window), len(self.ages))
        self.old = sum(step.shape[1] for step in self.step[: max(0, frame + 1 - window)])

    def in_sight(self, columns: Tensor) -> Tensor:
        """Of all tokens' columns [..., L], those of tokens that attention reads."""
        known = len(self.ages)
        return torch.cat([columns[..., self.past : known], columns[..., known + self.old :]], -1)

    def shared(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values [B, heads, P, dh] of the prefix, as far as it is still seen."""
        keys, values = self.prefix[layer]
        return keys[:, :, self.past :], values[:, :, self.past :]

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Take in [B, heads, N, K, dh] of one layer; returns all that is still seen, [B, heads, N, S, dh]."""
        if self.grows:
            if layer < len(self.lists):
                key, value = (torch.cat(pair, 3) for pair in zip(self.lists[layer], (key, value), strict=True))
                self.lists[layer] = (key, value)
            else:
                self.lists.append((key, value))
            return key[:, :, :, self.old :], value[:, :, :, self.old :]
        begin = self.length - key.shape[3]
        self.keys[layer, :, :, :, begin : self.length] = key
        self.values[layer, :, :, :, begin : self.length] = value
        return self.keys[layer, :, :, :, self.old : self.length], self.values[layer, :, :, :, self.old : self.length]


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float = 4.0):
        super().__init__()
        self.num_heads, hidden = num_heads, int(width * mlp_ratio)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = Linear(width, 3 * width, bias=False)
        self.out = Linear(width, width)
        self.mlp = nn.Sequential(Linear(width, hidden), nn.SiLU(inplace=True), Linear(hidden, width))

    def forward(
        self, x: Tensor, rotation: Rotation, mask: Tensor, join: Join | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, L, W] after it has seen what the mask shows, and its keys and values [B, heads, L, dh]."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        (q, k), v = rotate(qkv[:2], rotation), qkv[2]
        own = k, v
        if join is not None:
            k, v = join(k, v)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self._finish(x, seen.transpose(1, 2).flatten(2)), own

    def extend(self, x: Tensor, rotation: Rotation, bias: Tensor, suffix: Suffix, layer: int) -> Tensor:
        """x [B, N, K, W] of one new frame; bias [B, 1, 1, 1 or K, L] for prefix and suffix, this frame included."""
        n, tokens = x.shape[1:3]
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.num_heads, -1)).permute(3, 0, 4, 1, 2, 5)
        (q, k), v = rotate(qkv[:2], (rotation[0][:, None], rotation[1][:, None])), qkv[2]  # [B, heads, N, K, dh]
        prefix, (keys, values) = suffix.shared(layer), suffix.append(layer, k, v)
        q = q * q.shape[-1] ** -0.5
        # One softmax over both parts is what makes this exactly attention over their concatenation.
        shared = q.flatten(2, 3) @ prefix[0].transpose(-1, -2)  # [B, heads, N K, P]: the prefix is nobody's copy
        scores = torch.cat([shared.unflatten(2, (n, tokens)), q @ keys.transpose(-1, -2)], -1)
        weight = scores.add_(bias).softmax(-1).to(v.dtype)
        split = shared.shape[-1]
        seen = (weight[..., :split].flatten(2, 3) @ prefix[1]).unflatten(2, (n, tokens)) + weight[..., split:] @ values
        return self._finish(x, seen.permute(0, 2, 3, 1, 4).flatten(3))

    def _finish(self, x: Tensor, seen: Tensor) -> Tensor:
        x = x + self.out(seen)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn the pairs (x_i, x_{i + dh/2}) of x [..., B, heads, ..., dh] by the angles of their step."""
    cos, sin = (part[:, None] for part in rotation)
    a, b = x.chunk(2, -1)
    turned = torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)
    return torch.cat(turned, -1).to(x.dtype)


def visible(query: Tensor, key: Tensor, window: int) -> Tensor:
    """Who sees whom, by their steps: [..., Q], [..., K] -> [..., Q, K].

    With two tokens a frame and a window of two frames:

        step  0 0 1 1 2 2
          0   x x . . . .
          1   x x x x . .
          2   . . x x x x      (each line is that of both its tokens)
    """
    age = query[..., :, None] - key[..., None, :]
    return (age >= 0) & (age < window)


def frame_causal(step: Tensor, window: int, episode: Tensor | None = None) -> Tensor:
    """The training mask of tokens at steps [L] (or [B, L]): [L, L] (or [B, 1, L, L]), True is seen.

    episode: [B, L], a number for each token's episode; tokens of others are not seen.
    """
    seen = visible(step, step, window)
    if episode is not None:
        seen = seen & (episode[:, :, None] == episode[:, None, :])
    return seen if seen.dim() == 2 else seen[:, None]
