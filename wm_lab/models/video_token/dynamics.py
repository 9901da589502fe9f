"""From the codes of a frame and the action that follows to the codes of the next: a transformer over groups of tokens.

    group of step t:   [ prompt_t | token_t,1 ... token_t,P ]        prompt: a_{t+1}, vector, context frame, all codes
    its outputs:       [ h_{t+1}  | predict token_t+1,1 ... P ]

The outputs at a frame's codes thus predict the next frame's, all in one pass. A token holds one code or several
(`tokens` of them share out the frame's codes; those of one token are predicted independently, as in STORM, arXiv
2310.09615, §3.1). A frame of a single token takes its prompt into it.

`decoding` says in how many rounds the codes of a frame are settled, knowing those settled before:

    parallel         all at once, from the outputs alone
    maskgit          the surest first, in `refine_steps` rounds (MaskGIT, arXiv 2202.04200, §3.2)
    autoregressive   one token a round, in order (IRIS, arXiv 2209.00588)

The rounds run one small block on top; the transformer reads every frame once whatever the decoding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError
from wm_lab.models.parts.attention import Transformer
from wm_lab.models.parts.blocks import mlp
from wm_lab.models.parts.fsq import FSQ
from wm_lab.models.parts.products import Linear
from wm_lab.models.video_token.config import VideoTokenConfig


class TokenDynamics(nn.Module):
    """`codes` of a frame in `config.tokens` tokens; `prompt` is the width of what the prompt reads."""

    def __init__(self, config: VideoTokenConfig, fsq: FSQ, codes: int, prompt: int):
        super().__init__()
        tokens, width = config.tokens or codes, config.width
        if codes % tokens:
            raise UserError(
                f"model.tokens={tokens} cannot share out the {codes} codes of a frame; use a divisor of them"
            )
        self.fsq, self.tokens, self.per_token = fsq, tokens, codes // tokens
        self.transformer = Transformer(width, config.transformer_layers, config.num_heads, config.context)
        # Attention alone takes hundreds of training steps to find what an action moves where. So the prompt reads the
        # whole frame and adds something to each of its tokens.
        reads = prompt + (codes * fsq.dims if tokens > 1 else 0)
        self.prompt = mlp(reads, width, 1, self.group_size * width)
        self.embed = Linear(self.per_token * fsq.dims, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.logits = Linear(width, self.per_token * fsq.size)
        rounds = {"parallel": 1, "maskgit": min(config.refine_steps, tokens), "autoregressive": tokens}
        self.rounds, self.in_order = rounds[config.decoding], config.decoding == "autoregressive"
        if self.rounds > 1:
            self.refiner = Transformer(width, 1, config.num_heads, window=1)
            self.settled = Linear(self.per_token * fsq.dims, width)
            self.open = nn.Parameter(0.02 * torch.randn(width))

    @property
    def group_size(self) -> int:
        """Tokens that the transformer reads for a frame."""
        return self.tokens + (self.tokens > 1)

    def group(self, codes: Tensor, prompt: Tensor) -> Tensor:
        """Codes [..., codes, dims] of a frame and what its prompt reads [..., I] -> [..., group_size, W]."""
        reads = prompt if self.tokens == 1 else torch.cat([prompt, codes.flatten(-2)], -1)
        prompts = self.prompt(reads).unflatten(-1, (self.group_size, -1))
        tokens = self.embed(self._packed(codes)) + self.place + prompts[..., -self.tokens :, :]
        return tokens if self.tokens == 1 else torch.cat([prompts[..., :1, :], tokens], -2)

    def parts(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs at a group [..., group_size, W] -> h [..., W], and those that predict tokens [..., tokens, W]."""
        # One matrix of rows: the logits of a slice would be a product for each candidate.
        return group[..., 0, :], group[..., -self.tokens :, :].contiguous()

    def loss(self, outputs: Tensor, codes: Tensor) -> Tensor:
        """Cross-entropy of the codes [..., codes, dims] that came, summed over them: [...].

        Where decoding takes rounds, a random part of the tokens is given, as in some round, and the rest is predicted;
        the sum is scaled to all tokens.
        """
        codes = codes.detach()
        index = self.fsq.index(codes)
        if self.rounds == 1:
            return self._surprise(self.logits(outputs), index).sum(-1)
        share = torch.cos(0.5 * math.pi * torch.rand(*outputs.shape[:-2], 1, device=outputs.device))
        order = torch.rand(outputs.shape[:-1], device=outputs.device).argsort(-1).argsort(-1)
        asked = order < (share * self.tokens).ceil().clamp(1, self.tokens)
        surprise = self._surprise(self._refined(outputs, self._packed(codes), ~asked), index)
        return (surprise * asked).sum(-1) * self.tokens / asked.sum(-1)

    def predict(self, outputs: Tensor, likely: bool) -> Tensor:
        """The next frame's codes [..., codes, dims] from outputs [..., tokens, W]: drawn, or (`likely`) expected.

        The expected code lets the gradient of an imagined future through, and moves smoothly with the actions that a
        planner tries. Once trained it is no more and no less accurate than the likeliest one (hand/reach and hand/push,
        at 1 to 20 steps).
        """
        if self.rounds == 1:
            return self._choose(self.logits(outputs), likely).flatten(-3, -2)
        settled = torch.zeros_like(outputs[..., 0], dtype=torch.bool)
        codes = outputs.new_zeros(*outputs.shape[:-1], self.per_token * self.fsq.dims)
        for i in range(self.rounds):
            logits = self._refined(outputs, codes, settled)
            chosen = self._next(logits, settled, i) & ~settled
            codes = torch.where(chosen[..., None], self._choose(logits, likely).flatten(-2), codes)
            settled = settled | chosen
        unpacked: Tensor = codes.unflatten(-1, (self.per_token, -1)).flatten(-3, -2)
        return unpacked

    def _next(self, logits: Tensor, settled: Tensor, i: int) -> Tensor:
        """Which tokens [..., tokens] are settled after round i."""
        if self.in_order:
            return (torch.arange(self.tokens, device=logits.device) <= i).expand_as(settled)
        count = self.tokens - math.floor(self.tokens * math.cos(0.5 * math.pi * (i + 1) / self.rounds) + 1e-9)
        sure = logits.detach().float().unflatten(-1, (self.per_token, -1)).log_softmax(-1).amax(-1).sum(-1)
        rank = sure.masked_fill(settled, torch.inf).argsort(-1, descending=True).argsort(-1)
        chosen: Tensor = rank < max(count, i + 1)
        return chosen

    def _refined(self, outputs: Tensor, codes: Tensor, settled: Tensor) -> Tensor:
        """Logits [..., tokens, per_token * size] where the packed codes of some tokens are settled."""
        x = outputs + torch.where(settled[..., None], self.settled(codes), self.open) + self.place
        step = torch.zeros(self.tokens, dtype=torch.long, device=x.device)
        all_tokens = torch.ones(self.tokens, self.tokens, dtype=torch.bool, device=x.device)
        refined = self.refiner(x.flatten(0, -3), step, all_tokens)
        logits: Tensor = self.logits(refined.reshape(x.shape))
        return logits

    def _surprise(self, logits: Tensor, index: Tensor) -> Tensor:
        """-log p of codes at their places in the codebook [..., codes], summed for each token: [..., tokens]."""
        flat = logits.float().reshape(-1, self.fsq.size)
        surprise = F.cross_entropy(flat, index.flatten(), reduction="none")
        return surprise.view(*index.shape[:-1], self.tokens, self.per_token).sum(-1)

    def _choose(self, logits: Tensor, likely: bool) -> Tensor:
        """Codes [..., tokens, per_token, dims]"""
        logits = logits.float().unflatten(-1, (self.per_token, -1))
        if likely:
            return self.fsq.expected(logits)
        noise = torch.rand_like(logits).clamp_min(1e-20).log().neg().log().neg()  # Gumbel
        return self.fsq.code((logits.detach() + noise).argmax(-1))

    def _packed(self, codes: Tensor) -> Tensor:
        """[..., codes, dims] -> [..., tokens, per_token * dims]"""
        packed: Tensor = codes.unflatten(-2, (self.tokens, -1)).flatten(-2)
        return packed
